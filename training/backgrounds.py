"""Other backgrounds behind the driving person: an encoder that reads the room cannot meet real footage.

Rendered drivers come with an exact mask, so the place behind them can be anything: a colour, smooth coloured noise,
or a picture of another clip. The hands' own views are left alone. The target is never touched.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def noise_picture(height: int, width: int, generator: torch.Generator) -> Tensor:
    """uint8 [3, H, W]: one colour, or smooth noise of a random coarseness."""
    cells = int(2 ** torch.randint(0, 6, (), generator=generator))
    coarse = torch.rand(1, 3, cells, cells, generator=generator)
    smooth = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)[0]
    return (smooth * 255).round().to(torch.uint8)


def replace_background(frames: Tensor, mask: Tensor, picture: Tensor) -> Tensor:
    """Clip uint8 [T, 3, H, W] with `picture` [3, H, W] (or a clip) wherever `mask` bool [T, H, W] is False."""
    return torch.where(mask[:, None], frames, picture)
