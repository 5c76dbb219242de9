"""Injection by residual port, on diffusers' real transformers: equal to a block with the layer written into it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from explicit import explicit_delta, explicit_hunyuan_block, explicit_wan_block
from tiny_models import BACKBONES, NUM_TOKENS, TOKEN_DIM, injection_for
from torch import Tensor
from torch.utils.checkpoint import CheckpointError

from threedimo_core.backbones import Backbone
from threedimo_core.injection import AttachedInjection, MotionInjection
from threedimo_core.motion_attention import MotionContext, motion_context

FAMILIES = sorted(BACKBONES)
EXPLICIT = {"wan": explicit_wan_block, "hunyuan_video15": explicit_hunyuan_block}
LATENTS = 3


@pytest.fixture(params=FAMILIES)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return BACKBONES[request.param]()


def inputs(backbone: Backbone, batch: int = 2, latents: int = LATENTS, size: int = 4, seed: int = 0) -> dict[str, Any]:
    """Noise, noise levels and random conditioning of the right shapes, without running any encoder."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    if backbone.family == "wan":
        text = {"prompt_embeds": random(batch, 7, 16)}
        reference = {"first_latent": random(batch, 4, 1, size, size)}
    else:
        mask = torch.ones(batch, 7, dtype=torch.bool)
        mask[0, 5:] = False
        text = {
            "prompt_embeds": random(batch, 7, 16), "prompt_mask": mask,
            "glyph_embeds": random(batch, 3, 24), "glyph_mask": mask[:, 3:6],
        }  # fmt: skip
        reference = {"image_latent": random(batch, 4, 1, size, size), "image_embeds": random(batch, 4, 12)}
    return {
        "latents": random(batch, 4, latents, size, size),
        "sigma": torch.linspace(0.3, 0.9, batch),
        "text": text,
        "reference": reference,
    }


def motion_tokens(frames: int = 9, batch: int = 2, seed: int = 9) -> Tensor:
    return torch.randn(batch, frames, NUM_TOKENS, TOKEN_DIM, generator=torch.Generator().manual_seed(seed))


def context_for(backbone: Backbone, injection: MotionInjection, tokens: Tensor, given: dict[str, Any]) -> MotionContext:
    return motion_context(tokens, backbone.layout(given["latents"]), injection.config)


def attach(backbone: Backbone, injection: MotionInjection) -> AttachedInjection:
    return AttachedInjection(backbone.blocks, injection, backbone.port)


@torch.no_grad()
def moved(backbone: Backbone, injection: MotionInjection, tokens: Tensor, given: dict[str, Any]) -> Tensor:
    attached = attach(backbone, injection)
    with attached.motion(context_for(backbone, injection, tokens, given)):
        result = backbone.velocity(**given)
    attached.detach()
    return result


def test_fresh_injection_is_bit_identical(backbone: Backbone) -> None:
    given = inputs(backbone)
    with torch.no_grad():
        base = backbone.velocity(**given)
    assert torch.equal(moved(backbone, injection_for(backbone, awake=False), motion_tokens(), given), base)


@pytest.mark.parametrize("window", [0, 1, None])
@pytest.mark.parametrize(("latents", "size"), [(1, 4), (3, 4), (5, 6)])
def test_equals_a_block_with_the_layer_inside(backbone: Backbone, window: int | None, latents: int, size: int) -> None:
    injection, given = injection_for(backbone, window=window), inputs(backbone, latents=latents, size=size)
    tokens = motion_tokens(4 * latents - 3)
    found = moved(backbone, injection, tokens, given)
    block_forward = EXPLICIT[backbone.family]
    for block, layer in zip(backbone.blocks, injection.layers, strict=True):
        delta_of = partial(explicit_delta, layer, tokens=tokens, config=injection.config, latent_frames=latents)
        block.forward = partial(block_forward, block, delta_of)
    with torch.no_grad():
        expected = backbone.velocity(**given)
    assert (found - expected).abs().max() <= 1e-5
    for block in backbone.blocks:
        del block.forward
    with torch.no_grad():
        assert (found - backbone.velocity(**given)).abs().max() > 1e-2, "the motion changes nothing"


def test_strength_zero_is_the_base_model(backbone: Backbone) -> None:
    injection, given = injection_for(backbone), inputs(backbone)
    attached = attach(backbone, injection)
    layout = backbone.layout(given["latents"])
    with torch.no_grad():
        base = backbone.velocity(**given)
        with attached.motion(motion_context(motion_tokens(), layout, injection.config, strength=0.0)):
            assert torch.equal(backbone.velocity(**given), base)
        with attached.motion(None):
            assert torch.equal(backbone.velocity(**given), base)
        assert torch.equal(backbone.velocity(**given), base), "outside of the context there is no motion"


def test_detach_gives_the_base_model_back(backbone: Backbone) -> None:
    given, keys = inputs(backbone), list(backbone.transformer.state_dict())
    with torch.no_grad():
        base = backbone.velocity(**given)
    attached = attach(backbone, injection_for(backbone))
    assert any(".motion." in key for key in backbone.transformer.state_dict())
    attached.detach()
    attached.detach()
    assert list(backbone.transformer.state_dict()) == keys
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in backbone.blocks.modules())
    with torch.no_grad():
        assert torch.equal(backbone.velocity(**given), base)


