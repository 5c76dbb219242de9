"""A performance to pictures and labels: every view of every identity, and the zoomed views of both hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .cameras import Camera
from .hand_views import HandView, hand_view
from .labels import pack_mask
from .performance import Performance
from .renderer import RenderedView, WarpRenderer

_HAND_JOINTS = (slice(25, 40), slice(40, 55))
_LEAST_VISIBLE_SHARE = 0.2  # of a hand's joints; fewer and a detector would report no hand


@dataclass(frozen=True)
class PicturesOfView:
    """One camera's pictures of one identity.

    frames uint8 [T, H, W, 3]; mask uint8 [T, H, W]; hands uint8 [T, h, 2 h, 3], left beside right, black where a
    hand is absent; None when no hand views were asked for.
    """

    identity: int
    camera: int
    frames: np.ndarray
    mask: np.ndarray
    hands: np.ndarray | None


@dataclass(frozen=True)
class RenderedPerformance:
    """Pictures of all views, and the tensors of the label file (labels.py)."""

    performance: Performance
    views: tuple[PicturesOfView, ...]
    labels: dict[str, Tensor]


@dataclass(frozen=True)
class PictureSize:
    """Pixels of the views and of the square hand views (0: none); samples x samples rays a pixel."""

    height: int
    width: int
    hand_size: int = 48
    samples: int = 1


def render_performance(performance: Performance, renderer: WarpRenderer, size: PictureSize) -> RenderedPerformance:
    """Render every view of every identity, with labels."""
    views: list[PicturesOfView] = []
    labels: list[dict[str, Tensor]] = []
    for identity in range(len(performance.identities)):
        hands = _hand_views(performance, identity, size)
        pictures = _render(performance, identity, hands, renderer, size)
        new = [
            _view_labels(performance, identity, n, hands[n], pictures[n].joints_in_sight, size)
            for n in range(len(hands))
        ]
        views += _with_hands(identity, pictures, [one["hand_present"] for one in new], size)
        labels += new
    stacked = {name: torch.stack([one[name] for one in labels]) for name in labels[0]}
    masks = {f"mask_{number}": pack_mask(view.mask) for number, view in enumerate(views)}
    return RenderedPerformance(performance, tuple(views), _motion_labels(performance) | stacked | masks)


def _hand_views(performance: Performance, identity: int, size: PictureSize) -> list[tuple[HandView, HandView]]:
    """The zoomed cameras of both hands for every camera."""
    joints, first = performance.posed[identity].joints, identity * len(performance.cameras)

    def view(number: int, camera: Camera, side: int) -> HandView:
        rng = performance.hand_rng(first + number, side)
        return hand_view(camera, joints, side, size.height, size.width, rng)

    return [(view(n, camera, 0), view(n, camera, 1)) for n, camera in enumerate(performance.cameras)]


def _render(
    performance: Performance, number: int, hands: list[tuple[HandView, HandView]], renderer: WarpRenderer,
    size: PictureSize,
) -> list[RenderedView]:  # fmt: skip
    """Views, then left and right hand of each view: all in one call, so that each frame is set up once."""
    identity, count = performance.identities[number], len(performance.cameras)
    zoomed = [hand.camera for pair in hands for hand in pair] if size.hand_size else []
    return renderer.render(
        performance.posed[number], identity.body, identity.appearance, identity.scene,
        [*performance.cameras, *zoomed],
        [size.height] * count + [size.hand_size] * len(zoomed),
        [size.width] * count + [size.hand_size] * len(zoomed),
        samples=size.samples,
    )  # fmt: skip


def _with_hands(
    identity: int, pictures: list[RenderedView], present: list[Tensor], size: PictureSize
) -> list[PicturesOfView]:
    """Put each view's pictures together; a hand that is not there becomes black."""
    views = []
    for number, there in enumerate(present):
        hands = None
        if size.hand_size:
            pair = pictures[len(present) + 2 * number :][:2]
            keep = there.numpy().T[:, :, None, None, None]
            hands = np.concatenate([one.frames * keep[side] for side, one in enumerate(pair)], axis=2)
        views.append(PicturesOfView(identity, number, pictures[number].frames, pictures[number].mask, hands))
    return views


def _view_labels(
    performance: Performance, identity: int, number: int, hands: tuple[HandView, HandView], in_sight: np.ndarray,
    size: PictureSize,
) -> dict[str, Tensor]:  # fmt: skip
    camera, joints = performance.cameras[number], performance.posed[identity].joints
    pixels, depth = camera.project(joints, size.height, size.width)
    visible = in_frame(pixels, depth, size.height, size.width) & torch.from_numpy(in_sight)
    return _camera_labels(camera) | {
        "joints_2d": pixels.float(),
        "visible": visible.to(torch.uint8),
        "hand_box": torch.stack([hand.box for hand in hands], dim=1),
        "hand_present": torch.stack(
            [_present(hand, visible[:, fingers]) for hand, fingers in zip(hands, _HAND_JOINTS, strict=True)], dim=1
        ),
    }


def in_frame(pixels: Tensor, depth: Tensor, height: int, width: int) -> Tensor:
    """bool [T, N]: points [T, N, 2] in front of the camera and inside the picture."""
    inside = (pixels >= 0).all(-1) & (pixels[..., 0] < width) & (pixels[..., 1] < height)
    return inside & (depth > 0)


def _present(hand: HandView, visible: Tensor) -> Tensor:
    """uint8 [T]: the hand's box is in the view and enough of its joints [T, 15] can be seen."""
    return (hand.in_frame & (visible.float().mean(dim=1) >= _LEAST_VISIBLE_SHARE)).to(torch.uint8)


def _camera_labels(camera: Camera) -> dict[str, Tensor]:
    names = ("world_to_camera", "focal", "azimuth", "elevation", "distance")
    return {name: getattr(camera, name).float() for name in names}


def _motion_labels(performance: Performance) -> dict[str, Tensor]:
    motion = performance.motion
    return {
        "pose": motion.pose.half(),
        "global_orient": motion.global_orient.float(),
        "transl": motion.transl.float(),
        "heading": motion.heading.float(),
        "joints": torch.stack([posed.joints for posed in performance.posed]).float(),
    }
