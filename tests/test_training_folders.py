"""Pretrained backbones from diffusers folders (tiny, of the real classes): precompute, LoRA, frozen and whole DiT."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

pytest.importorskip("warp")

from safetensors.torch import load_file
from tiny_models import BACKBONES, ENCODER
from training_runs import log, rendered_set

from threedimo_core.backbones.loading import load_backbone, save_backbone
from threedimo_core.backbones.lora import merge_lora
from threedimo_core.checkpoint import load_adapter
from threedimo_core.pipeline import GenerationSettings, Pipeline
from training.__main__ import main
from training.exporting import COMFYUI_LORA_FILE, LORA_FILE
from training.opening import folder_id, open_pieces

FAMILIES = sorted(BACKBONES)
STAGE = {
    "name": "stage-1",
    "steps": 2,
    "batch": 2,
    "lr": 0.01,
    "warmup": 0,
    "mixture": {"same_view": 1, "multi_view": 1},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {name: save_backbone(make(), tmp_path_factory.mktemp(name) / "model") for name, make in BACKBONES.items()}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return rendered_set(tmp_path_factory.mktemp("folders") / "set")


def recipe_file(path: Path, folder: Path, dit: str, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "name": "tiny",
        "backbone": str(folder),
        "encoder": json.loads(json.dumps(ENCODER.to_dict())),
        "stages": [STAGE | {"train": {"dit": dit}}],
        "injection": {"inner_dim": 16, "head_dim": 8},
        "geometric": {"hidden_dim": 16, "depth": 2},
        "lora": {"rank": 4},
        "data": {"frames": [5], "area": 1024},
        "mixed_precision": "no",
        "gradient_checkpointing": True,
        "micro_batch": 1,
    }
    path.write_text(yaml.safe_dump(settings | changes))
    return path


@pytest.fixture(scope="module")
def cached(folders, data, tmp_path_factory) -> Path:
    """The set with the caches of both families, made by two shards each."""
    for family in FAMILIES:
        recipe = recipe_file(tmp_path_factory.mktemp("recipe") / "r.yaml", folders[family], "frozen")
        for shard in ("0/2", "1/2"):
            assert main(["precompute", str(recipe), "--data", str(data), "--shard", shard]) == 0
    return data


def caches(root: Path) -> dict[str, bytes]:
    """What precompute wrote: path → bytes."""
    found = [path for name in ("latents", "text") for path in (root / name).rglob("*.safetensors")]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


@pytest.mark.parametrize("family", FAMILIES)
def test_precompute_is_idempotent_and_its_shards_share_the_work(family, folders, data, tmp_path, capsys):
    recipe = recipe_file(tmp_path / "r.yaml", folders[family], "frozen")
    command = ["precompute", str(recipe), "--data", str(data)]
    made = []
    for shard in ("0/2", "1/2"):
        assert main([*command, "--shard", shard]) == 0
        made.append(capsys.readouterr().out)
    first = caches(data)
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "0 clips encoded" in told and "0 captions encoded" in told, "nothing was left to do"
    assert caches(data) == first
    names = [name for name in first if name.startswith("latents")]
    assert len(names) >= 2 and all("5x32x32" in name for name in names), "brought to the recipe's area"
    # The other way: all at once, into an empty cache, gives the same bytes.
    victim = next(p for p in (data / "latents").rglob("*.safetensors") if family_id(folders[family]) in str(p))
    before = victim.read_bytes()
    victim.unlink()
    assert main(command) == 0 and "1 clips encoded" in capsys.readouterr().out
    assert victim.read_bytes() == before


def family_id(folder: Path) -> str:
    pieces = ["vae"] + (["image_encoder"] if (folder / "image_encoder").exists() else [])
    return folder_id(folder, pieces)


def train(recipe: Path, data: Path, out: Path, *options: str) -> None:
    assert main(["train", str(recipe), "--data", str(data), "--out", str(out), "--track", "none", *options]) == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dit", ["lora", "frozen", "full"])
def test_training_a_folder_and_loading_what_it_exports(family, dit, folders, cached, tmp_path):
    """Two steps; then the export, in the pipeline, generates otherwise than the folder alone, and all is finite."""
    folder, out = folders[family], tmp_path / "run"
    train(recipe_file(tmp_path / "r.yaml", folder, dit), cached, out)
    records = log(out)
    assert [record["step"] for record in records] == [1, 2]
    assert all(record["flow"] > 0 and record["norm"] > 0 for record in records)
    export = out / "export"
    expected = {"adapter.safetensors"} | {"lora": {"lora"}, "full": {"transformer"}, "frozen": set()}[dit]
    assert {path.name for path in export.iterdir()} == expected
    backbone = load_backbone(folder, torch.float32)
    if dit == "lora":
        check_merged_lora(backbone.transformer, export / "lora" / LORA_FILE)
        check_comfyui_copy(export / "lora", family)
    if dit == "full":
        original = backbone.transformer
        backbone.transformer = type(original).from_pretrained(export / "transformer")
        pairs = zip(backbone.transformer.parameters(), original.parameters(), strict=True)
        assert any(not torch.equal(mine, theirs) for mine, theirs in pairs)
    adapter = load_adapter(export / "adapter.safetensors")
    assert adapter.record.steps == 2 and adapter.family == family
    pipeline = Pipeline(backbone, adapter)
    motion = pipeline.encode_motion(torch.rand(5, 3, 32, 32), fps=8.0)
    video = pipeline.generate(torch.rand(3, 32, 32), motion, "static", GenerationSettings(steps=2))
    assert video.shape == (5, 3, 32, 32) and bool(video.isfinite().all())


def check_merged_lora(transformer: torch.nn.Module, path: Path) -> None:
    """Merged weights are what diffusers' own fusion makes of the file."""
    theirs = copy.deepcopy(transformer)
    theirs.load_lora_adapter(path.parent, weight_name=path.name)
    theirs.fuse_lora()
    theirs.unload_lora()
    before = {name: p.clone() for name, p in transformer.named_parameters()}
    assert merge_lora(transformer, path) > 0
    assert any(not torch.equal(before[name], p) for name, p in transformer.named_parameters())
    for (name, mine), other in zip(transformer.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, msg=lambda text, n=name: f"{n}: {text}")


