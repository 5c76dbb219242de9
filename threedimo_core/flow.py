"""Flow matching with velocity prediction: x_σ = (1 − σ)·x₀ + σ·ε, v = ε − x₀, timestep t = 1000·σ (section 3.3).

Training noise is keyed by (seed, step, sample), so a resumed run, or one with another number of processes, draws
the same. Written out here since diffusers' Euler scheduler refuses timesteps off its own grid.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def keyed_generator(*key: int | str) -> torch.Generator:
    """A CPU generator whose stream depends on the key alone."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def sample_sigma(generator: torch.Generator, shift: float = 1.0, mean: float = 0.0, std: float = 1.0) -> float:
    """Logit-normal noise level in (0, 1), moved towards noise by `shift` > 1 (as Wan and SD3 do)."""
    sigma = torch.sigmoid(torch.randn((), generator=generator) * std + mean).item()
    return shift * sigma / (1 + (shift - 1) * sigma)


def interpolate(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_σ for latents [B, ...] and σ [B]."""
    sigma = sigma.reshape(-1, *([1] * (clean.ndim - 1)))
    return (1 - sigma) * clean + sigma * noise


def velocity_target(clean: Tensor, noise: Tensor) -> Tensor:
    return noise - clean


def clean_from_velocity(noisy: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """The x₀ a velocity points at."""
    return noisy - sigma.reshape(-1, *([1] * (noisy.ndim - 1))) * velocity


def guided_velocity(
    nothing: Tensor | None, text: Tensor | None, both: Tensor, text_scale: float, motion_scale: float
) -> Tensor:
    """Guidance with a scale each for text and motion.

    `nothing`: no text, null motion; `text`: text, null motion; `both`: text and motion.
    v = nothing + text_scale·(text − nothing) + motion_scale·(both − text); scale 1 on both gives `both`.
    A term whose scale is 1 needs no forward of its own: pass None where it cancels.
    """
    if motion_scale != 1.0:
        if text is None:
            raise ValueError("a motion scale other than 1 needs the velocity without motion")
        guided = text + motion_scale * (both - text)
    else:
        guided = both
    if text_scale != 1.0:
        if nothing is None or text is None:
            raise ValueError("a text scale other than 1 needs the velocities without text and without motion")
        guided = guided + (text_scale - 1.0) * (text - nothing)
    return guided
