"""Features of the paper's metrics: Inception (FID, KID), I3D (FVD), and fixed random convolutions where there are no
weights. The last is called RF-FD and never FID: it compares pictures, not what people see in them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .inception import load_inception
from .viewset import Floats
from .weights import I3D

ClipFeatures = Callable[[Tensor], Floats]
"""Frames [T, 3, H, W] in [0, 1] → features [n, D]: of every frame, or one row for the clip."""

_INCEPTION_SIZE, _I3D_SIZE, _I3D_FRAMES = 299, 224, 10
_BATCH = 16
_RANDOM_SEED, _RANDOM_SIZE = 20260101, 64


def inception_features(folder: Path) -> ClipFeatures:
    """2048 numbers a frame, as pytorch-fid computes them."""
    network = load_inception(folder)

    @torch.no_grad()
    def features(frames: Tensor) -> Floats:
        size = (_INCEPTION_SIZE, _INCEPTION_SIZE)
        large = F.interpolate(frames, size, mode="bilinear", align_corners=False)
        return torch.cat([network(part * 2 - 1) for part in large.split(_BATCH)]).numpy()

    return features


def i3d_features(folder: Path) -> ClipFeatures:
    """400 numbers a clip of at least ten frames, as StyleGAN-V computes them.

    The file is a program (TorchScript), so it is run only when its checksum is the published one.
    """
    network = torch.jit.load(str(I3D.find(folder)), map_location="cpu").eval()

    @torch.no_grad()
    def features(frames: Tensor) -> Floats:
        if len(frames) < _I3D_FRAMES:
            raise ValueError(f"a clip has {len(frames)} frames; FVD needs at least {_I3D_FRAMES}")
        large = F.interpolate(frames, (_I3D_SIZE, _I3D_SIZE), mode="bilinear", align_corners=False)
        clip = (large * 2 - 1).transpose(0, 1)[None]
        found: Floats = network(clip, rescale=False, resize=False, return_features=True).numpy()
        return found

    return features


class RandomFeatures(nn.Module):
    """Fixed random convolutions on 64 px: 64 numbers a frame, the same on every machine."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(_RANDOM_SEED)
        widths = (3, 16, 32, 64)
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(widths)
        )
        for stage in self.stages:
            assert isinstance(stage, nn.Conv2d) and stage.bias is not None
            spread = (2 / (9 * stage.in_channels)) ** 0.5
            stage.weight.data.copy_(torch.from_numpy(rng.normal(0, spread, stage.weight.shape)))
            stage.bias.data.copy_(torch.from_numpy(rng.normal(0, 0.1, stage.bias.shape)))

    def forward(self, frames: Tensor) -> Tensor:
        x = F.interpolate(frames, (_RANDOM_SIZE, _RANDOM_SIZE), mode="bilinear", align_corners=False) * 2 - 1
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
        return x.mean((2, 3))


def random_features() -> ClipFeatures:
    network = RandomFeatures().eval()

    @torch.no_grad()
    def features(frames: Tensor) -> Floats:
        found: Floats = network(frames).numpy()
        return found

    return features