def check_comfyui_copy(folder: Path, family: str) -> None:
    """Wan's layers under the names that they have in ComfyUI, with the same values."""
    path = folder / COMFYUI_LORA_FILE
    assert path.exists() == (family == "wan")
    if family != "wan":
        return
    own, other = load_file(folder / LORA_FILE), load_file(path)
    pattern = r"diffusion_model\.blocks\.\d+\.(self|cross)_attn\.[qkvo]\.lora_[AB]\.weight"
    assert len(own) == len(other) and all(re.fullmatch(pattern, name) for name in other)
    mine = own["transformer.blocks.1.attn2.to_out.0.lora_B.weight"]
    assert torch.equal(mine, other["diffusion_model.blocks.1.cross_attn.o.lora_B.weight"])


def test_a_resumed_lora_run_is_the_unbroken_one(folders, cached, tmp_path):
    longer = STAGE | {"steps": 4, "train": {"dit": "lora"}}
    recipe = recipe_file(tmp_path / "r.yaml", folders["wan"], "lora", stages=[longer])
    train(recipe, cached, tmp_path / "unbroken")
    train(recipe, cached, tmp_path / "broken", "--minutes", "0")
    assert len(log(tmp_path / "broken")) == 1
    train(recipe, cached, tmp_path / "broken")
    assert log(tmp_path / "broken") == log(tmp_path / "unbroken")


def test_states_in_8_bits_resume_and_are_small(folders, cached, tmp_path):
    pytest.importorskip("torchao.optim", reason="the extra `lowbit` is not installed")
    longer = STAGE | {"steps": 4, "train": {"dit": "full"}}
    recipe = recipe_file(tmp_path / "r.yaml", folders["wan"], "full", stages=[longer], optimizer="adam8bit", ema=0.0)
    train(recipe, cached, tmp_path / "unbroken")
    train(recipe, cached, tmp_path / "broken", "--minutes", "0")
    train(recipe, cached, tmp_path / "broken")
    for mine, theirs in zip(log(tmp_path / "broken"), log(tmp_path / "unbroken"), strict=True):
        assert mine["flow"] == pytest.approx(theirs["flow"], rel=1e-5)


def test_without_torchao_the_extra_is_named(folders, cached, tmp_path, monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    recipe = recipe_file(tmp_path / "r.yaml", folders["wan"], "lora", optimizer="adamw8bit")
    command = ["train", str(recipe), "--data", str(cached), "--out", str(tmp_path / "out"), "--track", "none"]
    assert main(command) == 1
    assert "needs torchao: pip install torchao" in capsys.readouterr().err


def test_only_what_trains_is_read_and_missing_caches_name_the_command(folders, data, tmp_path, capsys):
    backbone = open_pieces(folders["wan"], ("transformer",), torch.bfloat16)
    assert next(backbone.vae.parameters()).is_meta and backbone.text_encoder is None
    assert not any(p.is_meta for p in backbone.transformer.parameters())
    longer = recipe_file(tmp_path / "r.yaml", folders["wan"], "frozen", data={"frames": [5], "area": 4096})
    command = ["train", str(longer), "--data", str(data), "--out", str(tmp_path / "out"), "--track", "none"]
    assert main(command) == 1
    assert "run `python -m training precompute`" in capsys.readouterr().err


def test_a_recipe_of_a_published_backbone_says_where_to_get_it(data, tmp_path, capsys):
    recipe = recipe_file(tmp_path / "r.yaml", Path("wan22-ti2v-5b"), "lora")
    assert main(["train", str(recipe), "--data", str(data), "--out", str(tmp_path / "out"), "--track", "none"]) == 1
    assert "get Wan-AI/Wan2.2-TI2V-5B-Diffusers" in capsys.readouterr().err
