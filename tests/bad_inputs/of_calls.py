"""Bad arguments in Python, and what each gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from tiny_models import adapter_for, random_motion, wan_backbone

from threedimo_core.images import tensor_to_frames
from threedimo_core.motion_clip import MotionClip
from threedimo_core.motion_edit import blend, trim
from threedimo_core.pipeline import GenerationSettings, Pipeline
from threedimo_core.video import write_video


@dataclass(frozen=True)
class Call:
    """given: in words; call: of the pipeline and a motion of its encoder; says: the ValueError, "" where it works."""

    function: str
    given: str
    call: Callable[[Pipeline, MotionClip], Any]
    says: str


def make_pipeline() -> tuple[Pipeline, MotionClip]:
    backbone = wan_backbone()
    pipeline = Pipeline(backbone, adapter_for(backbone))
    return pipeline, random_motion(pipeline.adapter)


def picture(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def marred(*shape: int, value: float) -> torch.Tensor:
    image = picture(*shape)
    image[..., 0] = value
    return image


FRAMES = "the driving video must be [frames, 3, height, width], got"
IMAGE = "the reference image must be [3, height, width], got"
FLOATS = "expected torch.uint8 from 0 to 255, or floats from 0 to 1"
NAN = "has values from nan to nan; expected 0 to 1 and no NaN"

CALLS = (
    Call("encode_motion", "no frames", lambda p, m: p.encode_motion(picture(0, 3, 8, 8), 12), f"{FRAMES} [0, 3, 8, 8]"),
    Call("encode_motion", "one frame", lambda p, m: p.encode_motion(picture(1, 3, 8, 8), 12), ""),
    Call("encode_motion", "two frames", lambda p, m: p.encode_motion(picture(2, 3, 8, 8), 12), ""),
    Call("encode_motion", "one picture", lambda p, m: p.encode_motion(picture(3, 8, 8), 12), f"{FRAMES} [3, 8, 8]"),
    Call("encode_motion", "alpha", lambda p, m: p.encode_motion(picture(2, 4, 8, 8), 12), f"{FRAMES} [2, 4, 8, 8]"),
    Call("encode_motion", "grayscale", lambda p, m: p.encode_motion(picture(2, 1, 8, 8), 12), f"{FRAMES} [2, 1, 8, 8]"),
    Call(
        "encode_motion", "colours last", lambda p, m: p.encode_motion(picture(2, 8, 8, 3), 12), f"{FRAMES} [2, 8, 8, 3]"
    ),
    Call("encode_motion", "1 × 1 px", lambda p, m: p.encode_motion(picture(2, 3, 1, 1), 12), ""),
    Call("encode_motion", "1 × 4000 px", lambda p, m: p.encode_motion(picture(2, 3, 1, 4000), 12), ""),
    Call(
        "encode_motion",
        "NaN",
        lambda p, m: p.encode_motion(marred(2, 3, 8, 8, value=float("nan")), 12),
        f"the driving video {NAN}",
    ),
    Call(
        "encode_motion",
        "infinity",
        lambda p, m: p.encode_motion(marred(2, 3, 8, 8, value=float("inf")), 12),
        "the driving video has values from … to inf; expected 0 to 1 and no NaN",
    ),
    Call(
        "encode_motion",
        "floats up to 255",
        lambda p, m: p.encode_motion(255 * marred(2, 3, 8, 8, value=1), 12),
        "the driving video has values from … to 255; expected 0 to 1 and no NaN",
    ),
    Call("encode_motion", "bytes", lambda p, m: p.encode_motion((255 * picture(2, 3, 8, 8)).byte(), 12), ""),
    Call(
        "encode_motion",
        "16 bits",
        lambda p, m: p.encode_motion((255 * picture(2, 3, 8, 8)).short(), 12),
        f"the driving video is torch.int16; {FLOATS}",
    ),
    Call(
        "encode_motion",
        "0 frames a second",
        lambda p, m: p.encode_motion(picture(2, 3, 8, 8), 0),
        "fps is 0; expected a number above 0 and at most 1000, such as 24",
    ),
    Call(
        "encode_motion",
        "hands of fewer frames",
        lambda p, m: p.encode_motion(picture(2, 3, 8, 8), 12, picture(1, 2, 3, 8, 8)),
        "hand crops must be [1, 2, 2, 3, h, w], got [1, 1, 2, 3, 8, 8]",
    ),
    Call(
        "encode_motion",
        "hands with NaN",
        lambda p, m: p.encode_motion(picture(2, 3, 8, 8), 12, marred(2, 2, 3, 8, 8, value=float("nan"))),
        f"hand crops {NAN}",
    ),
    Call("generate", "alpha", lambda p, m: p.generate(picture(4, 8, 8), m), f"{IMAGE} [4, 8, 8]"),
    Call("generate", "grayscale", lambda p, m: p.generate(picture(1, 8, 8), m), f"{IMAGE} [1, 8, 8]"),
    Call("generate", "two references", lambda p, m: p.generate(picture(2, 3, 8, 8), m), f"{IMAGE} [2, 3, 8, 8]"),
    Call("generate", "no pixels", lambda p, m: p.generate(picture(3, 0, 8), m), f"{IMAGE} [3, 0, 8]"),
    Call(
        "generate",
        "NaN",
        lambda p, m: p.generate(marred(3, 8, 8, value=float("nan")), m),
        f"the reference image {NAN}",
    ),
    Call("generate", "bytes", lambda p, m: p.generate((255 * picture(3, 8, 8)).byte(), m), ""),
    Call("generate", "1 × 1 px", lambda p, m: p.generate(picture(3, 1, 1), m), ""),
    Call(
        "generate",
        "longer than 4 : 1",
        lambda p, m: p.generate(picture(3, 8, 80), m),
        "the picture is 8 × 80 px, longer than 4 : 1; crop it around the person first",
    ),
    Call("generate", "an empty prompt", lambda p, m: p.generate(picture(3, 8, 8), m, ""), ""),
    Call(
        "generate",
        "the motion of another encoder",
        lambda p, m: p.generate(picture(3, 8, 8), replace(m, encoder_id="0123456789abcdef")),
        "this motion was encoded by encoder 0123456789abcdef (…), this adapter reads encoder … (…): encode the driving "
        "video again with this adapter, or load the adapter the motion was made with",
    ),
    Call(
        "generate",
        "more frames than the motion has",
        lambda p, m: p.generate(picture(3, 8, 8), m, settings=GenerationSettings(num_frames=13)),
        "13 frames were asked for, but the motion has 9 at 12 fps: ask for 9 or fewer, or let the last pose be held",
    ),
    Call(
        "GenerationSettings",
        "no steps",
        lambda p, m: GenerationSettings(steps=0),
        "steps is 0; expected a whole number from 1 to 1000, such as 30",
    ),
    Call(
        "GenerationSettings",
        "a height alone",
        lambda p, m: GenerationSettings(height=32),
        "height is 32, width is None: give both, or neither",
    ),
    Call(
        "Pipeline",
        "another backbone",
        lambda p, m: Pipeline(wan_backbone(dim=64), p.adapter),
        "this adapter was trained for the backbone wan (width 32, …), but the backbone given is wan (width 64, …): "
        "load "
        "the backbone it was trained for, or an adapter of this backbone",
    ),
    Call(
        "MotionClip",
        "tokens with NaN",
        lambda p, m: replace(m, body=m.body * float("nan")),
        "body tokens hold NaN or infinite values; encode the driving video again in float32",
    ),
    Call(
        "MotionClip",
        "hands of fewer frames",
        lambda p, m: replace(m, hands=m.hands[:5]),
        "hand tokens are [5, 2, 16]; expected [9, 2 * K_h, 16] to fit the body's [9, 3, 16]",
    ),
    Call(
        "trim",
        "nothing left",
        lambda p, m: trim(m, 5, 5),
        "trimming 9 frames to 5:5 leaves none; choose start and stop between 0 and 9, start before stop",
    ),
    Call(
        "blend",
        "motions of two encoders",
        lambda p, m: blend(m, replace(m, encoder_id="0123456789abcdef")),
        "these motions come from different encoders, '…' and '0123456789abcdef', whose tokens mean different things; "
        "encode both driving videos with the same 3DiMo model",
    ),
    Call(
        "tensor_to_frames",
        "NaN, from a sampler that overflowed",
        lambda p, m: tensor_to_frames(picture(1, 3, 8, 8) * float("nan")),
        "frames hold NaN or infinite values; the sampler or the VAE overflowed, try bfloat16 or float32",
    ),
    Call(
        "write_video",
        "no frames",
        lambda p, m: write_video("never.mp4", np.zeros((0, 8, 8, 3), np.uint8), 24),
        "never.mp4: there is nothing to write: frames are [0, 8, 8, 3]",
    ),
    Call(
        "write_video",
        "alpha",
        lambda p, m: write_video("never.mp4", np.zeros((2, 8, 8, 4), np.uint8), 24),
        "never.mp4: frames are uint8 [2, 8, 8, 4]; expected uint8 [T, H, W, 3]",
    ),
)
