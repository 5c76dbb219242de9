"""What the augmentation does to pictures: one warp, one colour map, light blur and noise, for a batch of clips.

Cheap on purpose, as it runs at every step: scale, rotation and perspective are one homography a clip, sampled once
with the frames as channels of one picture; brightness, contrast, saturation and hue are one affine map of RGB.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from kornia.filters import filter2d_separable, get_gaussian_kernel1d
from kornia.geometry.transform import get_perspective_transform
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_BLUR_TAPS = 7
_SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def to_float(frames: Tensor) -> Tensor:
    """uint8 0..255 to float32 [0, 1]; floats pass."""
    return frames.float() / 255 if frames.dtype == torch.uint8 else frames.float()


def warp(
    frames: Tensor, bend: Tensor, angle: Tensor, scale: Tensor, shift: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Clips [B, T, 3, H, W] placed into pictures of `size` = (h, w).

    bend [B, 4, 2], angle [B] radians, scale [B], shift [B, 2] as in AugmentParams. Returns float32
    [B, T, 3, h, w] (border pixels repeated outside the picture) and inside [B, 1, 1, h, w], 1 within the picture.
    """
    levels = 255 if frames.dtype == torch.uint8 else 1
    frames = _shrunk(frames.float(), size)
    height, width = frames.shape[-2:]
    to_source = _homography(bend, angle, scale, shift, (height, width), size)
    h, w = size
    ys, xs = torch.meshgrid(_pixel_centres(h, frames.device), _pixel_centres(w, frames.device), indexing="ij")
    out_points = torch.stack([xs, ys, torch.ones_like(xs)], dim=-1).reshape(-1, 3)
    source = out_points @ to_source.transpose(1, 2)
    grid = rearrange(source[..., :2] / source[..., 2:], "b (h w) xy -> b h w xy", h=h)
    channels = rearrange(frames, "b t c h w -> b (t c) h w")
    out = F.grid_sample(channels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    pixels = torch.tensor([width / 2, height / 2], device=grid.device)
    inside = ((1 - grid.abs()) * pixels + 0.5).clamp(0, 1).prod(dim=-1)
    out = out.div_(levels)  # after sampling: there are fewer pixels now
    return rearrange(out, "b (t c) h w -> b t c h w", c=3), inside[:, None, None]


def warp_points(
    points: Tensor,
    bend: Tensor,
    angle: Tensor,
    scale: Tensor,
    shift: Tensor,
    source: tuple[int, int],
    size: tuple[int, int],
) -> Tensor:
    """Where `warp` puts points [B, ..., 2] (x, y in [0, 1] of clips of `source` = (H, W)), in [0, 1] of `size`."""
    to_output = torch.linalg.inv(_homography(bend, angle, scale, shift, source, size))
    flat = points.flatten(1, -2).to(to_output) * 2 - 1
    mapped = torch.cat([flat, torch.ones_like(flat[..., :1])], dim=-1) @ to_output.transpose(1, 2)
    # Behind the horizon of a perspective there is no place in the picture.
    divisor = torch.where(mapped[..., 2:] > 1e-6, mapped[..., 2:], float("nan"))
    return ((mapped[..., :2] / divisor + 1) / 2).view_as(points)


def _shrunk(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Average whole blocks of pixels first when the picture is at least twice too large: no aliasing."""
    batch, _, _, height, width = frames.shape
    factor = min(height // size[0], width // size[1])
    if factor < 2:
        return frames
    flat = rearrange(frames, "b t c h w -> (b t) c h w")
    small = F.interpolate(flat, size=(height // factor, width // factor), mode="area")
    return rearrange(small, "(b t) c h w -> b t c h w", b=batch)


def _homography(
    bend: Tensor, angle: Tensor, scale: Tensor, shift: Tensor, source: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """[B, 3, 3]: points of the output in [-1, 1] to points of the picture in [-1, 1]."""
    square = torch.tensor(_SQUARE, device=bend.device)
    (height, width), (h, w) = source, size
    fit = min(w / width, h / height)
    half = torch.tensor([width * fit / 2, height * fit / 2], device=bend.device)  # of the fitted picture, pixels
    frame = torch.tensor([w / 2, h / 2], device=bend.device)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], dim=-2)
    corners = (square * bend * half) @ turn.transpose(1, 2) * scale[:, None, None]
    room = (frame - half * scale[:, None]).clamp(min=0)
    corners = (corners + (shift * room)[:, None]) / frame
    return get_perspective_transform(corners, square.expand_as(corners).contiguous())


def _pixel_centres(count: int, device: torch.device) -> Tensor:
    """Centres of `count` pixels in [-1, 1]."""
    return (torch.arange(count, device=device, dtype=torch.float32) + 0.5) * (2 / count) - 1


def recolour(frames: Tensor, matrix: Tensor, contrast: Tensor) -> Tensor:
    """Clips [B, T, 3, h, w] with matrix [B, 3, 3] on their colours, then contrast [B] about the clip's mean luma.

    Clamped to [0, 1].
    """
    batch, frame_count, _, h, _ = frames.shape
    flat = rearrange(frames, "b t c h w -> (b t) c (h w)")
    mean = matrix @ frames.mean(dim=(1, 3, 4))[..., None]
    luma = (torch.tensor(_LUMA, device=frames.device) @ mean)[:, 0]
    offset = ((1 - contrast) * luma).repeat_interleave(frame_count)[:, None, None].expand(-1, 3, 1)
    whole = (contrast[:, None, None] * matrix).repeat_interleave(frame_count, dim=0)
    out = torch.baddbmm(offset, whole, flat).clamp_(0, 1)
    return rearrange(out, "(b t) c (h w) -> b t c h w", b=batch, h=h)


def fill_outside(frames: Tensor, inside: Tensor, background: Tensor, repeat_edge: Tensor) -> Tensor:
    """Background [B, 3] where inside [B, 1, 1, h, w] is 0, or the repeated border where repeat_edge [B] is 1."""
    weight = torch.maximum(inside, repeat_edge[:, None, None, None, None])
    return torch.lerp(background[:, None, :, None, None], frames, weight)


def blur(frames: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each clip by its sigma [B] in pixels; 0 leaves a clip alone."""
    chosen = torch.nonzero(sigma > 0)[:, 0]
    if len(chosen) == 0:
        return frames
    frames = frames.clone()
    kernel = get_gaussian_kernel1d(_BLUR_TAPS, sigma[chosen][:, None])
    channels = rearrange(frames[chosen], "b t c h w -> b (t c) h w")
    soft = filter2d_separable(channels, kernel, kernel, border_type="replicate")
    frames[chosen] = rearrange(soft, "b (t c) h w -> b t c h w", c=3)
    return frames


def add_noise(frames: Tensor, std: Tensor, seed: Tensor) -> Tensor:
    """Sensor noise: the strength std [B] is one a clip, the grain is new in every frame; clamped to [0, 1]."""
    chosen = torch.nonzero(std > 0)[:, 0].tolist()
    if not chosen:
        return frames
    frames = frames.clone()
    for clip in chosen:
        grain = torch.randn(frames.shape[1:], generator=torch.Generator().manual_seed(int(seed[clip])))
        frames[clip] = (frames[clip] + std[clip] * grain.to(frames.device)).clamp_(0, 1)
    return frames
