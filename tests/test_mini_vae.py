"""The mini's VAE: its planar form, its start without branches, and the rescaled latents change no picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan

from training.mini.planar_vae import decode_planar, encode_moments, planar
from training.mini.vae import VaeSettings, VaeTrainer, build_vae, fold_statistics, opponent


@pytest.fixture()
def video() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(1, 3, 9, 16, 16) * 2 - 1


def shaken(vae: AutoencoderKLWan) -> AutoencoderKLWan:
    """With every branch doing something."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return vae.eval()


@torch.no_grad()
def test_the_planar_form_is_the_original(video):
    vae = shaken(build_vae(4))
    moments = vae.encode(video).latent_dist.parameters
    decoded = vae.decode(moments[:, :16]).sample
    with planar(vae):
        assert torch.allclose(encode_moments(vae, video), moments, atol=1e-4)
        assert torch.allclose(decode_planar(vae, moments[:, :16]).clamp(-1, 1), decoded, atol=1e-4)
    assert torch.equal(vae.encode(video).latent_dist.parameters, moments), "the original form is back"


@torch.no_grad()
def test_the_skeleton_is_the_network_as_it_starts(video):
    vae = build_vae(4).eval()
    with planar(vae):
        whole = encode_moments(vae, video)
        pictures = decode_planar(vae, whole[:, :16])
    with planar(vae, skeleton=True):
        assert torch.allclose(encode_moments(vae, video), whole, atol=1e-5)
        assert torch.allclose(decode_planar(vae, whole[:, :16]), pictures, atol=1e-5)


@torch.no_grad()
def test_rescaled_latents_give_the_same_pictures(video):
    vae = shaken(build_vae(4))
    latents = vae.encode(video).latent_dist.mode()
    before = vae.decode(latents).sample
    mean, std = latents.mean((0, 2, 3, 4)), latents.std((0, 2, 3, 4))
    fold_statistics(vae, mean, std)
    rescaled = vae.encode(video).latent_dist.mode()
    assert torch.allclose(rescaled.mean((0, 2, 3, 4)), torch.tensor(vae.config.latents_mean), atol=1e-2)
    assert torch.allclose(vae.decode(rescaled).sample, before, atol=1e-3)


def test_training_makes_pictures_better_and_starts_from_the_seed(tmp_path: Path):
    clips = torch.zeros(2, 9, 3, 32, 32, dtype=torch.uint8)
    clips[0, :, 0], clips[1, :, 2] = 200, 120
    masks = torch.zeros(2, 9, 32, 32, dtype=torch.uint8)
    settings = VaeSettings(
        base_dim=4, steps=24, batch=2, crop=16, video_crop=16, video_frames=9, video_every=4, skeleton_steps=16
    )
    records = []
    for name in ("first", "again"):
        trainer = VaeTrainer(settings, clips, masks, tmp_path / name, compiled=False)
        with planar(trainer.vae):
            records.append([trainer.train_step()["loss"] for _ in range(6)])
    assert records[0] == records[1]
    trainer = VaeTrainer(replace(settings, lr=0.02), clips, masks, tmp_path / "run", compiled=False)
    before = error(trainer.vae, clips)
    list(trainer.run())
    assert (tmp_path / "run" / "vae" / "diffusion_pytorch_model.safetensors").is_file()
    assert error(trainer.vae, clips) < 0.8 * before


@torch.no_grad()
def error(vae: AutoencoderKLWan, clips: torch.Tensor) -> float:
    video = clips.transpose(1, 2).float() / 127.5 - 1
    return float((vae.decode(vae.encode(video).latent_dist.mode()).sample - video).square().mean())


def test_grey_has_no_colour_difference():
    assert torch.allclose(opponent(torch.ones(1, 3, 1)), torch.tensor([[[3**0.5], [0.0], [0.0]]]), atol=1e-6)
