"""A small reader of cameras, trained on renders: where the camera stands, and how it moves, from pictures alone.

Three networks at 64 px: a matte finds the person; the *body* reader sees the person alone and says from which side,
how high and how far the camera looks at them; the *background* reader sees two frames with the person cut out and says
how the camera moved between them. Apart, because a generator can turn the person before a background that stays, or
slide the background behind a person who does not turn.

Training pictures are blurred, noised and recoloured, so that the softness of generated ones is nothing new; the
background's hole is widened and a second, foreign hole is cut, so that its outline tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from threedimo_core.motion_encoder import letterbox
from threedimo_core.safe_file import read_tensor_file, write_tensor_file

from .camera_truth import COMPONENTS, steps_of
from .viewset import Floats

SIZE = 64
KIND, VERSION = "camera_reader", 1
_BODY_OUTPUTS = 4  # sine and cosine of the azimuth, elevation / 30 degrees, log of the distance
_ELEVATION = 30.0
_PADDING = 1.25  # of the square around the person


@dataclass(frozen=True)
class CameraReading:
    """Of T frames: azimuth and elevation [T] (degrees) and distance [T] (metres), from the person alone; steps [S] and
    the camera's motion [S - 1, 6] between them, from the background alone; person bool [T, 64, 64].
    """

    azimuth: Floats
    elevation: Floats
    distance: Floats
    steps: np.ndarray
    motion: Floats
    person: Tensor

    @property
    def total(self) -> Floats:
        """Motion [6] over the whole clip."""
        whole: Floats = self.motion.sum(0)
        return whole

    @property
    def turned(self) -> float:
        """Change of the camera's azimuth about the person over the clip, degrees."""
        return turned(self.azimuth)


