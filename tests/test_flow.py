"""Flow matching: definitions, guidance algebra, keyed randomness."""

from __future__ import annotations

import pytest
import torch

from threedimo_core.flow import (
    clean_from_velocity,
    guided_velocity,
    interpolate,
    keyed_generator,
    sample_sigma,
    velocity_target,
)


def some(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_velocity_leads_from_clean_to_noise() -> None:
    clean, noise, sigma = some(3, 2, 4), some(3, 2, 4, seed=1), torch.tensor([0.0, 0.4, 1.0])
    noisy, velocity = interpolate(clean, noise, sigma), velocity_target(clean, noise)
    assert torch.equal(noisy[0], clean[0])
    assert torch.equal(noisy[2], noise[2])
    assert torch.allclose(clean_from_velocity(noisy, velocity, sigma), clean, atol=1e-6)
    step = interpolate(clean, noise, sigma - 0.1) - noisy
    assert torch.allclose(step, -0.1 * velocity, atol=1e-6)


def test_guidance_formula() -> None:
    nothing, text, both = some(4), some(4, seed=1), some(4, seed=2)
    expected = nothing + 3 * (text - nothing) + 2 * (both - text)
    assert torch.allclose(guided_velocity(nothing, text, both, 3.0, 2.0), expected, atol=1e-6)
    assert torch.equal(guided_velocity(None, None, both, 1.0, 1.0), both)
    assert torch.allclose(guided_velocity(None, text, both, 1.0, 0.0), text, atol=1e-6)
    assert torch.allclose(guided_velocity(nothing, text, text, 5.0, 1.0), nothing + 5 * (text - nothing), atol=1e-6)


def test_guidance_wants_what_does_not_cancel() -> None:
    with pytest.raises(ValueError, match="without motion"):
        guided_velocity(None, None, some(4), 1.0, 2.0)
    with pytest.raises(ValueError, match="without text"):
        guided_velocity(None, some(4), some(4), 2.0, 1.0)


def test_randomness_depends_on_the_key_alone() -> None:
    first = torch.randn(5, generator=keyed_generator(1, "noise", 3))
    torch.manual_seed(99)
    assert torch.equal(first, torch.randn(5, generator=keyed_generator(1, "noise", 3)))
    others = [keyed_generator(*key) for key in [(2, "noise", 3), (1, "sigma", 3), (1, "noise", 4), (1, "noise")]]
    assert all(not torch.equal(first, torch.randn(5, generator=other)) for other in others)


def test_sigma_moves_towards_noise_with_the_shift() -> None:
    plain = [sample_sigma(keyed_generator(i)) for i in range(400)]
    shifted = [sample_sigma(keyed_generator(i), shift=3.0) for i in range(400)]
    assert all(0 < s < 1 for s in plain + shifted)
    assert abs(sum(plain) / 400 - 0.5) < 0.05
    assert all(b > a for a, b in zip(plain, shifted, strict=True))
    half = 0.5
    assert sample_sigma(keyed_generator(0), shift=3.0, std=0.0) == pytest.approx(3 * half / (1 + 2 * half))
