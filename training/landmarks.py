"""Landmarks: where the body's joints are in the driver's own picture, read from the encoder's patches in a warm-up.

An encoder that starts from nothing stays at the mean pose for a long time: to name a joint's rotation it must first
find the joint. This loss teaches the finding directly and densely. It reads the patches alone, which the tokenizer
throws away, so nothing of the viewpoint is asked of the tokens; the head is dropped when the warm-up is over.
Not in the paper, whose encoder sees some million clips.

A joint belongs to the patch it lies in (a classification over the patches); that patch also tells the place within
itself and the depth from the pelvis.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from threedimo_core.motion_encoder import FrameTokenizer

NUM_LANDMARKS = 22  # pelvis and the 21 body joints
_CELL_WEIGHT, _PLACE_WEIGHT = 0.3, 0.3  # the depth, in metres, counts 1


class LandmarkHead(nn.Module):
    """Patches of `tokenizer` [N, P, width] → per joint a score, a place within the patch and a depth."""

    def __init__(self, tokenizer: FrameTokenizer) -> None:
        super().__init__()
        self.side = tokenizer.config.image_size // tokenizer.config.patch_size
        self.out = nn.Linear(tokenizer.config.width, NUM_LANDMARKS * 4)

    def loss(self, patches: Tensor, landmarks: Tensor, total: float | None = None) -> Tensor:
        """Sum over the joints that lie in the picture, divided by `total` (default: their number).

        landmarks [N, 22, 3]: x and y in [0, 1] of the encoder's picture, depth in metres from the pelvis, away from
        the camera; NaN where unknown.
        """
        inside = in_picture(landmarks)
        found, wanted = self.out(patches.float()), torch.where(inside[..., None], landmarks, 0.0)
        found = rearrange(found, "n p (j c) -> n j p c", c=4)
        place = wanted[..., :2] * self.side
        cell = place.long()
        index = cell[..., 1] * self.side + cell[..., 0]
        scores = F.cross_entropy(found[..., 0].flatten(0, 1), index.flatten(), reduction="none").view_as(index)
        chosen = found.gather(2, index[..., None, None].expand(-1, -1, 1, 4)).squeeze(2)
        within = (chosen[..., 1:3] - (place - cell - 0.5)).abs().mean(-1)
        depth = (chosen[..., 3] - wanted[..., 2]).abs()
        error = _CELL_WEIGHT * scores + _PLACE_WEIGHT * within + depth
        return torch.where(inside, error, 0.0).sum() / max(1.0, float(inside.sum()) if total is None else total)


def in_picture(landmarks: Tensor) -> Tensor:
    """[..., 3] → bool [...]: known, and in the encoder's picture."""
    return ((landmarks[..., :2] >= 0) & (landmarks[..., :2] < 1)).all(-1) & landmarks.isfinite().all(-1)


@contextmanager
def hearing_patches(tokenizer: FrameTokenizer) -> Iterator[list[Tensor]]:
    """Within this context every forward of `tokenizer` leaves its patches [N, P, width] in the list given."""
    heard: list[Tensor] = []
    latents = tokenizer.config.num_tokens
    handle = tokenizer.blocks[-1].register_forward_hook(lambda _, __, out: heard.append(out[:, latents:]))
    try:
        yield heard
    finally:
        handle.remove()


def landmarks_of(joints: Tensor, joints_2d: Tensor, world_to_camera: Tensor, height: int, width: int) -> Tensor:
    """Labels of one view → landmarks [T, 22, 3] in the view's own picture.

    joints [T, 55, 3] metres in the world, joints_2d [T, 55, 2] pixels, world_to_camera [T, 4, 4].
    """
    turned = joints[:, :NUM_LANDMARKS] @ world_to_camera[:, 2, :3, None]
    depth = turned - turned[:, :1]
    place = joints_2d[:, :NUM_LANDMARKS] / torch.tensor([width, height])
    return torch.cat([place, depth], dim=-1).float()
