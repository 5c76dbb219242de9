"""The warm-up's landmarks: labels follow the pictures through augmentation, and the loss teaches places alone."""

from __future__ import annotations

import pytest
import torch

from threedimo_core.config import TokenizerConfig
from threedimo_core.motion_encoder import FrameTokenizer
from training.augment import AugmentConfig, augment_driver, augment_points, draw
from training.landmarks import NUM_LANDMARKS, LandmarkHead, hearing_patches, in_picture, landmarks_of

TINY = TokenizerConfig(image_size=32, num_tokens=3, width=16, depth=2, heads=2, patch_size=8, stem_channels=(8, 8, 8))
PLAIN = AugmentConfig(
    size=(64, 64), hand_size=(16, 16), brightness=(1, 1), contrast=(1, 1), saturation=(1, 1), hue=0, soft_probability=0
)


@pytest.mark.parametrize("sample", range(12))
def test_points_go_where_the_augmented_pixels_go(sample: int) -> None:
    frames = torch.zeros(1, 1, 3, 96, 72)
    frames[:, :, :, 40:44, 30:34] = 1.0
    point = torch.tensor([[[32 / 72, 42 / 96]]])
    params = draw(PLAIN, 0, 0, sample)
    params.background.zero_()
    out = augment_driver(frames, params, PLAIN)[0, 0].mean(0)
    ys, xs = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    centre = torch.stack([(out * xs).sum(), (out * ys).sum()]) / out.sum() / 64
    torch.testing.assert_close(augment_points(point, params, PLAIN, (96, 72))[0, 0], centre, atol=0.01, rtol=0)


def test_landmarks_of_a_view_are_its_pixels_and_the_depth_from_the_pelvis() -> None:
    joints = torch.zeros(2, 55, 3)
    joints[:, 5, 2] = 0.5  # half a metre further along the world's z
    camera = torch.eye(4).expand(2, 4, 4).clone()
    camera[:, 2, 3] = 4.0
    found = landmarks_of(joints, torch.full((2, 55, 2), 12.0), camera, height=48, width=24)
    assert found.shape == (2, NUM_LANDMARKS, 3)
    assert found[0, 5].tolist() == pytest.approx([0.5, 0.25, 0.5]) and found[0, 4, 2] == 0


def test_unknown_and_hidden_landmarks_cost_nothing() -> None:
    head = LandmarkHead(FrameTokenizer(TINY, 8))
    patches = torch.randn(2, 16, 16, requires_grad=True)
    nowhere = torch.full((2, NUM_LANDMARKS, 3), float("nan"))
    nowhere[1] = 2.0  # outside the picture
    assert not in_picture(nowhere).any()
    loss = head.loss(patches, nowhere)
    loss.backward()
    assert loss == 0 and patches.grad is not None and not patches.grad.any()


def test_a_cut_batch_adds_up_to_the_whole() -> None:
    head, patches = LandmarkHead(FrameTokenizer(TINY, 8)), torch.randn(4, 16, 16)
    landmarks = torch.rand(4, NUM_LANDMARKS, 3)
    landmarks[0, 3:] = float("nan")
    total = float(in_picture(landmarks).sum())
    parts = sum(head.loss(patches[i : i + 2], landmarks[i : i + 2], total) for i in (0, 2))
    torch.testing.assert_close(parts, head.loss(patches, landmarks))


def test_the_loss_reaches_patches_and_leaves_the_readout_of_the_tokens_alone() -> None:
    tokenizer = FrameTokenizer(TINY, 8)
    head = LandmarkHead(tokenizer)
    with hearing_patches(tokenizer) as patches:
        tokenizer(torch.rand(2, 3, 32, 32))
    head.loss(patches[0], torch.rand(2, NUM_LANDMARKS, 3)).backward()
    assert tokenizer.stem[0].weight.grad.abs().sum() > 0
    assert tokenizer.out.weight.grad is None
    assert not tokenizer.blocks[-1]._forward_hooks
