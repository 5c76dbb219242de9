"""LPIPS on AlexNet (version 0.1) from two local weight files, without torchvision: a distance for every pixel."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .weights import ALEXNET, LPIPS_ALEX

_CHANNELS = (64, 192, 384, 256, 256)
_LEAST = 64  # pixels a side: below that the last layer has one cell


class Lpips(nn.Module):
    """Frames [T, 3, H, W] and true frames in [0, 1] → distances [T, H, W]; their mean is the usual LPIPS."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
            ]
        )
        self.weights = nn.ParameterList(torch.zeros(1, c, 1, 1) for c in _CHANNELS)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))
        self.shift: Tensor
        self.scale: Tensor

    def features(self, frames: Tensor) -> list[Tensor]:
        """Unit-length features of the five layers."""
        x = (frames * 2 - 1 - self.shift) / self.scale
        found = []
        for number, stage in enumerate(self.stages):
            if number in (1, 2):
                x = F.max_pool2d(x, 3, stride=2)
            x = F.relu(stage(x))
            found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    @torch.no_grad()
    def forward(self, frames: Tensor, true: Tensor) -> Tensor:
        size = frames.shape[-2:]
        if min(size) < _LEAST:
            raise ValueError(f"LPIPS needs frames of at least {_LEAST} px a side, got {size[0]} × {size[1]}")
        total = frames.new_zeros(len(frames), *size)
        for weight, one, other in zip(self.weights, self.features(frames), self.features(true), strict=True):
            distance = ((one - other).square() * weight).sum(1, keepdim=True)
            total += F.interpolate(distance, size, mode="bilinear", align_corners=False)[:, 0]
        return total


def load_lpips(folder: Path) -> Lpips:
    """LPIPS with the weights in `folder`; both files must be there and whole."""
    backbone = torch.load(ALEXNET.find(folder), map_location="cpu", weights_only=True)
    linear = torch.load(LPIPS_ALEX.find(folder), map_location="cpu", weights_only=True)
    model = Lpips()
    with torch.no_grad():
        for stage, number in zip(model.stages, (0, 3, 6, 8, 10), strict=True):
            for name in ("weight", "bias"):
                getattr(stage, name).copy_(backbone[f"features.{number}.{name}"])
        for number, weight in enumerate(model.weights):
            weight.copy_(linear[f"lin{number}.model.1.weight"])
    return model.eval().requires_grad_(False)