def turned(azimuth: Floats) -> float:
    """Change from the first frames to the last, degrees, followed through every frame [T]."""
    path = np.unwrap(np.radians(azimuth))
    ends = max(1, len(path) // 8)
    return float(np.degrees(path[-ends:].mean() - path[:ends].mean()))


def _stages(channels: tuple[int, ...], first: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip((first, *channels), channels, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
    return nn.Sequential(*layers)


class Regressor(nn.Module):
    """Pictures [N, C, 64, 64] and numbers [N, E] → [N, K]."""

    def __init__(self, inputs: int, extra: int, outputs: int, width: int = 32) -> None:
        super().__init__()
        self.stages = _stages((width, 2 * width, 3 * width, 4 * width), inputs)
        self.head = nn.Sequential(
            nn.Linear(4 * width * (SIZE // 16) ** 2 + extra, 256), nn.SiLU(), nn.Linear(256, outputs)
        )

    def forward(self, pictures: Tensor, extra: Tensor | None = None) -> Tensor:
        features = self.stages(pictures).flatten(1)
        return self.head(features if extra is None else torch.cat([features, extra], dim=1))


class Matte(nn.Module):
    """Pictures [N, 3, 64, 64] → logits [N, 64, 64] of the person; half that size inside, for full size costs thrice."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = (width, 2 * width, 4 * width)
        self.down = nn.ModuleList(
            _stages((after,), before) for before, after in zip((3, *widths), widths, strict=False)
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(below + beside, beside, 3, padding=1), nn.SiLU())
            for below, beside in ((widths[2], widths[1]), (widths[1], widths[0]))
        )
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        levels = [pictures * 2 - 1]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in self.up:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = up(torch.cat([x, levels.pop()], dim=1))
        return F.interpolate(self.last(x), scale_factor=2, mode="bilinear", align_corners=False)[:, 0]


class CameraReader(nn.Module):
    """The three networks; `read` takes a clip of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.matte = Matte()
        self.body = Regressor(4, 1, _BODY_OUTPUTS)
        self.background = Regressor(8, 0, len(COMPONENTS))
        self.register_buffer("motion_scale", torch.ones(len(COMPONENTS)))
        self.motion_scale: Tensor

    @torch.no_grad()
    def read(self, frames: Tensor) -> CameraReading:
        """frames [T, 3, H, W] in [0, 1]."""
        with _evaluating(self):
            pictures = letterbox(frames.float(), SIZE)
            person = self.matte(pictures) > 0
            azimuth, elevation, distance = self.read_body(pictures, person)
            steps = steps_of(len(frames))
            motion = self.background(
                pair_input(pictures[steps[:-1]], pictures[steps[1:]], person[steps[:-1]], person[steps[1:]])
            )
            return CameraReading(
                azimuth.numpy(),
                elevation.numpy(),
                distance.numpy(),
                steps,
                (motion * self.motion_scale).numpy(),
                person,
            )

    def read_body(self, pictures: Tensor, person: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Azimuth and elevation (degrees) and distance (metres), [T] each."""
        values = self.body(*body_input(pictures, person))
        azimuth = torch.rad2deg(torch.atan2(values[:, 0], values[:, 1]))
        return azimuth, values[:, 2] * _ELEVATION, values[:, 3].exp()

    def save(self, path: Path, info: dict[str, object]) -> None:
        write_tensor_file(path, KIND, VERSION, self.state_dict(), info)

    @classmethod
    def load(cls, path: Path) -> tuple[CameraReader, dict[str, object]]:
        """A saved reader and what was written about it."""
        file = read_tensor_file(path, KIND, VERSION)
        reader = cls()
        reader.load_state_dict(file.tensors)
        return reader.eval(), file.info


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    was = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was)


def body_targets(azimuth: Tensor, elevation: Tensor, distance: Tensor) -> Tensor:
    """What the body network is asked for, [N, 4]."""
    angle = torch.deg2rad(azimuth)
    return torch.stack([angle.sin(), angle.cos(), elevation / _ELEVATION, distance.clamp(min=0.1).log()], dim=-1)


def body_input(pictures: Tensor, person: Tensor) -> tuple[Tensor, Tensor]:
    """The person alone in a square of their own: [N, 4, 64, 64] with their mask, and the square's log size [N, 1].

    The square follows the spread of the mask, not its outermost pixels: a stray pixel must not move it.
    """
    mask = person.float()
    weight = mask / mask.sum((1, 2), keepdim=True).clamp(min=1.0)
    axis = (2 * torch.arange(SIZE) + 1) / SIZE - 1  # centres of the pixels
    x, y = (weight.sum(1) * axis).sum(1), (weight.sum(2) * axis).sum(1)
    spread_x = (weight.sum(1) * (axis - x[:, None]).square()).sum(1).sqrt()
    spread_y = (weight.sum(2) * (axis - y[:, None]).square()).sum(1).sqrt()
    half = (_PADDING * 2 * torch.maximum(spread_x, spread_y)).clamp(min=0.1)
    theta = torch.zeros(len(mask), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = half
    theta[:, 0, 2], theta[:, 1, 2] = x, y
    grid = F.affine_grid(theta, [len(mask), 4, SIZE, SIZE], align_corners=False)
    alone = torch.cat([(pictures * 2 - 1) * mask[:, None], mask[:, None]], dim=1)
    return F.grid_sample(alone, grid, align_corners=False), half.log()[:, None]


def pair_input(first: Tensor, second: Tensor, hole_first: Tensor, hole_second: Tensor) -> Tensor:
    """Two pictures [N, 3, 64, 64] without what is in the holes bool [N, 64, 64], and the holes: [N, 8, 64, 64]."""
    planes = []
    for pictures, hole in ((first, hole_first), (second, hole_second)):
        kept = 1 - F.max_pool2d(hole[:, None].float(), 3, stride=1, padding=1)
        planes += [(pictures * 2 - 1) * kept, kept]
    return torch.cat(planes, dim=1)


def soften(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [B, G, 3, 64, 64] made worse, alike within a group G: colours, blur and noise as generators show."""
    count = len(pictures)
    gain, shift, noise = (torch.rand(count, 1, 1, 1, 1, generator=generator) for _ in range(3))
    out = pictures * (0.7 + 0.6 * gain) + 0.3 * (shift - 0.5)
    blurred = torch.rand(count, generator=generator) < 0.4
    if blurred.any():
        flat = rearrange(out[blurred], "b g c h w -> (b g) c h w")
        small = F.interpolate(F.avg_pool2d(flat, 2), (SIZE, SIZE), mode="bilinear", align_corners=False)
        out[blurred] = rearrange(small, "(b g) c h w -> b g c h w", g=pictures.shape[1])
    return (out + 0.06 * noise * torch.randn(out.shape, generator=generator)).clamp(0, 1)
