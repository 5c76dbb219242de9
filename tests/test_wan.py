"""The Wan adapter: its latents, its timesteps and its reference, against diffusers' own pipeline."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline
from tiny_models import wan22_vae, wan_backbone

from threedimo_core.backbones import WanBackbone
from threedimo_core.backbones.loading import load_backbone, save_backbone
from threedimo_core.pipeline import prepare_reference
from threedimo_core.sampling import Conditions, SamplingSettings, denoise


@pytest.fixture(scope="module")
def backbone() -> WanBackbone:
    return wan_backbone()


def test_grid_and_layout(backbone: WanBackbone) -> None:
    assert (backbone.size_multiple, backbone.frames_per_latent) == (16, 4)
    assert backbone.latent_shape(9, 32, 48) == (4, 3, 4, 6)
    layout = backbone.layout(torch.zeros(1, *backbone.latent_shape(9, 32, 48)))
    assert (layout.latent_frames, layout.tokens_per_frame, layout.reference_frames) == (3, 6, 0)


@torch.no_grad()
def test_latents_are_normalised_and_causal(backbone: WanBackbone) -> None:
    frames = torch.rand(2, 9, 3, 32, 32)
    latents = backbone.encode_video(frames)
    assert latents.shape == (2, *backbone.latent_shape(9, 32, 32))
    raw = backbone.vae.encode(frames.transpose(1, 2) * 2 - 1).latent_dist.mode()
    assert torch.allclose(latents, (raw - 0.1) / 0.9, atol=1e-5)
    assert torch.allclose(backbone.encode_reference(frames[:, 0], 9)["first_latent"], latents[:, :, :1], atol=1e-5)
    decoded = backbone.decode(latents)
    assert decoded.shape == frames.shape
    assert 0 <= float(decoded.min()) <= float(decoded.max()) <= 1


@torch.no_grad()
def test_the_vae_of_ti2v_5b() -> None:
    backbone = wan_backbone()
    backbone.vae = wan22_vae()
    assert backbone.size_multiple == 32
    frames = torch.rand(1, 5, 3, 64, 96)
    latents = backbone.encode_video(frames)
    assert latents.shape == (1, *backbone.latent_shape(5, 64, 96)) == (1, 4, 2, 4, 6)
    assert backbone.layout(latents).tokens_per_frame == 2 * 3
    assert backbone.decode(latents).shape == frames.shape


@torch.no_grad()
def test_text_is_padded_with_zeros(backbone: WanBackbone) -> None:
    embeds = backbone.encode_text(["the camera arcs left", ""])["prompt_embeds"]
    assert embeds.shape == (2, backbone.tokenizer.model_max_length, 16)
    used = embeds.abs().sum(-1) > 0
    assert used.sum(-1).tolist() == [5, 1]  # the words and [EOS]
    alone = backbone.encode_text(["the camera arcs left"])["prompt_embeds"]
    assert torch.allclose(alone[0], embeds[0], atol=1e-6)


@torch.no_grad()
def test_the_reference_is_clean_at_time_zero(backbone: WanBackbone) -> None:
    """Its tokens have t = 0, and whatever noise stands in the first latent frame is replaced by it."""
    seen = {}
    hook = backbone.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.update(kwargs), with_kwargs=True
    )
    reference = {"first_latent": torch.randn(2, 4, 1, 4, 4)}
    text = {"prompt_embeds": torch.randn(2, 5, 16)}
    noisy, sigma = torch.randn(2, 4, 3, 4, 4), torch.tensor([0.25, 1.0])
    first = backbone.velocity(noisy, sigma, text, reference)
    hook.remove()
    assert torch.equal(seen["hidden_states"][:, :, :1], reference["first_latent"])
    assert torch.equal(seen["hidden_states"][:, :, 1:], noisy[:, :, 1:])
    assert torch.equal(seen["timestep"][:, :4], torch.zeros(2, 4))
    assert torch.equal(seen["timestep"][:, 4:], torch.tensor([[250.0], [1000.0]]).expand(2, 8))
    noisy[:, :, 0] += 5
    assert torch.equal(backbone.velocity(noisy, sigma, text, reference), first)
    assert backbone.generated(noisy).flatten().unique().tolist() == [0.0, 1.0]
    assert float(backbone.generated(noisy)[:, :, 0].max()) == 0


@torch.no_grad()
def test_agrees_with_the_pipeline_of_diffusers() -> None:
    """Same weights, noise, reference and prompt, text guidance, UniPC: our loop gives what theirs gives."""
    backbone = wan_backbone()
    backbone.scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0, num_train_timesteps=1000
    )
    theirs = WanImageToVideoPipeline(
        backbone.tokenizer,
        backbone.text_encoder,
        backbone.vae,
        backbone.scheduler,
        transformer=backbone.transformer,
        expand_timesteps=True,
    )
    theirs.set_progress_bar_config(disable=True)
    image = torch.rand(1, 3, 32, 32)
    text, empty = backbone.encode_text(["the camera arcs left"]), backbone.encode_text([""])
    noise = torch.randn(1, *backbone.latent_shape(9, 32, 32))
    expected = theirs(
        image=image,
        prompt_embeds=text["prompt_embeds"],
        negative_prompt_embeds=empty["prompt_embeds"],
        height=32,
        width=32,
        num_frames=9,
        num_inference_steps=4,
        guidance_scale=5.0,
        latents=noise,
        output_type="latent",
    ).frames
    found = denoise(
        backbone,
        _unattached(),
        noise,
        Conditions(
            backbone.encode_reference(prepare_reference(image[0], 32, 32)[None], 9),
            text,
            empty,
            None,
            None,
        ),
        SamplingSettings(steps=4, text_scale=5.0),
    )
    assert (found - expected).abs().max() <= 1e-4


def _unattached() -> SimpleNamespace:
    """No motion layers at all: the base model."""

    return SimpleNamespace(motion=lambda context: nullcontext())


@torch.no_grad()
def test_bfloat16_keeps_what_diffusers_keeps_in_float32(tmp_path: Path) -> None:

    backbone = load_backbone(save_backbone(wan_backbone(), tmp_path / "wan"), torch.bfloat16)
    assert backbone.dtype == torch.bfloat16
    assert backbone.transformer.scale_shift_table.dtype == torch.float32
    assert backbone.vae.dtype == torch.float32
    velocity = backbone.velocity(
        torch.randn(1, 4, 3, 4, 4),
        torch.tensor([0.5]),
        backbone.encode_text(["the camera arcs left"]),
        backbone.encode_reference(torch.rand(1, 3, 32, 32), 9),
    )
    assert velocity.dtype == torch.float32
