"""3DiMo Latent gives what the host's own image-to-video nodes give, for every way a reference may enter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.supported_models
import pytest
import torch
from comfy_extras.nodes_hunyuan import HunyuanVideo15ImageToVideo
from comfy_extras.nodes_wan import Wan22ImageToVideoLatent, WanImageToVideo
from threedimo_pack.nodes.latent import Latent3DiMo
from tiny_host import BACKBONES, conditioning, hold, host_model, host_wan, mini_backbone, motion_of
from tiny_models import adapter_for, wan_transformer
from torch import Tensor

from threedimo_core.backbones.base import BackboneDims

HEIGHT, WIDTH, LENGTH = 64, 96, 17


class ShrinkingVae:
    """Stands for a video VAE of the real strides: causal in time, deterministic, and no weights."""

    def __init__(self, channels: int, stride: int) -> None:
        self.latent_channels, self.stride = channels, stride

    def spacial_compression_encode(self) -> int:
        return self.stride

    def encode(self, pixels: Tensor) -> Tensor:
        """[T, H, W, 3] → [1, C, 1 + (T - 1) / 4, H / stride, W / stride]."""
        small = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), self.stride).mean(1)
        scale = torch.linspace(0.5, 1.5, self.latent_channels)[:, None, None, None]
        return (small[::4] * scale)[None]


def loaded_for(transformer: Any, folder: Path) -> Any:
    """A 3DiMo model for a Wan transformer of any channels."""
    backbone = mini_backbone()
    backbone.transformer = transformer
    adapter = adapter_for(backbone)
    config = transformer.config
    adapter.dims = BackboneDims(
        hidden_dim=config.num_attention_heads * config.attention_head_dim, num_blocks=config.num_layers,
        latent_channels=config.out_channels, patch_size=tuple(config.patch_size), frames_per_latent=4,
    )  # fmt: skip
    return hold(adapter, folder)


def wan(kind: type, channels: int, into: int, folder: Path) -> tuple[Any, Any]:
    transformer = wan_transformer(in_channels=into, out_channels=channels)
    return host_wan(transformer, kind), loaded_for(transformer, folder)


def picture() -> Tensor:
    return torch.rand(1, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(2))


def ours(model: Any, loaded: Any, vae: Any, **more: Any) -> tuple[Any, Any, Any, float]:
    inputs = {"width": WIDTH, "height": HEIGHT, "length": LENGTH, "reference": picture(), **more}
    return Latent3DiMo.execute(model, loaded, vae, conditioning(seed=0), conditioning(seed=1), **inputs).result


def same_values(ours: list[Any], theirs: list[Any], *names: str) -> None:
    for name in names:
        assert torch.allclose(ours[0][1][name], theirs[0][1][name], atol=1e-5), name


def test_a_clean_first_latent_for_wan_22_ti2v(tmp_path: Path) -> None:
    model, loaded = wan(comfy.supported_models.WAN22_T2V, 48, 48, tmp_path)
    vae = ShrinkingVae(48, 16)
    _, _, latent, _ = ours(model, loaded, vae)
    theirs = Wan22ImageToVideoLatent.execute(vae, WIDTH, HEIGHT, LENGTH, 1, picture()).result[0]
    assert latent["samples"].shape == (1, 48, 5, 4, 6)
    assert torch.allclose(latent["samples"], theirs["samples"], atol=1e-5)
    assert torch.equal(latent["noise_mask"], theirs["noise_mask"])


def test_channels_beside_for_wan_i2v(tmp_path: Path) -> None:
    model, loaded = wan(comfy.supported_models.WAN21_I2V, 16, 36, tmp_path)
    vae, seen = ShrinkingVae(16, 8), object()
    positive, negative, latent, _ = ours(model, loaded, vae, clip_vision_output=seen)
    theirs = WanImageToVideo.execute(
        conditioning(seed=0), conditioning(seed=1), vae, WIDTH, HEIGHT, LENGTH, 1, picture(), seen
    ).result
    assert torch.equal(latent["samples"], theirs[2]["samples"]) and "noise_mask" not in latent
    for mine, host in ((positive, theirs[0]), (negative, theirs[1])):
        same_values(mine, host, "concat_latent_image", "concat_mask")
        assert mine[0][1]["clip_vision_output"] is seen


def test_channels_beside_for_hunyuan_video_15(tmp_path: Path) -> None:
    backbone = BACKBONES["hunyuan_video15"]()
    loaded, vae = hold(adapter_for(backbone), tmp_path), ShrinkingVae(32, 16)
    positive, _, latent, _ = ours(host_model(backbone), loaded, vae)
    theirs = HunyuanVideo15ImageToVideo.execute(
        conditioning(seed=0), conditioning(seed=1), vae, WIDTH, HEIGHT, LENGTH, 1, picture()
    ).result
    assert torch.equal(latent["samples"], theirs[2]["samples"])
    same_values(positive, theirs[0], "concat_latent_image", "concat_mask")


def test_a_model_without_a_place_for_a_reference_says_so(tmp_path: Path) -> None:
    model, loaded = wan(comfy.supported_models.WAN21_T2V, 16, 16, tmp_path)
    with pytest.raises(ValueError, match="takes no reference picture"):
        ours(model, loaded, ShrinkingVae(16, 8))
    _, _, latent, _ = ours(model, loaded, ShrinkingVae(16, 8), reference=None)
    assert latent["samples"].shape == (1, 16, 5, 8, 12)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"length": 18}, "use 17 or 21"),
        ({"width": 100}, "96"),
        ({"width": 0}, "give both, or leave both 0"),
        ({"reference": torch.zeros(0, 8, 8, 3)}, r"expected|must be an IMAGE"),
        ({"reference": torch.full((1, 8, 8, 3), float("nan"))}, "reference"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    model, loaded = wan(comfy.supported_models.WAN21_I2V, 16, 36, tmp_path)
    with pytest.raises(ValueError, match=said):
        ours(model, loaded, ShrinkingVae(16, 8), **more)


def test_ti2v_5b_wants_multiples_of_32(tmp_path: Path) -> None:
    model, loaded = wan(comfy.supported_models.WAN22_T2V, 48, 48, tmp_path)
    with pytest.raises(ValueError, match="32"):
        ours(model, loaded, ShrinkingVae(48, 16), width=80)


def test_a_vae_of_another_model_is_told(tmp_path: Path) -> None:
    model, loaded = wan(comfy.supported_models.WAN22_T2V, 48, 48, tmp_path)
    with pytest.raises(ValueError, match="this VAE makes latents of 16 channels, the MODEL takes 48"):
        ours(model, loaded, ShrinkingVae(16, 8))


def test_the_motion_gives_the_length(tmp_path: Path) -> None:
    model, loaded = wan(comfy.supported_models.WAN21_I2V, 16, 36, tmp_path)
    motion = motion_of(loaded.adapter, 22)
    _, _, latent, fps = ours(model, loaded, ShrinkingVae(16, 8), length=0, motion=motion)
    assert latent["samples"].shape[2] == 6 and fps == loaded.adapter.record.fps, "21 of 22 frames: 4n + 1"
    _, _, latent, _ = ours(model, loaded, ShrinkingVae(16, 8), length=0, motion=motion, fps=24.0)
    assert latent["samples"].shape[2] == 11, "at twice the frame rate twice the frames"
