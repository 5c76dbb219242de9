"""Sampling: from noise to a clip under text and motion guidance (section 3.3).

The folder's own diffusers scheduler takes the steps; the forwards that cancel out of the guidance are not run. They
run one after the other, not as a batch: three of them then need no more memory than one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from .backbones.base import Backbone
from .cancelling import Cancelled
from .flow import clean_from_velocity, guided_velocity
from .injection import AttachedInjection
from .motion_attention import MotionContext

Progress = Callable[[int, int, Tensor], None]
"""Called after every step with (steps done, steps in all, latents [1, C, L, h, w] of the clip as now foreseen)."""


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """Scales of guidance: 1 is the plain conditional model, more exaggerates the text or the motion."""

    steps: int
    text_scale: float = 1.0
    motion_scale: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or not 1 <= self.steps <= 1000:
            raise ValueError(f"steps is {self.steps!r}; expected a whole number from 1 to 1000, such as 30")
        for name in ("text_scale", "motion_scale"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value <= 100:
                raise ValueError(f"{name} is {value!r}; expected a number from 0 to 100 (1 is no guidance)")


@dataclass(frozen=True)
class Conditions:
    """What one clip is generated from.

    text, no_text: conditioning of the prompt and of the empty prompt (needed for a text scale other than 1).
    motion, no_motion: the motion and the null tokens; both None runs the base model without motion.
    """

    reference: dict[str, Tensor]
    text: dict[str, Tensor]
    no_text: dict[str, Tensor] | None
    motion: MotionContext | None
    no_motion: MotionContext | None


def schedule(scheduler: Any, steps: int, device: torch.device) -> Any:
    """A copy of the scheduler, set to this many steps: the folder's own one keeps no state of a run."""
    scheduler = copy.deepcopy(scheduler)
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        # Flow-matching Euler: even steps from noise to clean. Its own default would apply the shift twice.
        scheduler.set_timesteps(sigmas=[1 - i / steps for i in range(steps)], device=device)
    else:
        scheduler.set_timesteps(steps, device=device)
    return scheduler


@torch.no_grad()
def denoise(
    backbone: Backbone,
    attached: AttachedInjection,
    noise: Tensor,
    conditions: Conditions,
    settings: SamplingSettings,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Noise [1, C, L, h, w] → clean latents.

    Raises Cancelled between two forwards when `cancelled()` is true.
    """
    scheduler = schedule(backbone.scheduler, settings.steps, noise.device)
    latents = backbone.pin_reference(noise, conditions.reference)
    for step, timestep in enumerate(scheduler.timesteps):
        sigma = (timestep.float() / scheduler.config.num_train_timesteps).expand(len(latents))
        velocity = _guided(backbone, attached, latents, sigma, conditions, settings, cancelled)
        foreseen = clean_from_velocity(latents, velocity, sigma)
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
        latents = backbone.pin_reference(latents, conditions.reference)
        if progress is not None:
            progress(step + 1, settings.steps, backbone.pin_reference(foreseen, conditions.reference))
    return latents


def _guided(
    backbone: Backbone,
    attached: AttachedInjection,
    latents: Tensor,
    sigma: Tensor,
    conditions: Conditions,
    settings: SamplingSettings,
    cancelled: Callable[[], bool] | None,
) -> Tensor:
    def forward(text: dict[str, Tensor] | None, motion: MotionContext | None) -> Tensor:
        if cancelled is not None and cancelled():
            raise Cancelled("generation was cancelled")
        if text is None:
            raise ValueError("a text scale other than 1 needs the conditioning of the empty prompt")
        with attached.motion(motion):
            return backbone.velocity(latents, sigma, text, conditions.reference)

    moving = conditions.motion is not None
    motion_scale = settings.motion_scale if moving else 1.0
    both = forward(conditions.text, conditions.motion)
    text = nothing = None
    if settings.text_scale != 1 or motion_scale != 1:
        text = forward(conditions.text, conditions.no_motion) if moving else both
    if settings.text_scale != 1:
        nothing = forward(conditions.no_text, conditions.no_motion)
    return guided_velocity(nothing, text, both, settings.text_scale, motion_scale)
