"""Augmentation of the driving frames: the encoder must not read the target's pixels, only the movement.

3DiMo (section 3.2) applies random perspective, colour jitter and light spatial transforms to the driving video
before it is encoded, and never to the target. Design decisions:
- Parameters are drawn once a clip; a draw a frame would look like camera shake. The body frames and each hand have
  a geometry of their own; the colours are drawn once and shared, as one camera filmed them all.
- Drawing and applying are apart: parameters come from (seed, step, sample) alone; frames may be on any device
  (augment_ops.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from .augment_ops import add_noise, blur, fill_outside, recolour, to_float, warp, warp_points

__all__ = [
    "AugmentConfig",
    "AugmentParams",
    "augment_driver",
    "augment_hands",
    "augment_points",
    "draw",
    "draw_batch",
    "identity",
    "stack",
    "to_float",
]

_TAG = 0x617567  # keeps these numbers apart from others drawn from the same (seed, step, sample)
_LUMA = (0.299, 0.587, 0.114)
_DRIVER, _LEFT = 0, 1  # rows of the geometry; the right hand is _LEFT + 1


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Ranges from which a clip's parameters are drawn, and the encoder's input sizes.

    size, hand_size: (height, width) in pixels; scale: of the picture inside the frame; rotation: degrees either
    way; perspective: how far a corner moves inwards at most, in half sizes; brightness, contrast, saturation:
    factors; hue: turns either way; blur: largest sigma in pixels of the output; noise: largest standard deviation
    in [0, 1] units; soft_probability: of blur, and of noise, each; hand_scale, hand_rotation, hand_perspective: for
    the hand views, which are tight boxes already. Raises ValueError for values outside their range.
    """

    size: tuple[int, int] = (96, 96)
    hand_size: tuple[int, int] = (48, 48)
    scale: tuple[float, float] = (0.7, 1.0)
    rotation: float = 15.0
    perspective: float = 0.3
    brightness: tuple[float, float] = (0.6, 1.4)
    contrast: tuple[float, float] = (0.6, 1.4)
    saturation: tuple[float, float] = (0.6, 1.4)
    hue: float = 0.05
    blur: float = 1.0
    noise: float = 0.04
    soft_probability: float = 0.3
    hand_scale: tuple[float, float] = (0.85, 1.1)
    hand_rotation: float = 15.0
    hand_perspective: float = 0.15

    def __post_init__(self) -> None:
        for name in ("scale", "brightness", "contrast", "saturation", "hand_scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} is {(low, high)}, expected two factors, 0 < low <= high")
        for name in ("perspective", "hand_perspective"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 0 <= {name} < 1, in half sizes")
        if not 0 <= self.soft_probability <= 1:
            raise ValueError(f"soft_probability is {self.soft_probability}, expected 0 .. 1")


@dataclass(frozen=True)
class AugmentParams:
    """Parameters of B clips: one row a clip, nothing depends on time.

    Geometry of the body frames, the left and the right hand [B, 3, ...]: bend [B, 3, 4, 2] how far each corner
    (top left, top right, bottom right, bottom left) stays out, 1 = not moved; angle [B, 3] radians; scale [B, 3];
    shift [B, 3, 2] in -1..1 of the room that the scale leaves.
    Colour: matrix [B, 3, 3] on RGB columns, contrast [B].
    Outside the picture: background [B, 3] in [0, 1], or with repeat_edge [B] = 1 the picture's own border.
    Softness: blur_sigma [B] pixels, noise_std [B], noise_seed [B] int64.
    """

    bend: Tensor
    angle: Tensor
    scale: Tensor
    shift: Tensor
    matrix: Tensor
    contrast: Tensor
    background: Tensor
    repeat_edge: Tensor
    blur_sigma: Tensor
    noise_std: Tensor
    noise_seed: Tensor

    def to(self, device: torch.device | str) -> AugmentParams:
        """The same parameters on another device."""
        return AugmentParams(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


def draw(config: AugmentConfig, seed: int, step: int, sample: int) -> AugmentParams:
    """Parameters of one clip (B = 1), a function of the configuration and (seed, step, sample) alone."""
    rng = np.random.default_rng([seed, step, sample, _TAG])
    body = _draw_geometry(rng, config.scale, config.rotation, config.perspective)
    hands = [_draw_geometry(rng, config.hand_scale, config.hand_rotation, config.hand_perspective) for _ in range(2)]
    bend, angle, scale, shift = (np.stack(part) for part in zip(body, *hands, strict=True))
    brightness, saturation = rng.uniform(*config.brightness), rng.uniform(*config.saturation)
    matrix = colour_matrix(brightness, saturation, rng.uniform(-config.hue, config.hue))
    contrast = rng.uniform(*config.contrast)
    sigma = config.blur * rng.uniform(0.3, 1.0) * (rng.random() < config.soft_probability)
    noise = config.noise * rng.uniform(0.2, 1.0) * (rng.random() < config.soft_probability)
    background, repeat_edge = rng.uniform(0, 1, 3), rng.random() < 0.5
    return AugmentParams(
        bend=_row(bend),
        angle=_row(angle),
        scale=_row(scale),
        shift=_row(shift),
        matrix=_row(matrix),
        contrast=_row(contrast),
        background=_row(background),
        repeat_edge=_row(repeat_edge),
        blur_sigma=_row(sigma),
        noise_std=_row(noise),
        noise_seed=torch.tensor([int(rng.integers(2**62))]),
    )


def identity(batch: int = 1) -> AugmentParams:
    """Parameters of B clips that change nothing but the size: for evaluation."""
    one = AugmentParams(
        bend=torch.ones(1, 3, 4, 2),
        angle=torch.zeros(1, 3),
        scale=torch.ones(1, 3),
        shift=torch.zeros(1, 3, 2),
        matrix=torch.eye(3)[None],
        contrast=torch.ones(1),
        background=torch.zeros(1, 3),
        repeat_edge=torch.zeros(1),
        blur_sigma=torch.zeros(1),
        noise_std=torch.zeros(1),
        noise_seed=torch.zeros(1, dtype=torch.long),
    )
    return stack([one] * batch)


def stack(params: list[AugmentParams]) -> AugmentParams:
    """Parameters of a batch from those of its clips."""
    return AugmentParams(
        **{field.name: torch.cat([getattr(one, field.name) for one in params]) for field in fields(AugmentParams)}
    )


def draw_batch(config: AugmentConfig, seed: int, steps: list[int], samples: list[int]) -> AugmentParams:
    """Parameters of the clips that (steps[i], samples[i]) key."""
    return stack([draw(config, seed, step, sample) for step, sample in zip(steps, samples, strict=True)])


def augment_driver(frames: Tensor, params: AugmentParams, config: AugmentConfig) -> Tensor:
    """Driving frames for the body encoder.

    frames [B, T, 3, H, W], uint8 or float in [0, 1]; returns float32 [B, T, 3, *config.size] in [0, 1]. The whole
    picture is fitted into the output with its aspect kept, then warped.
    """
    return _apply(frames, params, _DRIVER, config.size)


def augment_hands(hands: Tensor, params: AugmentParams, config: AugmentConfig) -> Tensor:
    """Hand views for the hand encoder: a geometry for each side, the colours of the body frames.

    hands [B, T, 2, 3, h, w], uint8 or float in [0, 1]; returns float32 [B, T, 2, 3, *config.hand_size]. Views of
    absent hands come out as noise or colour: mask them by `hand_present`.
    """
    sides = [_apply(hands[:, :, side], params, _LEFT + side, config.hand_size) for side in range(2)]
    return torch.stack(sides, dim=2)


def augment_points(points: Tensor, params: AugmentParams, config: AugmentConfig, source: tuple[int, int]) -> Tensor:
    """Where `augment_driver` puts points of the driving frames.

    points [B, ..., 2]: x and y in [0, 1] of frames of `source` = (H, W); returns the same of the encoder's picture.
    Outside of it they are below 0 or above 1; NaN stays NaN.
    """
    bend, angle, scale, shift = (part[:, _DRIVER] for part in (params.bend, params.angle, params.scale, params.shift))
    return warp_points(points, bend, angle, scale, shift, source, config.size)


def _apply(frames: Tensor, params: AugmentParams, row: int, size: tuple[int, int]) -> Tensor:
    if frames.ndim != 5 or frames.shape[2] != 3 or frames.shape[0] != params.angle.shape[0]:
        raise ValueError(
            f"frames have shape {list(frames.shape)}, expected [{params.angle.shape[0]}, T, 3, H, W]: one row of "
            "parameters a clip"
        )
    out, inside = warp(
        frames, params.bend[:, row], params.angle[:, row], params.scale[:, row], params.shift[:, row], size
    )
    out = recolour(out, params.matrix, params.contrast)
    out = fill_outside(out, inside, params.background, params.repeat_edge)
    return add_noise(blur(out, params.blur_sigma), params.noise_std, params.noise_seed + row)


def _draw_geometry(
    rng: np.random.Generator, scale: tuple[float, float], rotation: float, perspective: float
) -> tuple[np.ndarray, float, float, np.ndarray]:
    bend = 1 - perspective * rng.uniform(0, 1, (4, 2))
    return bend, math.radians(rng.uniform(-rotation, rotation)), rng.uniform(*scale), rng.uniform(-1, 1, 2)


def colour_matrix(brightness: float, saturation: float, hue: float) -> np.ndarray:
    """[3, 3] map of RGB columns: hue turns about the grey axis (in turns), saturation pulls to the luma.

    An affine hue costs one product for all three changes; HSV would cost more than the whole warp.
    """
    axis = np.full(3, 1 / math.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = 2 * math.pi * hue
    turn = np.eye(3) * math.cos(angle) + math.sin(angle) * cross + (1 - math.cos(angle)) * np.outer(axis, axis)
    grey = np.tile(np.array(_LUMA), (3, 1))
    return brightness * (saturation * np.eye(3) + (1 - saturation) * grey) @ turn


def _row(value: object) -> Tensor:
    return torch.tensor(np.asarray(value)[None], dtype=torch.float32)
