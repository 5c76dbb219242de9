"""Encode Motion: the driving video as motion tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..threedimo_core.driving import as_frames, prepare_driving
from ..threedimo_core.encoding import encode_motion
from ..threedimo_core.motion_clip import MotionClip, require_fps
from .holding import LoadedModel, bring
from .reporting import cancelled, progress_bar, shown_text
from .types import CATEGORY, Model3DiMo, Motion

FIND, NO_HANDS = "find", "leave out"


class EncodeMotion(io.ComfyNode):
    """IMAGE batch and fps → MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoEncodeMotion",
            display_name="Encode Motion",
            category=CATEGORY,
            description="Reads the motion of one person from a video into a few tokens per frame that do not know "
            "where the camera stood. Use them with any reference image, save them, cut them, blend them.",
            inputs=[
                Model3DiMo.Input("model_3dimo", tooltip="From Load 3DiMo. Motions only work with the model whose "
                                 "encoder made them."),
                io.Image.Input("images", tooltip="The driving video, its frames in order: one person, mostly in the "
                               "picture. A single picture gives a pose to hold (Hold Motion)."),
                io.Float.Input("fps", default=24.0, min=0.1, max=1000.0, step=0.01,
                               tooltip="Frames a second of the driving video. Connect the fps of Get Video Components: "
                               "with a wrong value the motion is too fast or too slow."),
                io.Combo.Input("hands", options=[FIND, NO_HANDS], default=FIND,
                               tooltip="find: look for both hands, where the hand finder (mediapipe) is installed; "
                               "the node says what was found. leave out: fingers are up to the video model."),
                io.Boolean.Input("crop_person", default=False,
                                 tooltip="Cut the frames to the person first: helps where the person is small in the "
                                 "picture. Needs the hand finder's extra."),
                io.Int.Input("chunk_frames", default=64, min=1, max=4096,
                             tooltip="Frames encoded at a time. Fewer need less memory; the result is the same."),
                io.Image.Input("left_hand", optional=True,
                               tooltip="Pictures of the person's left hand, one for each frame, if you cut them out "
                               "yourself; nothing is looked for then."),
                io.Image.Input("right_hand", optional=True,
                               tooltip="Pictures of the person's right hand, one for each frame."),
            ],
            outputs=[Motion.Output(display_name="motion", tooltip="The motion, for Apply 3DiMo, the motion tools or "
                                   "Save Motion.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model_3dimo: LoadedModel,
        images: Tensor,
        fps: float,
        hands: str,
        crop_person: bool,
        chunk_frames: int,
        left_hand: Tensor | None = None,
        right_hand: Tensor | None = None,
    ) -> io.NodeOutput:
        fps = require_fps(fps)
        frames, adapter = as_frames(images), model_3dimo.adapter
        hand = adapter.encoder.config.hand
        driving = prepare_driving(
            frames, fps, hand.image_size if hand else None, _hand(left_hand), _hand(right_hand),
            find=hands == FIND, crop_person=crop_person, progress=progress_bar(len(frames)),
        )  # fmt: skip
        bring(model_3dimo.encoder)
        motion = encode_motion(
            adapter, driving.frames, fps, driving.hands, driving.hand_present,
            chunk=chunk_frames, progress=progress_bar(len(frames)), cancelled=cancelled,
        )  # fmt: skip
        motion = replace(motion, source_size=(frames.shape[-2], frames.shape[-1]))
        return io.NodeOutput(motion, ui=shown_text("\n".join([describe_motion(motion), *driving.notes])))


def describe_motion(motion: MotionClip) -> str:
    """Length and rate in a line."""
    frames = f"{motion.num_frames} frame{'s' * (motion.num_frames != 1)}"
    return f"{frames} at {motion.fps:g} fps, {motion.duration:.2f} s"


def _hand(images: Any) -> Tensor | None:
    return None if images is None else as_frames(images)


NODES = [EncodeMotion]
