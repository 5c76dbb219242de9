"""Backbones as diffusers folders on disk: written, read back, run end to end; missing pieces told by name."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file
from tiny_models import BACKBONES, adapter_for, injection_for, random_motion

from threedimo_core.backbones import BackboneError
from threedimo_core.backbones.loading import load_backbone, save_backbone
from threedimo_core.checkpoint import load_adapter, save_adapter
from threedimo_core.injection import AttachedInjection
from threedimo_core.pipeline import GenerationSettings, Pipeline

FAMILIES = sorted(BACKBONES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder per family, with an adapter in it."""
    made = {}
    for family, make in BACKBONES.items():
        backbone = make()
        made[family] = save_backbone(backbone, tmp_path_factory.mktemp(family) / "model")
        save_adapter(made[family] / "adapter.safetensors", adapter_for(backbone))
    return made


def copied(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


@pytest.mark.parametrize("family", FAMILIES)
def test_end_to_end_from_disk_without_network(
    folders: dict[str, Path], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        raise AssertionError("a folder on disk must not ask the network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    backbone = load_backbone(folders[family], torch.float32)
    adapter = load_adapter(folders[family] / "adapter.safetensors")
    reference, settings = torch.rand(3, 50, 40), GenerationSettings(text_scale=2.0, motion_scale=2.0, seed=5)
    motion = random_motion(adapter)
    found = Pipeline(backbone, adapter).generate(reference, motion, "The camera arcs left.", settings)
    assert found.shape[:2] == (9, 3)
    assert bool(found.isfinite().all())
    original = BACKBONES[family]()
    expected = Pipeline(original, adapter_for(original)).generate(reference, motion, "The camera arcs left.", settings)
    # Not bit for bit: matrix products may round differently with where in memory weights lie.
    assert torch.allclose(found, expected, atol=1e-4), "what was loaded is not what was saved"


@pytest.mark.parametrize("family", FAMILIES)
def test_offload_gives_the_same(folders: dict[str, Path], family: str) -> None:
    adapter = load_adapter(folders[family] / "adapter.safetensors")
    motion, reference = random_motion(adapter), torch.rand(3, 32, 32)
    results = [
        Pipeline(load_backbone(folders[family], torch.float32, "cpu", offload), adapter).generate(reference, motion)
        for offload in (False, True)
    ]
    assert torch.equal(*results)


@pytest.mark.parametrize("family", FAMILIES)
def test_offload_holds_one_network_at_a_time(
    folders: dict[str, Path], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_backbone(folders[family], torch.float32)
    where = dict.fromkeys(backbone.module_names, "cpu")
    most = 0

    for name in backbone.module_names:

        def move(device: object, *args: object, name: str = name) -> None:
            nonlocal most
            where[name] = str(device)
            most = max(most, sum(place != "cpu" for place in where.values()))

        monkeypatch.setattr(getattr(backbone, name), "to", move)
    backbone.place("meta", offload=True)
    assert set(where.values()) == {"cpu"}
    for name in (*backbone.module_names, "vae", "transformer"):
        backbone.ready(name)
        assert where[name] == "meta"
    assert most == 1
    assert backbone.device.type == "meta"


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_runs(folders: dict[str, Path], family: str) -> None:
    adapter = load_adapter(folders[family] / "adapter.safetensors")
    motion, reference = random_motion(adapter), torch.rand(3, 32, 32)
    exact = Pipeline(load_backbone(folders[family], torch.float32), adapter).generate(reference, motion)
    rough = load_backbone(folders[family], torch.bfloat16)
    assert rough.dtype == torch.bfloat16
    found = Pipeline(rough, load_adapter(folders[family] / "adapter.safetensors")).generate(reference, motion)
    assert (found - exact).abs().mean() < 0.05


def test_diffusers_itself_loads_the_folder(folders: dict[str, Path]) -> None:
    pipeline = DiffusionPipeline.from_pretrained(folders["wan"], local_files_only=True)
    assert type(pipeline).__name__ == "WanImageToVideoPipeline"
    assert pipeline.config.expand_timesteps is True


def test_half_precision_folder(tmp_path: Path) -> None:
    backbone = BACKBONES["wan"]()
    save_backbone(backbone, tmp_path / "half", torch.float16)
    assert backbone.dtype == torch.float32, "saving must not change the model"
    stored = load_file(tmp_path / "half" / "transformer" / "diffusion_pytorch_model.safetensors")
    assert {v.dtype for v in stored.values()} == {torch.float16}
    again = load_backbone(tmp_path / "half", torch.float32)
    assert again.dtype == torch.float32


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_folder_names_no_path_of_this_machine(folders: dict[str, Path], tmp_path: Path, family: str) -> None:
    save_backbone(load_backbone(folders[family], torch.float32), tmp_path / "again")
    settings = "".join(path.read_text() for path in (tmp_path / "again").rglob("*.json"))
    assert str(folders[family].parent) not in settings


def test_sharded_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["wan"], tmp_path / "sharded")
    transformer = load_backbone(folder, torch.float32).transformer
    shutil.rmtree(folder / "transformer")
    transformer.save_pretrained(folder / "transformer", max_shard_size="50KB")
    shards = sorted((folder / "transformer").glob("*-of-*.safetensors"))
    assert len(shards) > 1
    load_backbone(folder, torch.float32)
    shards[1].unlink()
    with pytest.raises(BackboneError, match=rf"transformer/{shards[1].name} is missing"):
        load_backbone(folder, torch.float32)


def test_saving_an_injected_model_is_refused(tmp_path: Path) -> None:
    backbone = BACKBONES["wan"]()
    AttachedInjection(backbone.blocks, injection_for(backbone), backbone.port)
    with pytest.raises(BackboneError, match="detach it before saving"):
        save_backbone(backbone, tmp_path / "x")


# --- what is missing is named -----------------------------------------------------------------------------


def pieces(family: str) -> list[tuple[str, str]]:
    from threedimo_core.backbones.families import FAMILIES as KNOWN

    known = next(f for f in KNOWN.values() if f.name == family)
    return [(family, name) for name in known.pieces if name != "transformer"]


@pytest.mark.parametrize(("family", "piece"), [pair for family in FAMILIES for pair in pieces(family)])
def test_a_missing_folder_is_named(folders: dict[str, Path], tmp_path: Path, family: str, piece: str) -> None:
    folder = copied(folders[family], tmp_path / "model")
    shutil.rmtree(folder / piece)
    with pytest.raises(
        BackboneError, match=rf"  - {piece}/ is missing \(.*\)\nGet the missing files from .*huggingface"
    ):
        load_backbone(folder, torch.float32)


def test_everything_missing_is_told_at_once(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["hunyuan_video15"], tmp_path / "model")
    shutil.rmtree(folder / "tokenizer_2")
    (folder / "vae" / "config.json").unlink()
    (folder / "text_encoder" / "model.safetensors").unlink()
    weights = folder / "image_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(BackboneError) as caught:
        load_backbone(folder, torch.float32)
    told = str(caught.value)
    assert "tokenizer_2/ is missing" in told
    assert "vae/config.json is missing" in told
    assert "text_encoder/model.safetensors (or model.safetensors.index.json with its parts) is missing" in told
    assert "image_encoder/model.safetensors is damaged: cut off" in told
    assert "HunyuanVideo-1.5-480p_i2v" in told


def test_pickled_weights_are_not_read(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["wan"], tmp_path / "model")
    weights = folder / "text_encoder" / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    with pytest.raises(BackboneError, match=r"text_encoder/model\.safetensors .* is missing"):
        load_backbone(folder, torch.float32)


def test_weights_that_lack_a_tensor(folders: dict[str, Path], tmp_path: Path) -> None:
    """diffusers would warn and go on with random weights."""
    folder = copied(folders["wan"], tmp_path / "model")
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors.pop("blocks.1.attn1.to_q.weight")
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lack 1 tensors, such as blocks\.1\.attn1\.to_q\.weight"):
        load_backbone(folder, torch.float32)


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_other_models_are_told(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no such folder.*Wan2\.2-TI2V-5B.*HunyuanVideo-1\.5"):
        load_backbone(tmp_path / "nowhere")
    with pytest.raises(BackboneError, match=r"model_index\.json is missing"):
        load_backbone(tmp_path)
    folder = copied(folders["wan"], tmp_path / "model")
    _edit(folder / "transformer" / "config.json", _class_name="CogVideoXTransformer3DModel")
    with pytest.raises(
        BackboneError, match=r"is a CogVideoXTransformer3DModel; 3DiMo works with WanTransformer3DModel"
    ):
        load_backbone(folder)
    (folder / "model_index.json").write_text("{nonsense")
    with pytest.raises(BackboneError, match=r"model_index\.json is damaged"):
        load_backbone(folder)


def test_text_to_video_wan_is_refused_with_the_reason(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["wan"], tmp_path / "model")
    _edit(folder / "model_index.json", expand_timesteps=False)
    with pytest.raises(BackboneError, match=r"expand_timesteps = False.*same class.*take no reference image"):
        load_backbone(folder)


def test_a_foreign_scheduler_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["wan"], tmp_path / "model")
    _edit(folder / "scheduler" / "scheduler_config.json", _class_name="DDIMScheduler")
    with pytest.raises(BackboneError, match="names the class DDIMScheduler; expected FlowMatchEuler"):
        load_backbone(folder)