def test_a_failing_forward_leaves_nothing_behind(backbone: Backbone) -> None:
    injection, given = injection_for(backbone), inputs(backbone)
    expected = moved(backbone, injection, motion_tokens(), given)
    attached = attach(backbone, injection)
    wrong = context_for(backbone, injection, motion_tokens(17), inputs(backbone, latents=5))
    with pytest.raises(ValueError, match="video tokens"), attached.motion(wrong):
        backbone.velocity(**given)
    assert attached.context is None
    with torch.no_grad(), attached.motion(context_for(backbone, injection, motion_tokens(), given)):
        assert torch.equal(backbone.velocity(**given), expected)


def gradients(backbone: Backbone, injection: MotionInjection, given: dict[str, Any]) -> list[Tensor]:
    tokens = motion_tokens().requires_grad_()
    attached = attach(backbone, injection)
    with attached.motion(context_for(backbone, injection, tokens, given)):
        backbone.velocity(**given).square().mean().backward()
    attached.detach()
    found = [tokens.grad, *(p.grad.clone() for p in injection.parameters() if p.grad is not None)]
    injection.zero_grad()
    return found


def test_gradient_checkpointing_agrees(backbone: Backbone) -> None:
    injection, given = injection_for(backbone), inputs(backbone)
    expected = gradients(backbone, injection, given)
    backbone.transformer.enable_gradient_checkpointing()
    backbone.transformer.train()
    found = gradients(backbone, injection, given)
    assert len(found) == len(expected) > 10
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_backward_outside_of_the_context_fails_loudly(backbone: Backbone) -> None:
    injection, given = injection_for(backbone), inputs(backbone)
    backbone.transformer.enable_gradient_checkpointing()
    backbone.transformer.train()
    attached = attach(backbone, injection)
    with attached.motion(context_for(backbone, injection, motion_tokens().requires_grad_(), given)):
        loss = backbone.velocity(**given).sum()
    with pytest.raises(CheckpointError):
        loss.backward()


def test_bfloat16_backbone(backbone: Backbone) -> None:
    injection, given = injection_for(backbone), inputs(backbone)
    exact = moved(backbone, injection, motion_tokens(), given)
    backbone.transformer.bfloat16()
    if backbone.family == "hunyuan_video15":
        backbone.transformer.time_embed.float()
    rough = moved(backbone, injection.bfloat16(), motion_tokens().bfloat16(), given)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_float32_layers_train_under_autocast(backbone: Backbone) -> None:
    injection, given = injection_for(backbone), inputs(backbone)
    expected = gradients(backbone, injection, given)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(backbone, injection, given)
    assert all(p.dtype == torch.float32 for p in found)
    assert (found[0] - expected[0]).abs().mean() < 0.2 * expected[0].abs().mean()


def compiled_equals_eager(backbone: Backbone, backend: str) -> None:
    injection, given = injection_for(backbone), inputs(backbone)
    eager = [moved(backbone, injection, motion_tokens(seed=seed), given) for seed in (1, 2)]
    with torch.no_grad():
        base = backbone.velocity(**given)
    attached = attach(backbone, injection)
    for block in backbone.blocks:
        block.compile(backend=backend)
    with torch.no_grad():
        for seed, expected in zip((1, 2), eager, strict=True):
            with attached.motion(context_for(backbone, injection, motion_tokens(seed=seed), given)):
                assert (backbone.velocity(**given) - expected).abs().max() <= 1e-5
        assert (backbone.velocity(**given) - base).abs().max() <= 1e-5
    attached.detach()
    with torch.no_grad():
        assert (backbone.velocity(**given) - base).abs().max() <= 1e-5
    torch.compiler.reset()


@pytest.mark.slow
def test_traced_blocks_agree(backbone: Backbone) -> None:
    """Tracing is where hooks could get lost; code generation adds a minute and nothing about them."""
    compiled_equals_eager(backbone, "aot_eager")


@pytest.mark.slow
def test_compiled_blocks_agree() -> None:
    compiled_equals_eager(BACKBONES["wan"](blocks=1), "inductor")


def test_the_layer_belongs_to_its_block(backbone: Backbone) -> None:
    injection = injection_for(backbone)
    attached = attach(backbone, injection)
    assert backbone.blocks[1].motion is injection.layers[1]
    backbone.transformer.double()
    assert injection.layers[0].to_q.weight.dtype == torch.float64
    attached.detach()


def test_a_second_injection_is_refused(backbone: Backbone) -> None:
    attach(backbone, injection_for(backbone))
    with pytest.raises(ValueError, match="detach it first"):
        attach(backbone, injection_for(backbone))


def test_another_number_of_blocks_is_refused(backbone: Backbone) -> None:
    other = BACKBONES[backbone.family](blocks=3)
    with pytest.raises(ValueError, match="has 2 motion layers, the transformer has 3 blocks"):
        AttachedInjection(other.blocks, injection_for(backbone), other.port)


def test_null_tokens_replace_dropped_clips() -> None:
    injection = injection_for(BACKBONES["wan"]())
    tokens = motion_tokens()
    dropped = injection.drop(tokens, torch.tensor([True, False]))
    assert torch.equal(dropped[0], injection.null_tokens.expand_as(tokens[0]))
    assert torch.equal(dropped[1], tokens[1])
    dropped[0].sum().backward()
    assert injection.null_tokens.grad is not None


def test_fading_body_and_hands_apart() -> None:
    injection = injection_for(BACKBONES["wan"]())
    tokens, null = motion_tokens(), injection.null_tokens
    faded = injection.fade(tokens, body=0.0, hands=1.0, num_body_tokens=3)
    assert torch.allclose(faded[:, :, :3], null[:3].expand_as(faded[:, :, :3]), atol=1e-6)
    assert torch.allclose(faded[:, :, 3:], tokens[:, :, 3:], atol=1e-6)
    assert torch.equal(injection.fade(tokens, 1.0, 1.0, 3), tokens)
