"""A performance to pictures and labels: every view of every identity, and the zoomed views of both hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from threedimo_core.camera_language import NUM_WORDINGS, write

from .hand_views import HandView, hand_view
from .labels import pack_mask
from .performance import Performance
from .renderer import WarpRenderer

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
    """Pictures [V], and the tensors of the label file (labels.py)."""

    performance: Performance
    views: tuple[PicturesOfView, ...]
    labels: dict[str, Tensor]


def render_performance(
    performance: Performance, renderer: WarpRenderer, height: int, width: int, samples: int = 1, hand_size: int = 48
) -> RenderedPerformance:
    """Render every view at height x width with samples x samples rays a pixel, hands at hand_size (0: none)."""
    views: list[PicturesOfView] = []
    per_view: list[dict[str, Tensor]] = []
    for number in range(len(performance.identities)):
        first = len(views)
        pictures, labels = _render_identity(performance, number, first, renderer, height, width, samples, hand_size)
        views += pictures
        per_view += labels
    stacked = {name: torch.stack([labels[name] for labels in per_view]) for name in per_view[0]}
    masks = {f"mask_{number}": pack_mask(view.mask) for number, view in enumerate(views)}
    return RenderedPerformance(performance, tuple(views), {**_motion_labels(performance), **stacked, **masks})


def _render_identity(
    performance: Performance, number: int, first_view: int, renderer: WarpRenderer,
    height: int, width: int, samples: int, hand_size: int,
) -> tuple[list[PicturesOfView], list[dict[str, Tensor]]]:
    """All views of one identity in one go, so that the renderer builds its scene once a frame."""
    posed, identity = performance.posed[number], performance.identities[number]
    cameras = list(performance.cameras)
    scene = (posed, identity.body, identity.appearance, performance.scene)
    pictures = renderer.render(*scene, cameras, height, width, samples=samples)
    hands = [
        [hand_view(camera, posed.joints, side, height, width, performance.hand_rng(first_view + view, side))
         for side in (0, 1)]
        for view, camera in enumerate(cameras)
    ]
    crops = None
    if hand_size:
        zoomed = [hand.camera for pair in hands for hand in pair]
        crops = renderer.render(*scene, zoomed, hand_size, hand_size, samples=samples)
    views, labels = [], []
    for view, camera in enumerate(cameras):
        joints_2d, depth = camera.project(posed.joints, height, width)
        visible = _in_frame(joints_2d, depth, height, width) & renderer_visibility(posed, camera)
        present = torch.stack([_present(hand, visible[:, _HAND_JOINTS[side]])
                               for side, hand in enumerate(hands[view])], dim=1)
        side_by_side = None
        if crops is not None:
            both = [crops[2 * view + side].frames * present[:, side].numpy().astype(np.uint8)[:, None, None, None]
                    for side in (0, 1)]
            side_by_side = np.concatenate(both, axis=2)
        views.append(PicturesOfView(number, view, pictures[view].frames, pictures[view].mask, side_by_side))
        labels.append(_camera_labels(camera) | {
            "joints_2d": joints_2d.float(),
            "visible": visible.to(torch.uint8),
            "hand_box": torch.stack([hand.box for hand in hands[view]], dim=1),
            "hand_present": present.to(torch.uint8),
        })
    return views, labels
