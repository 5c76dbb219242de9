"""Make, check and look at data sets."""

from __future__ import annotations

from ..command_line import Command, run_group

COMMANDS = {
    "render": Command("training.data.render_command", "render performances from a seed"),
    "check": Command("training.data.check_command", "verify a data set: files, captions, labels"),
    "show": Command("training.data.show_command", "draw contact sheets with skeletons, captions and camera paths"),
    "import-motions": Command("training.data.import_motions_command", "a bank of motions from BVH, AMC, AMASS files"),
    "import-video": Command("training.data.import_video_command", "clips of people from your own videos"),
    "import-multiview": Command("training.data.import_multiview_command", "multi-view clips from synchronous cameras"),
    "import-poses": Command("training.data.import_poses_command", "pose labels from the files of pose estimators"),
    "caption": Command("training.data.caption_command", "describe views and camera moves with Qwen2.5-VL"),
    "merge": Command("training.data.merge_command", "join the manifests of several shards into one"),
    "cluster": Command("training.data.cluster_command", "run one of these steps on a Ray cluster, a shard a task"),
    "demo-inputs": Command("training.data.demo_command", "render the inputs of `threedimo demo`"),
}


def main(argv: list[str]) -> int:
    """Run one data command; returns the exit status."""
    return run_group("python -m training data", __doc__ or "", COMMANDS, argv)
