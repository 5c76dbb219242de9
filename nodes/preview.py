"""Preview Motion: a motion as a figure on a turntable, before anything is sampled."""

from __future__ import annotations

import secrets

import torch
from comfy_api.latest import io, ui

from ..threedimo_core.decoded_pose import DecodedPose, decode_pose
from ..threedimo_core.motion_clip import MotionClip
from ..threedimo_core.skeleton_preview import MAX_SIDE, MIN_SIDE, PreviewSettings, draw_preview
from .holding import LoadedModel, bring
from .reporting import cancelled, progress_bar
from .types import CATEGORY, Model3DiMo, Motion

SMOOTHING_TOOLTIP = (
    "Seconds over which joint rotations are averaged. Poses are read frame by frame and jitter a little; 0 shows them "
    "raw, above 0.2 quick moves get lost."
)


class PreviewMotion(io.ComfyNode):
    """MOTION → IMAGE batch, and shown on the node."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoPreviewMotion",
            display_name="Preview Motion",
            category=CATEGORY,
            description="Draws what the motion tokens know as a figure on a turntable: pose, without place and facing "
            "direction, which the tokens leave to the reference and the camera. Orange is the person's left, grey "
            "hands were not seen.",
            inputs=[
                Model3DiMo.Input("model_3dimo", tooltip="From Load 3DiMo; the model whose encoder made the motion."),
                Motion.Input("motion", tooltip="The motion to look at."),
                io.Int.Input("width", default=512, min=MIN_SIDE, max=MAX_SIDE, step=16, tooltip="Width in pixels."),
                io.Int.Input("height", default=512, min=MIN_SIDE, max=MAX_SIDE, step=16, tooltip="Height in pixels."),
                io.Float.Input("turns", default=1.0, min=-20.0, max=20.0, step=0.25,
                               tooltip="Full turns of the camera around the figure over the clip; 0 stands still."),
                io.Float.Input("azimuth", default=0.0, min=-180.0, max=180.0, step=5.0,
                               tooltip="Where the camera begins, in degrees: 0 in front, 90 at the person's left."),
                io.Float.Input("elevation", default=10.0, min=-10.0, max=80.0, step=5.0,
                               tooltip="How high the camera stands, in degrees: 0 is level with the hips."),
                io.Float.Input("smoothing", default=0.0, min=0.0, max=2.0, step=0.01, tooltip=SMOOTHING_TOOLTIP),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="One picture a frame."),
                io.Float.Output(display_name="fps", tooltip="Frames a second of the motion, for Create Video."),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model_3dimo: LoadedModel,
        motion: MotionClip,
        width: int,
        height: int,
        turns: float,
        azimuth: float,
        elevation: float,
        smoothing: float,
    ) -> io.NodeOutput:
        settings = PreviewSettings(height=height, width=width, turns=turns, azimuth=azimuth, elevation=elevation)
        pose = read_pose(model_3dimo, motion, smoothing)
        frames = draw_preview(pose, settings, progress_bar(motion.num_frames), cancelled)
        images = torch.from_numpy(frames).float() / 255
        prefix = f"threedimo_preview_{secrets.token_hex(4)}"
        shown = ui.ImageSaveHelper.save_animated_webp(
            images, prefix, io.FolderType.temp, None, fps=motion.fps, lossless=False, quality=85, method=0
        )
        return io.NodeOutput(images, motion.fps, ui=ui.SavedImages([shown], is_animated=len(frames) > 1))


def read_pose(loaded: LoadedModel, motion: MotionClip, smoothing: float) -> DecodedPose:
    """The poses of a motion. ValueError where another model's encoder made it, or the model has no decoder."""
    decoder = loaded.adapter.decoder
    if decoder is None:
        raise ValueError(f"the 3DiMo model {loaded.name} holds no geometric decoder: its motions cannot be shown")
    loaded.adapter.check_clip(motion)
    bring(loaded.decoder)
    return decode_pose(decoder, motion, smoothing)


NODES = [PreviewMotion]
