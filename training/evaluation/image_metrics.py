"""How near a video comes to the true one: PSNR, SSIM and, with local weights, LPIPS; whole, inside the person's box
and inside their mask. Frame 0 is given to the generator as reference and never counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from kornia.metrics import ssim as ssim_map
from torch import Tensor

WORST_PSNR = 0.0
_SSIM_WINDOW = 11
_MARGIN = 0.1  # around the box, of its size

Perceptual = Callable[[Tensor, Tensor], Tensor]
"""Frames [T, 3, H, W] and true frames in [0, 1] → distances [T, H, W] (a map) of LPIPS."""


@dataclass(frozen=True)
class Regions:
    """bool [T, H, W] each: where pixels count."""

    whole: Tensor
    box: Tensor
    person: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> Regions:
        """From the person's true mask [T, H, W]."""
        return cls(torch.ones_like(mask), boxes_of(mask), mask)


def boxes_of(mask: Tensor) -> Tensor:
    """The upright box around the mask of each frame, with a margin; a frame without the person has none."""
    boxes = torch.zeros_like(mask)
    for number, frame in enumerate(mask):
        if not frame.any():
            continue
        (top, bottom), (left, right) = (_span(frame.any(dim)) for dim in (1, 0))
        boxes[number, top:bottom, left:right] = True
    return boxes


def _span(line: Tensor) -> tuple[int, int]:
    where = torch.nonzero(line)[:, 0]
    first, last = int(where[0]), int(where[-1]) + 1
    margin = round(_MARGIN * (last - first))
    return max(0, first - margin), min(len(line), last + margin)


def image_scores(
    video: Tensor, true: Tensor, regions: Regions, perceptual: Perceptual | None = None
) -> dict[str, float]:
    """Scores of a video [T, 3, H, W] against the true one in [0, 1], keyed "PSNR, whole" and so on.

    A video with NaN or of another shape has failed and gets the worst values: PSNR 0 dB, SSIM 0, LPIPS 1.
    """
    failed = video.shape != true.shape or not bool(torch.isfinite(video).all())
    scores: dict[str, float] = {}
    maps = {} if failed else _maps(video.clamp(0, 1), true, perceptual)
    for name, region in vars(regions).items():
        inside = region[1:]
        scores[f"PSNR, {name}"] = WORST_PSNR if failed else psnr(video, true, region)
        scores[f"SSIM, {name}"] = 0.0 if failed else _inside(maps["SSIM"], inside)
        if perceptual is not None:
            scores[f"LPIPS, {name}"] = 1.0 if failed else _inside(maps["LPIPS"], inside)
    return scores


def _maps(video: Tensor, true: Tensor, perceptual: Perceptual | None) -> dict[str, Tensor]:
    maps = {"SSIM": ssim_map(video[1:], true[1:], _SSIM_WINDOW).mean(1)}
    if perceptual is not None:
        maps["LPIPS"] = perceptual(video[1:], true[1:])
    return maps


def _inside(values: Tensor, region: Tensor) -> float:
    chosen = values[region] if bool(region.any()) else values
    return float(chosen.mean())


def psnr(video: Tensor, true: Tensor, region: Tensor | None = None) -> float:
    """Decibels over all pixels, or those of `region` [T, H, W]; from the mean error of all frames but the first."""
    error = (video.clamp(0, 1) - true)[1:].square().mean(1)
    mean = error.mean() if region is None or not bool(region[1:].any()) else error[region[1:]].mean()
    return float(-10 * torch.log10(mean.clamp(min=1e-10)))
