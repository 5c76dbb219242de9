"""Export Motion: joints for animation programs."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..threedimo_core.motion_clip import MotionClip
from ..threedimo_core.motion_export import WRITERS
from .holding import LoadedModel
from .motion_files import FOLDER, NUMBER, REPLACE, output_place
from .preview import SMOOTHING_TOOLTIP, read_pose
from .reporting import shown_text
from .types import CATEGORY, Model3DiMo, Motion

FORMATS = {"BVH": ".bvh", "SMPL-X npz": ".npz"}


class ExportMotion(io.ComfyNode):
    """MOTION → BVH or SMPL-X npz in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoExportMotion",
            display_name="Export Motion",
            category=CATEGORY,
            description="Writes the joint rotations of a motion for Blender, Maya, Unreal and others. The figure stays "
            "in place and faces the front: tokens do not hold where a person goes.",
            inputs=[
                Model3DiMo.Input("model_3dimo", tooltip="From Load 3DiMo; the model whose encoder made the motion."),
                Motion.Input("motion", tooltip="The motion to export."),
                io.Combo.Input("format", options=list(FORMATS), default="BVH",
                               tooltip="BVH: a skeleton with Mixamo's joint names, for animation programs. SMPL-X npz: "
                               "pose parameters with the field names of AMASS."),
                io.String.Input("filename_prefix", default=f"{FOLDER}/motion",
                                tooltip="Name below ComfyUI's output folder."),
                io.Combo.Input("if_exists", options=[NUMBER, REPLACE], default=NUMBER,
                               tooltip="add a number: nothing is overwritten. replace: exactly this name."),
                io.Float.Input("smoothing", default=0.05, min=0.0, max=2.0, step=0.01, tooltip=SMOOTHING_TOOLTIP),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="Name of the file below the output folder.")],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model_3dimo: LoadedModel,
        motion: MotionClip,
        format: str,
        filename_prefix: str,
        if_exists: str,
        smoothing: float,
    ) -> io.NodeOutput:
        suffix = FORMATS[format]
        folder, name, subfolder = output_place(filename_prefix.removesuffix(suffix), if_exists)
        pose = read_pose(model_3dimo, motion, smoothing)
        path = WRITERS[suffix](folder / f"{name}{suffix}", pose)
        text = f"{path.name}, {path.stat().st_size / 1024:.0f} KiB, {pose.num_frames} frames at {pose.fps:g} fps"
        return io.NodeOutput(Path(subfolder, path.name).as_posix(), ui=shown_text(text))


NODES = [ExportMotion]
