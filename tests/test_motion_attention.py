"""Motion attention: against a plain rewriting, and what each latent frame can and cannot see."""

from __future__ import annotations

import pytest
import torch
from explicit import explicit_delta
from tiny_models import NUM_TOKENS, TOKEN_DIM, layer_config
from torch import Tensor, nn

from threedimo_core.motion_attention import MotionAttention, VideoLayout, motion_context, rotate_time

PER_FRAME = 6


def layer(**settings: object) -> MotionAttention:
    torch.manual_seed(0)
    made = MotionAttention(layer_config(**settings))
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made


def tokens(frames: int, batch: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(batch, frames, NUM_TOKENS, TOKEN_DIM, generator=torch.Generator().manual_seed(seed))


def hidden(latents: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, latents * PER_FRAME, 32, generator=torch.Generator().manual_seed(2))


def delta(made: MotionAttention, motion: Tensor, latents: int, reference: int = 0, **settings: object) -> Tensor:
    layout = VideoLayout(latents, PER_FRAME, reference)
    return made(hidden(latents + reference), motion_context(motion, layout, made.config, **settings))


@pytest.mark.parametrize("window", [0, 1, 2, None])
@pytest.mark.parametrize("frames", [1, 5, 17, 33])
def test_equals_a_dense_mask(window: int | None, frames: int) -> None:
    made, latents = layer(window=window), (frames - 1) // 4 + 1
    expected = explicit_delta(made, hidden(latents), tokens(frames), made.config, latents)
    assert torch.allclose(delta(made, tokens(frames), latents), expected, atol=1e-5)


@pytest.mark.parametrize("window", [0, 1, None])
def test_reference_frames_attend_to_nothing(window: int | None) -> None:
    made = layer(window=window)
    found = delta(made, tokens(9), 3, reference=1)
    assert torch.equal(found[:, :PER_FRAME], torch.zeros(2, PER_FRAME, 32))
    expected = explicit_delta(made, hidden(4), tokens(9), made.config, 3, reference_frames=1)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize("changed", [0, 1, 4, 5, 8, 16])
def test_a_driving_frame_reaches_its_window_and_nothing_else(window: int, changed: int) -> None:
    made, before = layer(window=window), tokens(17)
    after = before.clone()
    after[:, changed] += 1
    first, second = (delta(made, t, 5).unflatten(1, (5, PER_FRAME)) for t in (before, after))
    owner = -(-changed // 4)
    for latent in range(5):
        same = torch.equal(first[:, latent], second[:, latent])
        assert same is (abs(latent - owner) > window), f"driving frame {changed}, latent frame {latent}"


def test_without_a_window_every_frame_reaches_all() -> None:
    made, before = layer(window=None), tokens(17)
    after = before.clone()
    after[:, 16] += 1
    moved = (delta(made, before, 5) - delta(made, after, 5)).unflatten(1, (5, PER_FRAME)).abs().amax((0, 2, 3))
    assert bool((moved > 0).all())


def test_clips_of_a_batch_do_not_mix() -> None:
    made, motion = layer(), tokens(9)
    alone = delta(made, motion, 3)[1:]
    motion[0] += 1
    assert torch.equal(delta(made, motion, 3)[1:], alone)


def test_time_order_matters() -> None:
    made, motion = layer(window=None), tokens(9)
    assert not torch.allclose(delta(made, motion, 3), delta(made, motion.flip(1), 3), atol=1e-3)


def test_a_window_of_a_long_clip_equals_the_whole() -> None:
    """Latent frames 3 … 5 of 9, run alone with their own driving frames, as context windows do."""
    made, motion = layer(), tokens(33)
    whole = made(hidden(9), motion_context(motion, VideoLayout(9, PER_FRAME), made.config))
    part = slice(3 * PER_FRAME, 6 * PER_FRAME)
    numbers = torch.arange(5, 25)  # frames of latent frames 2 … 6: the window's own and one on either side
    context = motion_context(
        motion[:, 5:25], VideoLayout(3, PER_FRAME), made.config, frame_numbers=numbers, first_latent=3
    )
    assert torch.allclose(made(hidden(9)[:, part], context), whole[:, part], atol=1e-5)


def test_strength_scales_each_clip() -> None:
    made = layer()
    full = delta(made, tokens(9), 3)
    scaled = delta(made, tokens(9), 3, strength=torch.tensor([0.0, 0.5]))
    assert torch.equal(scaled[0], torch.zeros_like(full[0]))
    assert torch.allclose(scaled[1], full[1] / 2)


def test_fresh_layer_gives_exactly_zero() -> None:
    made = MotionAttention(layer_config())
    assert torch.equal(delta(made, tokens(9), 3), torch.zeros(2, 3 * PER_FRAME, 32))


def test_rotation_depends_on_the_time_difference_only() -> None:
    query, key = torch.randn(2, 1, 3, 2, 8)

    def score(shift: float) -> Tensor:
        times = torch.tensor([[0.25, 1.0, 2.5]]) + shift
        turned = [rotate_time(x, times, 256.0) for x in (query, key)]
        return torch.einsum("bshd,bthd->bhst", *turned)

    assert torch.allclose(score(0), score(7.75), atol=1e-4)
    assert torch.equal(rotate_time(query, torch.zeros(1, 3), 256.0), query)


def test_bfloat16() -> None:
    made = layer()
    exact = delta(made, tokens(9), 3)
    context = motion_context(tokens(9).bfloat16(), VideoLayout(3, PER_FRAME), made.config)
    rough = made.bfloat16()(hidden(3).bfloat16(), context)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().max() < 0.05 * exact.abs().max()


def test_gradients_reach_tokens_and_weights() -> None:
    made, motion = layer(), tokens(9).requires_grad_()
    delta(made, motion, 3).square().sum().backward()
    assert all(bool(p.grad.abs().sum() > 0) for p in [motion, *made.parameters()])


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((2, 9, NUM_TOKENS + 1, TOKEN_DIM), "encode the motion with the encoder"),
        ((2, 9, NUM_TOKENS, TOKEN_DIM + 1), "encode the motion with the encoder"),
        ((9, NUM_TOKENS, TOKEN_DIM), "encode the motion with the encoder"),
        ((2, 5, NUM_TOKENS, TOKEN_DIM), "the motion has 5 frames, 25 are needed"),
    ],
)
def test_wrong_tokens_are_told(shape: tuple[int, ...], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        motion_context(torch.zeros(shape), VideoLayout(7, PER_FRAME), layer_config())


def test_another_number_of_video_tokens_is_told() -> None:
    made = layer()
    context = motion_context(tokens(9), VideoLayout(3, PER_FRAME), made.config)
    with pytest.raises(ValueError, match=r"runs 24 video tokens.*3 × 6"):
        made(hidden(4), context)
