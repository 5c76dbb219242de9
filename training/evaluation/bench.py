"""The benchmark: does the motion code know 3D, does the camera obey, what does it cost?

Without a command name, all parts are scored: `python -m training bench --model MODEL --heldout FOLDER`.
"""

from __future__ import annotations

from ..command_line import Command, run_group

_SCORE = "training.evaluation.score_command"
_PARTS = {
    "retrieval": "a: the same motion found from another view, worn by another person",
    "probe": "b: the 3D pose read from tokens, same view and cross view",
    "camera": "c: camera moves read from generated videos",
    "quality": "d: generated pictures against the true other view",
    "leaks": "e: azimuth and identity in the tokens, relative turn",
    "depth": "f: poses that look alike from one view, told apart",
}
COMMANDS = {
    "all": Command(_SCORE, "every part a to f that the model allows, or those of --parts"),
    **{name: Command(_SCORE, text) for name, text in _PARTS.items()},
    "video": Command("training.evaluation.video_command", "the paper's metrics of generated against real videos"),
    "render": Command("training.data.render_speed", "frames a second of the data engine beside other renderers"),
    "step": Command("training.evaluation.step_cost", "a training step beside the same step of the bare DiT"),
    "speed": Command("training.evaluation.speed", "time, memory and FLOPs of the encoder and of the injection"),
}


def main(argv: list[str]) -> int:
    """Run one part of the benchmark, or all; returns the exit status."""
    if argv and argv[0].startswith("--") and argv[0] != "--help":
        argv = ["all", *argv]
    if argv and argv[0] in _PARTS and not {"-h", "--help"} & set(argv):
        argv = [*argv, "--parts", argv[0]]
    return run_group("python -m training bench", __doc__ or "", COMMANDS, argv)
