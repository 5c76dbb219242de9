"""The bundled mini in the host: MODEL, CLIP and VAE give what the command line's own pipeline gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import comfy.sample
import latent_preview
import pytest
import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from threedimo_pack.nodes.holding import LoadedModel, hold_adapter
from threedimo_pack.nodes.latent import Latent3DiMo
from threedimo_pack.nodes.load import BUNDLED, Load3DiMo, LoadMiniPipeline, model_names
from threedimo_pack.nodes.mini_pipeline import load_clip, load_mini, load_vae
from threedimo_pack.nodes.sample import Sampler3DiMo
from threedimo_pack.threedimo_core import bundled
from tiny_host import motion_of, write_mini
from torch import Tensor

import nodes as host_nodes
from threedimo_core.backbones.loading import load_backbone
from threedimo_core.checkpoint import load_adapter
from threedimo_core.motion_clip import MotionClip
from threedimo_core.pipeline import GenerationSettings, Pipeline

CAMERA = "Front view. The camera arcs left 45 degrees slowly."
SAMPLING = {"sampler_name": "euler", "scheduler": "simple", "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0,
            "body_strength": 1.0, "hand_strength": 1.0}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mini(tmp_path_factory.mktemp("mini") / "mini")


@pytest.fixture(scope="module")
def mini(folder: Path) -> tuple[Any, Any, Any]:
    return load_mini(folder)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedModel:
    return hold_adapter(folder / "adapter.safetensors", "mini")


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Pipeline:
    return Pipeline(load_backbone(folder, torch.float32), load_adapter(folder / "adapter.safetensors"))


def picture(height: int = 70, width: int = 60) -> Tensor:
    """IMAGE [1, H, W, 3], smooth, so that resizing is not the question."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([x, y, (x + y) / 2], dim=-1)[None]


def encode(clip: Any, text: str) -> list[Any]:
    return host_nodes.CLIPTextEncode().encode(clip, text)[0]


@pytest.mark.parametrize("text", [CAMERA, "", "slow zoom in, seen from the left!", "a red car"])
def test_the_clip_reads_like_the_text_encoder(mini: Any, pipeline: Pipeline, text: str) -> None:
    ((embeds, _),) = encode(mini[1], text)
    from threedimo_core.camera_language import canonical

    expected = pipeline.backbone.encode_text([canonical(text)])["prompt_embeds"]
    assert embeds.shape == expected.shape
    assert torch.allclose(embeds, expected, atol=1e-5)


def test_the_vae_is_the_same(mini: Any, pipeline: Pipeline) -> None:
    frames = torch.rand(9, 32, 48, 3, generator=torch.Generator().manual_seed(1))
    backbone, vae, model = pipeline.backbone, mini[2], mini[0]
    expected = backbone.encode_video(rearrange(frames, "t h w c -> 1 t c h w"))
    latents = vae.encode(frames)
    assert torch.allclose(model.model.process_latent_in(latents), expected, atol=1e-4)
    shown = vae.decode(latents)
    assert torch.allclose(shown[0], rearrange(backbone.decode(expected)[0], "t c h w -> t h w c"), atol=1e-3)


@pytest.mark.parametrize(("text_guidance", "motion_guidance"), [(1.0, 1.0), (2.0, 1.5)])
def test_the_nodes_make_the_pipelines_video(
    mini: Any, loaded: LoadedModel, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch,
    text_guidance: float, motion_guidance: float,
) -> None:  # fmt: skip
    model, clip, vae = mini
    motion = motion_of(loaded.adapter, 17)
    from threedimo_core.flow import keyed_generator

    def same_noise(latents: Tensor, seed: int, *args: Any) -> Tensor:
        return torch.randn(latents.shape, generator=keyed_generator(seed, "noise"))

    monkeypatch.setattr(comfy.sample, "prepare_noise", same_noise)
    positive, negative, latent, fps = Latent3DiMo.execute(
        model, loaded, vae, encode(clip, CAMERA), encode(clip, ""), 48, 64, 0, reference=picture(), motion=motion
    ).result
    made = Sampler3DiMo.execute(
        model, loaded, motion, positive, latent, seed=3, steps=4, text_guidance=text_guidance,
        motion_guidance=motion_guidance, negative=negative, **SAMPLING,
    ).result[0]  # fmt: skip
    frames = vae.decode(made["samples"])[0]
    settings = GenerationSettings(
        width=48, height=64, steps=4, seed=3, text_scale=text_guidance, motion_scale=motion_guidance
    )
    names = ("body", "hands", "hand_present", "fps", "encoder_id", "source_size")
    expected = pipeline.generate(
        rearrange(picture()[0], "h w c -> c h w"),
        MotionClip(**{n: getattr(motion, n) for n in names}),
        CAMERA,
        settings,
    )
    assert fps == 12.0 and frames.shape == (17, 64, 48, 3)
    # 4 steps: the host's simple schedule takes whole thousandths, which other counts only come near.
    assert (rearrange(frames, "t h w c -> t c h w") - expected).abs().max() < 5e-4
    assert frames.std() > 1e-2


