"""Apply 3DiMo: a MODEL and its conditioning that follow a motion, for any sampler of the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from comfy_api.latest import io

from ..threedimo_core.fitting import fit_motion
from ..threedimo_core.motion_clip import MotionClip
from .comfy_injection import Gate, add_injection
from .holding import LoadedModel
from .host_backbone import require_fit
from .motion_cond import MotionPayload, with_motion
from .types import CATEGORY, Model3DiMo, Motion


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How much of a motion is heard, and when. fps: of the video to make; 0 is what the adapter was trained with.
    body, hands: 1 keeps those tokens, 0 replaces them by "no motion"."""

    gate: Gate
    fps: float = 0.0
    body: float = 1.0
    hands: float = 1.0


def strength_inputs() -> list[Any]:
    """The inputs of every node that applies a motion."""
    return [
        io.Float.Input(
            "strength", default=1.0, min=0.0, max=10.0, step=0.01,
            tooltip="How strongly the motion is followed. 1 is as trained, 0 leaves the model as it is.",
        ),
        io.Float.Input(
            "start_percent", default=0.0, min=0.0, max=1.0, step=0.001,
            tooltip="From which part of the sampling on the motion acts: 0 is the first step.",
        ),
        io.Float.Input(
            "end_percent", default=1.0, min=0.0, max=1.0, step=0.001,
            tooltip="Up to which part of the sampling the motion acts: 1 is the last step. Pose and camera are "
            "settled early; an end of 0.6 gives the last steps to detail alone.",
        ),
        io.Float.Input(
            "body_strength", default=1.0, min=0.0, max=2.0, step=0.01,
            tooltip="Weight of the body's motion: 1 as driven, 0 as if no body motion had been given.",
        ),
        io.Float.Input(
            "hand_strength", default=1.0, min=0.0, max=2.0, step=0.01,
            tooltip="Weight of the hands' motion: 1 as driven, 0 leaves the hands to the model.",
        ),
        io.Float.Input(
            "fps", default=0.0, min=0.0, max=240.0, step=0.01, optional=True,
            tooltip="Frames a second of the video to make; the motion is brought to it and keeps its speed. "
            "0: the frame rate the 3DiMo model was trained with.",
        ),
    ]  # fmt: skip


def settings_from(
    strength: float, start_percent: float, end_percent: float, body_strength: float, hand_strength: float, fps: float
) -> MotionSettings:
    """Raises ValueError for a start behind the end."""
    if start_percent > end_percent:
        raise ValueError(
            f"start_percent is {start_percent:g} and end_percent {end_percent:g}: the start must not lie behind the end"
        )
    gate = Gate(strength=strength, start=start_percent, end=end_percent)
    return MotionSettings(gate=gate, fps=fps, body=body_strength, hands=hand_strength)


def motion_tokens(loaded: LoadedModel, motion: MotionClip, settings: MotionSettings) -> MotionPayload:
    """The motion as the MODEL's conditioning carries it: at the video's frame rate, body and hands weighed.

    Raises AdapterError where another encoder made the motion.
    """
    adapter = loaded.adapter
    adapter.check_clip(motion)
    fitted = fit_motion(motion, settings.fps or adapter.record.fps, per_latent=adapter.dims.frames_per_latent)
    null = adapter.injection.null_tokens.detach().float().cpu()
    weight = torch.full((len(null), 1), settings.hands)
    weight[: adapter.encoder.config.num_body_tokens] = settings.body
    return MotionPayload(torch.lerp(null.expand_as(fitted.tokens), fitted.tokens, weight))


class Apply3DiMo(io.ComfyNode):
    """MODEL, positive, negative → the same, following a motion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoApply",
            display_name="Apply 3DiMo",
            category=CATEGORY,
            description="Lets the MODEL follow a motion. Connect all three outputs to the sampler: the MODEL holds the "
            "motion layers, the conditioning carries the motion.",
            inputs=[
                io.Model.Input("model", tooltip="Wan 2.1 or 2.2, HunyuanVideo-1.5 or the 3DiMo mini. LoRAs, fp8 and "
                               "GGUF models work; put this node after them."),
                Model3DiMo.Input("model_3dimo", tooltip="From Load 3DiMo; it must have been trained for this MODEL."),
                Motion.Input("motion", tooltip="From Encode Motion, Load Motion or the motion tools."),
                io.Conditioning.Input("positive", tooltip="Camera and scene in words, encoded."),
                io.Conditioning.Input("negative", tooltip="What the video should not show, encoded; it hears the "
                                      "motion too, so that the guidance scale acts on the text alone."),
                *strength_inputs(),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The MODEL with the motion layers."),
                io.Conditioning.Output(display_name="positive", tooltip="Carries the motion."),
                io.Conditioning.Output(display_name="negative", tooltip="Carries the motion."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Any,
        model_3dimo: LoadedModel,
        motion: MotionClip,
        positive: list[Any],
        negative: list[Any],
        strength: float,
        start_percent: float,
        end_percent: float,
        body_strength: float,
        hand_strength: float,
        fps: float = 0.0,
    ) -> io.NodeOutput:
        settings = settings_from(strength, start_percent, end_percent, body_strength, hand_strength, fps)
        backbone = require_fit(model, model_3dimo.adapter, model_3dimo.name)
        payload = motion_tokens(model_3dimo, motion, settings)
        if strength == 0 or start_percent == end_percent:
            return io.NodeOutput(model, positive, negative)
        patched = add_injection(model, model_3dimo, backbone, settings.gate)
        return io.NodeOutput(patched, with_motion(positive, payload), with_motion(negative, payload))


NODES = [Apply3DiMo]
