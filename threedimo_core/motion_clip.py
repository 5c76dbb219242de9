"""A motion as data: the tokens of a driving video with their timing, saved as one small file people can share.

Motion tokens are the only thing that passes from encoder to generator, and one token belongs to one frame; so a
clip can be cut, joined and retimed (`motion_edit`) and played on any generator trained with the same encoder.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .safe_file import TensorFileError, TensorSpec, read_tensor_file, write_tensor_file

KIND = "motion_clip"
FORMAT_VERSION = 1
MAX_FPS = 1000.0

_SPECS = {
    "body": TensorSpec(shape=("frames", None, "token width"), dtype=torch.float32),
    "hands": TensorSpec(shape=("frames", None, "token width"), dtype=torch.float32),
    "hand_present": TensorSpec(shape=("frames", 2), dtype=torch.bool),
}


class MotionClipError(ValueError):
    """A motion clip whose parts do not fit each other, or two clips that cannot be mixed."""


@dataclass(frozen=True, eq=False)
class MotionClip:
    """Motion tokens of one clip. Immutable by custom: every operation returns a new clip.

    body: [T, K_b, D] float32, at least one frame.
    hands: [T, 2 * K_h, D] float32, left hand first (the person's left); K_h is 0 for encoders without hands.
    hand_present: [T, 2] bool; where False the hand's tokens are the encoder's "absent" tokens.
    fps: frames a second of the driving video, explicit since generators differ.
    encoder_id: the encoder these tokens come from; tokens of different encoders are different languages.
    source_size: (height, width) in pixels of the driving video.
    """

    body: Tensor
    hands: Tensor
    hand_present: Tensor
    fps: float
    encoder_id: str
    source_size: tuple[int, int]

    def __post_init__(self) -> None:
        _require_tokens("body", self.body)
        _require_tokens("hands", self.hands)
        frames, width = self.body.shape[0], self.body.shape[2]
        if frames < 1 or self.body.shape[1] < 1:
            raise MotionClipError(f"body tokens are {list(self.body.shape)}; a motion has at least one frame and token")
        if self.hands.shape[0] != frames or self.hands.shape[2] != width or self.hands.shape[1] % 2:
            raise MotionClipError(
                f"hand tokens are {list(self.hands.shape)}; expected [{frames}, 2 * K_h, {width}] to fit the body's "
                f"{list(self.body.shape)}"
            )
        if self.hand_present.shape != (frames, 2) or self.hand_present.dtype != torch.bool:
            raise MotionClipError(
                f"hand_present is {self.hand_present.dtype} {list(self.hand_present.shape)}; "
                f"expected torch.bool [{frames}, 2]"
            )
        object.__setattr__(self, "fps", require_fps(self.fps))
        if not isinstance(self.encoder_id, str) or not 0 < len(self.encoder_id) <= 200:
            raise MotionClipError(f"encoder_id is {self.encoder_id!r}; expected a text of 1 to 200 characters")
        object.__setattr__(self, "source_size", _require_size(self.source_size))

    @property
    def num_frames(self) -> int:
        return self.body.shape[0]

    @property
    def duration(self) -> float:
        """Seconds, each frame shown for 1 / fps."""
        return self.num_frames / self.fps

    @property
    def tokens(self) -> Tensor:
        """[T, K_b + 2 * K_h, D], body first: what the generator attends to."""
        return torch.cat([self.body, self.hands], dim=1)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes one `.safetensors` file that appears whole or not at all; returns its path."""
        tensors = {"body": self.body, "hands": self.hands, "hand_present": self.hand_present}
        info = {"fps": self.fps, "encoder_id": self.encoder_id, "source_size": list(self.source_size)}
        return write_tensor_file(path, KIND, FORMAT_VERSION, tensors, info)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MotionClip:
        """Reads a motion file; TensorFileError names the file and what is wrong with it."""
        file = read_tensor_file(path, KIND, FORMAT_VERSION, _SPECS)
        try:
            return cls(
                **file.tensors,
                fps=_field(file.info, "fps", (int, float)),
                encoder_id=_field(file.info, "encoder_id", str),
                source_size=_field(file.info, "source_size", list),
            )
        except MotionClipError as error:
            raise TensorFileError(f"{path}: damaged motion file: {error}") from error


def require_fps(fps: float) -> float:
    """`fps` as a float; MotionClipError unless it is above 0 and at most 1000."""
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not math.isfinite(fps) or not 0 < fps <= MAX_FPS:
        raise MotionClipError(f"fps is {fps!r}; expected a number above 0 and at most {MAX_FPS:g}, such as 24")
    return float(fps)


def require_same_encoder(first: MotionClip, second: MotionClip) -> None:
    """MotionClipError, naming both encoders, where the two clips' tokens cannot be mixed."""
    if first.encoder_id != second.encoder_id:
        raise MotionClipError(
            f"these motions come from different encoders, {first.encoder_id!r} and {second.encoder_id!r}, whose "
            "tokens mean different things; encode both driving videos with the same 3DiMo model"
        )
    if first.body.shape[1:] != second.body.shape[1:] or first.hands.shape[1:] != second.hands.shape[1:]:
        raise MotionClipError(
            f"both motions name the encoder {first.encoder_id!r}, but their tokens differ in shape: body "
            f"{list(first.body.shape[1:])} and {list(second.body.shape[1:])}, hands "
            f"{list(first.hands.shape[1:])} and {list(second.hands.shape[1:])}; one of the files is wrong"
        )


def _require_tokens(name: str, tokens: Tensor) -> None:
    if not isinstance(tokens, Tensor) or tokens.ndim != 3 or tokens.dtype != torch.float32:
        given = f"{tokens.dtype} {list(tokens.shape)}" if isinstance(tokens, Tensor) else type(tokens).__name__
        raise MotionClipError(f"{name} tokens are {given}; expected torch.float32 [frames, tokens, width]")
    if not bool(torch.isfinite(tokens).all()):
        raise MotionClipError(f"{name} tokens hold NaN or infinite values; encode the driving video again in float32")


def _require_size(size: Any) -> tuple[int, int]:
    good = isinstance(size, (tuple, list)) and len(size) == 2
    if not good or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size):
        raise MotionClipError(f"source_size is {size!r}; expected (height, width) in pixels")
    return int(size[0]), int(size[1])


def _field(info: dict[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    if not isinstance(info.get(name), kind):
        raise MotionClipError(f"its field {name!r} is {info.get(name)!r}")
    return info[name]