def test_what_was_trained_is_the_default(mini: Any, loaded: LoadedModel) -> None:
    model, clip, vae = mini
    motion = motion_of(loaded.adapter, 21)
    text = encode(clip, CAMERA)
    positive, _, latent, fps = Latent3DiMo.execute(
        model, loaded, vae, text, text, 0, 0, 0, reference=picture(128, 96), motion=motion
    ).result
    assert fps == loaded.adapter.record.fps
    assert latent["samples"].shape == (1, 16, 6, 72 // 8, 56 // 8) or latent["samples"].shape[2] == 6
    previews: list[int] = []
    made = Sampler3DiMo.execute(
        model, loaded, motion, positive, latent, seed=0, steps=0, text_guidance=0.0, motion_guidance=0.0, **SAMPLING
    ).result[0]
    assert made["samples"].shape == latent["samples"].shape and not previews


def test_preview_and_progress_are_the_hosts(mini: Any, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model, clip, vae = mini
    steps: list[tuple[int, int]] = []

    def watch(patched: Any, count: int, x0_output_dict: Any = None) -> Any:
        return lambda step, x0, x, total: steps.append((step + 1, total))

    monkeypatch.setattr(latent_preview, "prepare_callback", watch)
    text = encode(clip, "")
    _, _, latent, _ = Latent3DiMo.execute(model, loaded, vae, text, text, 32, 32, 5).result
    Sampler3DiMo.execute(
        model, loaded, motion_of(loaded.adapter, 5), text, latent, seed=0, steps=3, text_guidance=1.0,
        motion_guidance=1.0, **SAMPLING,
    )  # fmt: skip
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_guidance_without_a_negative_is_told(mini: Any, loaded: LoadedModel) -> None:
    model, clip, vae = mini
    text = encode(clip, "")
    _, _, latent, _ = Latent3DiMo.execute(model, loaded, vae, text, text, 32, 32, 5).result
    with pytest.raises(ValueError, match="text_guidance is 4, which needs a negative"):
        Sampler3DiMo.execute(
            model, loaded, motion_of(loaded.adapter, 5), text, latent, seed=0, steps=1, text_guidance=4.0,
            motion_guidance=1.0, **SAMPLING,
        )  # fmt: skip


# --- loading ----------------------------------------------------------------------------------------------


def test_the_load_nodes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import folder_paths

    monkeypatch.setattr(bundled, "MINI_FOLDER", folder)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "threedimo", ([str(tmp_path)], set()))
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    (tmp_path / "deep").mkdir()
    shutil.copy(folder / "adapter.safetensors", tmp_path / "deep" / "mine.safetensors")
    (tmp_path / "notes.txt").write_text("not a model")
    assert model_names() == [BUNDLED, "deep/mine.safetensors"]
    ours = Load3DiMo.execute(BUNDLED).result[0]
    assert Load3DiMo.execute("deep/mine.safetensors").result[0].adapter.encoder_id == ours.adapter.encoder_id
    before = Load3DiMo.fingerprint_inputs("deep/mine.safetensors")
    (tmp_path / "deep" / "mine.safetensors").write_bytes(b"broken")
    assert Load3DiMo.fingerprint_inputs("deep/mine.safetensors") != before
    with pytest.raises(ValueError, match=r"mine.safetensors"):
        Load3DiMo.execute("deep/mine.safetensors")
    for bad in ("../deep/mine.safetensors", "/etc/passwd", "gone.safetensors", ""):
        with pytest.raises(ValueError, match=r"there is no 3DiMo model '.*there are: mini \(bundled\)"):
            Load3DiMo.execute(bad)
    model, clip, vae = LoadMiniPipeline.execute().result
    assert model.model.latent_format.latent_channels == vae.latent_channels == 16 and clip is not None


def test_a_missing_mini_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "MINI_FOLDER", tmp_path / "none")
    for load in (lambda: Load3DiMo.execute(BUNDLED), LoadMiniPipeline.execute):
        with pytest.raises(ValueError, match="bundled mini model is missing"):
            load()


def test_damaged_folders_are_told(folder: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    broken = copy("weights")
    path = broken / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["proj_out.bias"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"1 weights are missing \(such as \['head.head.bias'\]"):
        load_mini(broken)
    broken = copy("settings")
    (broken / "vae" / "config.json").write_text(json.dumps({"z_dim": 4}))
    with pytest.raises(ValueError, match=r"the host builds Wan 2\.1's VAE only"):
        load_vae(broken)
    (broken / "text_encoder" / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config.json: missing or damaged"):
        load_clip(broken)
    (broken / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (broken / "vae" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"diffusion_pytorch_model.safetensors: missing"):
        load_vae(broken)
