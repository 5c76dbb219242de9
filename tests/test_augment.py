"""The augmentation of driving frames: one draw a clip, the same for the same key, nothing outside its ranges."""

from __future__ import annotations

import pytest
import torch

from training.augment import AugmentConfig, augment_driver, augment_hands, draw, draw_batch, identity, stack
from training.augment_ops import warp

CONFIG = AugmentConfig(size=(32, 32), hand_size=(16, 16))
STILL = AugmentConfig(size=(32, 32), hand_size=(16, 16), noise=0.0)


def clip(frames: int = 3, height: int = 32, width: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 6, 6, generator=generator)
    picture = torch.nn.functional.interpolate(small, size=(height, width), mode="bilinear")
    return picture[:, None].repeat(1, frames, 1, 1, 1)


def test_a_still_clip_stays_still():
    for sample in range(8):
        out = augment_driver(clip(), draw(STILL, 0, 0, sample), STILL)
        assert torch.equal(out[:, 0], out[:, 1]) and torch.equal(out[:, 0], out[:, 2])


def test_the_same_key_gives_the_same_pixels_and_another_key_others():
    first = augment_driver(clip(), draw(CONFIG, 1, 2, 3), CONFIG)
    assert torch.equal(first, augment_driver(clip(), draw(CONFIG, 1, 2, 3), CONFIG))
    for key in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(first, augment_driver(clip(), draw(CONFIG, *key), CONFIG))


def test_a_batch_is_its_clips_one_by_one():
    clips = torch.cat([clip(seed=seed) for seed in range(6)])
    together = augment_driver(clips, draw_batch(CONFIG, 0, [5] * 6, list(range(6))), CONFIG)
    for sample in range(6):
        alone = augment_driver(clips[sample : sample + 1], draw(CONFIG, 0, 5, sample), CONFIG)
        torch.testing.assert_close(together[sample : sample + 1], alone, atol=1e-5, rtol=0)


def test_the_input_is_untouched_and_the_output_in_range():
    frames = clip()
    before = frames.clone()
    for sample in range(10):
        out = augment_driver(frames, draw(CONFIG, 0, 0, sample), CONFIG)
        assert out.shape == (1, 3, 3, 32, 32)
        assert out.min() >= 0 and out.max() <= 1
    assert torch.equal(frames, before)


def test_identity_only_resizes():
    frames = clip()
    torch.testing.assert_close(augment_driver(frames, identity(), CONFIG), frames, atol=1e-5, rtol=0)
    bytes_in = (frames * 255).round().to(torch.uint8)
    torch.testing.assert_close(augment_driver(bytes_in, identity(), CONFIG), frames, atol=1 / 255, rtol=0)


def test_large_frames_are_averaged_not_sampled():
    stripes = torch.zeros(1, 1, 3, 128, 128)
    stripes[..., ::2] = 1.0  # every second column: sampling would give bands, averaging gives grey
    out = augment_driver(stripes, identity(), CONFIG)
    torch.testing.assert_close(out, torch.full_like(out, 0.5), atol=1e-4, rtol=0)


def test_a_wide_picture_keeps_its_aspect():
    frames = torch.ones(1, 1, 3, 16, 32)
    out = augment_driver(frames, identity(), CONFIG)[0, 0, 0]
    rows = (out > 0.5).any(dim=1).nonzero()[:, 0]
    assert len(rows) == 16 and rows[0] == 8  # half as high as wide, in the middle
    assert (out[16] > 0.5).all()


def test_geometry_stays_in_its_ranges():
    frames = torch.ones(1, 1, 3, 32, 32)
    for sample in range(30):
        params = draw(STILL, 0, 0, sample)
        assert (params.scale[:, 0] >= 0.7).all() and (params.scale[:, 0] <= 1.0).all()
        assert params.angle.abs().max() <= torch.deg2rad(torch.tensor(15.0)) + 1e-6
        assert params.bend.min() >= 0.7 and params.bend.max() <= 1.0
        geometry = (params.bend[:, 0], params.angle[:, 0], params.scale[:, 0], params.shift[:, 0])
        _, inside = warp(frames, *geometry, (32, 32))
        assert inside.mean() > 0.2


def test_hands_share_colours_but_not_geometry():
    params = draw(STILL, 0, 0, 1)
    assert not torch.equal(params.angle[:, 0], params.angle[:, 1])
    flat = torch.full((1, 2, 3, 16, 16), 0.5)
    flat[:, :, 0] = 0.3
    one = stack([params])
    body = augment_driver(flat, one, STILL)[0, 0, :, 16, 16]
    hands = augment_hands(flat[:, :, None].repeat(1, 1, 2, 1, 1, 1), one, STILL)
    assert hands.shape == (1, 2, 2, 3, 16, 16)
    for side in range(2):
        torch.testing.assert_close(hands[0, 0, side, :, 8, 8], body, atol=1e-4, rtol=0)


def test_colour_changes_are_what_they_say():
    config = AugmentConfig(
        size=(8, 8),
        brightness=(0.5, 0.5),
        contrast=(1, 1),
        saturation=(1, 1),
        hue=0.0,
        scale=(1, 1),
        rotation=0,
        perspective=0,
        soft_probability=0,
    )
    out = augment_driver(torch.full((1, 1, 3, 8, 8), 0.8), draw(config, 0, 0, 0), config)
    torch.testing.assert_close(out, torch.full_like(out, 0.4))
    grey = AugmentConfig(
        size=(8, 8),
        saturation=(1e-6, 1e-6),
        brightness=(1, 1),
        contrast=(1, 1),
        hue=0.0,
        scale=(1, 1),
        rotation=0,
        perspective=0,
        soft_probability=0,
    )
    red = torch.zeros(1, 1, 3, 8, 8)
    red[:, :, 0] = 1
    out = augment_driver(red, draw(grey, 0, 0, 0), grey)
    torch.testing.assert_close(out, torch.full_like(out, 0.299), atol=1e-4, rtol=0)


def test_noise_is_new_in_every_frame_and_repeats_with_the_key():
    config = AugmentConfig(size=(16, 16), soft_probability=1.0)
    params = draw(config, 0, 0, 0)
    out = augment_driver(clip(height=16, width=16), params, config)
    assert not torch.equal(out[:, 0], out[:, 1])
    assert torch.equal(out, augment_driver(clip(height=16, width=16), params, config))


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="perspective"):
        AugmentConfig(perspective=1.5)
    with pytest.raises(ValueError, match="scale"):
        AugmentConfig(scale=(1.0, 0.5))
    with pytest.raises(ValueError, match="one row of parameters a clip"):
        augment_driver(torch.zeros(2, 1, 3, 8, 8), identity(), CONFIG)
