"""Motion tools: cut, retime, loop, join, blend, combine, hold. Every node is one call into `motion_edit`."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..threedimo_core import motion_edit
from ..threedimo_core.motion_clip import MotionClip, MotionClipError
from .encode import describe_motion
from .reporting import shown_text
from .types import CATEGORY, Motion

MENU = f"{CATEGORY}/motion"
MAX_FRAMES = 100_000
TO_FPS, TO_LENGTH, BY_SPEED = "to fps", "to length", "by speed"


def _schema(name: str, title: str, description: str, inputs: list[Any]) -> io.Schema:
    output = Motion.Output(display_name="motion", tooltip="The new motion; the old one stays as it is.")
    return io.Schema(
        node_id=f"ThreeDiMo{name}", display_name=title, category=MENU, description=description, inputs=inputs,
        outputs=[output],
    )  # fmt: skip


def _motion(name: str = "motion", tooltip: str = "The motion to work on.") -> Any:
    return Motion.Input(name, tooltip=tooltip)


def _frames(name: str, default: int, tooltip: str, least: int = 1) -> io.Int.Input:
    return io.Int.Input(name, default=default, min=least, max=MAX_FRAMES, tooltip=tooltip)


def _align() -> io.Combo.Input:
    return io.Combo.Input(
        "align", options=["cut", "stretch"], default="cut",
        tooltip="Where lengths differ. cut: end with the shorter motion. stretch: bring the second to the length of "
        "the first, slower or faster.",
    )  # fmt: skip


def _done(motion: MotionClip) -> io.NodeOutput:
    return io.NodeOutput(motion, ui=shown_text(describe_motion(motion)))


class TrimMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema("TrimMotion", "Trim Motion", "Keeps a part of a motion.", [
            _motion(),
            io.Int.Input("start", default=0, min=-MAX_FRAMES, max=MAX_FRAMES,
                         tooltip="The first frame to keep; 0 is the first of all, -25 counts from the end."),
            io.Int.Input("length", default=0, min=0, max=MAX_FRAMES,
                         tooltip="How many frames to keep; 0 is all up to the end. Video models make 4n+1 frames: 33, "
                         "49, 81, 121."),
        ])  # fmt: skip

    @classmethod
    def execute(cls, motion: MotionClip, start: int, length: int) -> io.NodeOutput:
        first = start if start >= 0 else motion.num_frames + start
        if length and not 0 <= first <= first + length <= motion.num_frames:
            raise MotionClipError(
                f"{length} frames from frame {start} on were asked for, but the motion has {motion.num_frames}; choose "
                "a smaller start or length, or loop or hold the motion to make it longer"
            )
        return _done(motion_edit.trim(motion, start, first + length if length else None))


class RetimeMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema(
            "RetimeMotion", "Retime Motion",
            "Changes the frame rate of a motion, its length or its speed. Apply 3DiMo brings motions to the video's "
            "frame rate by itself.",
            [
                _motion(),
                io.Combo.Input("mode", options=[TO_FPS, TO_LENGTH, BY_SPEED], default=TO_FPS,
                               tooltip="to fps: same speed, another frame rate. to length: slower or faster, until it "
                               "has so many frames. by speed: so many times as fast."),
                io.Float.Input("fps", default=24.0, min=0.1, max=1000.0, step=0.01,
                               tooltip="For 'to fps': frames a second afterwards."),
                _frames("frames", 81, "For 'to length': frames afterwards."),
                io.Float.Input("speed", default=1.0, min=0.05, max=20.0, step=0.05,
                               tooltip="For 'by speed': 2 is twice as fast and half as long."),
                io.Combo.Input("interpolation", options=["linear", "nearest"], default="linear",
                               tooltip="linear: between two frames, smooth. nearest: frames as they are, for motions "
                               "that should stay choppy."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, motion: MotionClip, mode: str, fps: float, frames: int, speed: float, interpolation: Any
    ) -> io.NodeOutput:
        if mode == TO_FPS:
            return _done(motion_edit.resample(motion, fps, interpolation))
        count = frames if mode == TO_LENGTH else round((motion.num_frames - 1) / speed) + 1
        return _done(motion_edit.to_length(motion, count, interpolation))


class LoopMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema("LoopMotion", "Loop Motion", "Repeats a motion until it has so many frames.", [
            _motion(),
            _frames("frames", 121, "Frames afterwards; fewer than the motion has cut it."),
            _frames("fade", 0, "Frames over which the end fades into the beginning, against a jump.", least=0),
            io.Boolean.Input("ping_pong", default=False, tooltip="Run forwards and backwards in turn: no seam at all, "
                             "but walking looks odd backwards."),
        ])  # fmt: skip

    @classmethod
    def execute(cls, motion: MotionClip, frames: int, fade: int, ping_pong: bool) -> io.NodeOutput:
        return _done(motion_edit.loop(motion, frames, fade, ping_pong))


class ReverseMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema("ReverseMotion", "Reverse Motion", "Plays a motion backwards.", [_motion()])

    @classmethod
    def execute(cls, motion: MotionClip) -> io.NodeOutput:
        return _done(motion_edit.reverse(motion))


class JoinMotions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema(
            "JoinMotions", "Join Motions",
            "One motion after the other, with a cross-fade. The second is brought to the frame rate of the first.",
            [
                _motion("first", "Comes first; its frame rate is kept."),
                _motion("second", "Comes second; from the same 3DiMo model."),
                _frames("fade", 8, "Frames in which the first turns into the second. Half a second looks smooth; 0 is "
                        "a cut.", least=0),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, first: MotionClip, second: MotionClip, fade: int) -> io.NodeOutput:
        return _done(motion_edit.join(first, second, fade))


class BlendMotions(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema(
            "BlendMotions", "Blend Motions",
            "A motion between two, frame by frame: the same all the time, or turning from one into the other.",
            [
                _motion("first", "Weight 0; its frame rate is kept."),
                _motion("second", "Weight 1; from the same 3DiMo model."),
                io.Float.Input("weight", default=0.5, min=0.0, max=1.0, step=0.01,
                               tooltip="Share of the second motion in the first frame."),
                io.Float.Input("weight_end", default=0.5, min=0.0, max=1.0, step=0.01,
                               tooltip="Share of the second motion in the last frame; in between it changes evenly."),
                _align(),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, first: MotionClip, second: MotionClip, weight: float, weight_end: float, align: Any
    ) -> io.NodeOutput:
        if weight == weight_end:
            return _done(motion_edit.blend(first, second, weight, align))
        first, second = motion_edit.aligned(first, second, align)
        return _done(motion_edit.blend(first, second, torch.linspace(weight, weight_end, first.num_frames)))


class CombineBodyAndHands(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema(
            "CombineBodyAndHands", "Combine Body and Hands",
            "The body of one motion with the hands of another, such as hands filmed from near.",
            [
                _motion("body", "Gives the body and the frame rate."),
                _motion("hands", "Gives both hands; from the same 3DiMo model."),
                _align(),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, body: MotionClip, hands: MotionClip, align: Any) -> io.NodeOutput:
        return _done(motion_edit.combine(body, hands, align))


class HoldMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return _schema(
            "HoldMotion", "Hold Motion",
            "One frame of a motion, held: for novel views of a still pose, while the camera moves.",
            [
                _motion(tooltip="A motion, or a single picture through Encode Motion."),
                io.Int.Input("frame", default=0, min=-MAX_FRAMES, max=MAX_FRAMES,
                             tooltip="Which frame to hold; -1 is the last."),
                _frames("frames", 81, "How long: frames afterwards. Video models make 4n+1 frames: 33, 49, 81, 121."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, motion: MotionClip, frame: int, frames: int) -> io.NodeOutput:
        return _done(motion_edit.hold(motion, frame, frames))


class MotionInfo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoMotionInfo",
            display_name="Motion Info",
            category=MENU,
            description="How long a motion is and where it comes from, as numbers for other nodes and as text.",
            inputs=[_motion(tooltip="Any motion.")],
            outputs=[
                io.Int.Output(display_name="frames", tooltip="Number of frames."),
                io.Float.Output(display_name="fps", tooltip="Frames a second."),
                io.Float.Output(display_name="seconds", tooltip="Frames divided by fps."),
                io.String.Output(display_name="text", tooltip="All of it in words, with the encoder and the hands."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion: MotionClip) -> io.NodeOutput:
        left, right = motion.hand_present.float().mean(0).tolist()
        height, width = motion.source_size
        text = "\n".join([
            describe_motion(motion),
            f"hands seen: the left one in {left:.0%} of the frames, the right one in {right:.0%}",
            f"driving video of {width} × {height} px, encoder {motion.encoder_id}",
        ])  # fmt: skip
        return io.NodeOutput(motion.num_frames, motion.fps, motion.duration, text, ui=shown_text(text))


NODES = [
    TrimMotion, RetimeMotion, LoopMotion, ReverseMotion, JoinMotions, BlendMotions, CombineBodyAndHands, HoldMotion,
    MotionInfo,
]  # fmt: skip
