"""The adapter file: round trip, what fits what, and files that must be refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import ENCODER, RECORD, adapter_for, hunyuan_backbone, random_motion, wan_backbone
from torch import Tensor, nn

from threedimo_core.checkpoint import (
    Adapter,
    AdapterError,
    TrainingRecord,
    load_adapter,
    read_description,
    save_adapter,
)
from threedimo_core.motion_encoder import encoder_id
from threedimo_core.safe_file import TensorFileError, read_header


@pytest.fixture(scope="module")
def adapter() -> Adapter:
    return adapter_for(wan_backbone())


@pytest.fixture(scope="module")
def saved(adapter: Adapter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tmp_path_factory.mktemp("adapter") / "adapter.safetensors", adapter)


def weights(adapter: Adapter) -> dict[str, Tensor]:
    return {f"{n}.{k}": v for n, m in adapter.modules().items() for k, v in m.state_dict().items()}


def test_round_trip(adapter: Adapter, saved: Path) -> None:
    loaded = load_adapter(saved)
    before, after = weights(adapter), weights(loaded)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert (loaded.family, loaded.dims, loaded.record) == ("wan", adapter.dims, RECORD)
    assert loaded.encoder_id == adapter.encoder_id == encoder_id(loaded.encoder)
    assert loaded.injection.config == adapter.injection.config
    assert not any(p.requires_grad for m in loaded.modules().values() for p in m.parameters())
    assert not any(m.training for m in loaded.modules().values())


def test_loading_draws_no_random_numbers(saved: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_adapter(saved)
    assert torch.equal(torch.rand(1), expected)


def test_without_decoder_and_hands(tmp_path: Path) -> None:
    from threedimo_core.injection import MotionInjection
    from threedimo_core.motion_encoder import MotionEncoder

    backbone = wan_backbone()
    config = replace(ENCODER, hand=None)
    injection = MotionInjection(backbone.injection_config(16, config.num_tokens, inner_dim=16, head_dim=8, window=None))
    adapter = Adapter(MotionEncoder(config), injection, None, "wan", backbone.dims, RECORD)
    loaded = load_adapter(save_adapter(tmp_path / "a.safetensors", adapter))
    assert loaded.decoder is None
    assert loaded.encoder.config.hand is None
    assert loaded.injection.config.window is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_storage(adapter: Adapter, tmp_path: Path, dtype: torch.dtype) -> None:
    path = save_adapter(tmp_path / "half.safetensors", adapter, dtype)
    assert {spec.dtype for spec in read_header(path).tensors.values()} == {dtype}
    loaded, kept = load_adapter(path), load_adapter(path, dtype=None)
    assert {v.dtype for v in weights(loaded).values()} == {torch.float32}
    assert {v.dtype for v in weights(kept).values()} == {dtype}
    # The id names the stored weights: whoever encodes with the file gets motions that the file accepts.
    assert loaded.encoder_id == kept.encoder_id == encoder_id(loaded.encoder) != adapter.encoder_id
    # Saving what was loaded changes nothing.
    assert load_adapter(save_adapter(tmp_path / "again.safetensors", loaded, dtype)).encoder_id == loaded.encoder_id
    with pytest.raises(ValueError, match=r"float32, float16 or bfloat16, not torch\.int8"):
        save_adapter(path, adapter, torch.int8)


def test_layers_come_from_the_given_operations(saved: Path) -> None:
    class Operations:
        LayerNorm, RMSNorm, GroupNorm, Conv2d = nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.Conv2d

        class Linear(nn.Linear):
            pass

    loaded = load_adapter(saved, operations=Operations)
    linears = [m for part in loaded.modules().values() for m in part.modules() if isinstance(m, nn.Linear)]
    assert len(linears) > 10
    assert all(type(m) is Operations.Linear for m in linears)


def test_description_without_weights(saved: Path) -> None:
    description = read_description(saved)
    assert description.family == "wan"
    assert description.record.data_licence == "CC0"
    assert str(description.dims) == "width 32, 2 blocks, 4 latent channels, patch 1×2×2, 4 frames a latent"


def test_a_failed_save_leaves_the_old_file(adapter: Adapter, tmp_path: Path) -> None:
    path = save_adapter(tmp_path / "a.safetensors", adapter)
    content = path.read_bytes()
    broken = adapter_for(wan_backbone())
    with torch.no_grad():
        broken.injection.null_tokens[0, 0] = float("nan")
    with pytest.raises(TensorFileError, match=r"injection\.null_tokens.*NaN"):
        save_adapter(path, broken)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


# --- what fits what ---------------------------------------------------------------------------------------


def test_the_right_backbone_is_accepted(adapter: Adapter) -> None:
    adapter.check_backbone(wan_backbone())
    attached = adapter.attach(wan_backbone())
    attached.detach()


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: wan_backbone(dim=64), "width 64"),
        (lambda: wan_backbone(blocks=3), "3 blocks"),
        (lambda: wan_backbone(patch_size=(1, 1, 1)), "patch 1×1×1"),
        (hunyuan_backbone, r"hunyuan_video15 \(width 32"),
    ],
)
def test_another_backbone_is_refused_naming_both(adapter: Adapter, make: Callable[[], Any], names: str) -> None:
    with pytest.raises(AdapterError, match=rf"trained for the backbone wan \(width 32, 2 blocks.*given is.*{names}"):
        adapter.attach(make())


def test_motions_of_another_encoder_are_refused_naming_both(adapter: Adapter) -> None:
    adapter.check_clip(random_motion(adapter))
    other = replace(random_motion(adapter), encoder_id="feedfacefeedface")
    with pytest.raises(AdapterError, match=rf"encoder feedfacefeedface .*reads encoder {adapter.encoder_id}"):
        adapter.check_clip(other)
    clip = random_motion(adapter)
    with pytest.raises(AdapterError, match=r"2 body and 2 hand tokens of width 16.*3 body and 2 hand tokens"):
        adapter.check_clip(replace(clip, body=clip.body[:, :2]))


def test_parts_that_do_not_fit_each_other(adapter: Adapter) -> None:
    with pytest.raises(ValueError, match="num_blocks is 3 and 2"):
        Adapter(adapter.encoder, adapter.injection, None, "wan", wan_backbone(blocks=3).dims, RECORD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps": 0}, "fps is 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"height": 0}, "height is 0"),
        ({"steps": -1}, "steps is -1"),
        ({"text_grammar": "klingon"}, "expected one of free, camera_language"),
        ({"made_by": None}, "made_by is None"),
        ({"text_scale": -1.0}, "text_scale is -1.0"),
    ],
)
def test_nonsense_records_are_told(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RECORD, **change)
    assert isinstance(RECORD, TrainingRecord)


# --- files that must be refused ---------------------------------------------------------------------------


def edited(saved: Path, target: Path, change: Callable[[dict[str, Any], dict[str, Tensor]], None]) -> Path:
    tensors, info = load_file(saved), read_header(saved).info
    change(info, tensors)
    save_file(tensors, target, metadata={"format": "pt", "threedimo": json.dumps(info)})
    return target


def _set(*keys: str, value: Any) -> Callable[[dict[str, Any], dict[str, Tensor]], None]:
    def change(info: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        for key in keys[:-1]:
            info = info[key]
        info[keys[-1]] = value

    return change


def _drop(name: str) -> Callable[[dict[str, Any], dict[str, Tensor]], None]:
    return lambda info, tensors: (info if name in info else tensors).pop(name)  # type: ignore[return-value]


def _tensor(name: str, value: Tensor) -> Callable[[dict[str, Any], dict[str, Tensor]], None]:
    return lambda info, tensors: tensors.update({name: value})


DAMAGED = [
    (_set("version", value=2), "format 2; this program reads up to format 1: update 3DiMo"),
    (_set("version", value="1"), "format version is '1'"),
    (_set("kind", value="motion_clip"), "holds a 3DiMo motion_clip; expected a 3DiMo adapter"),
    (_drop("family"), "lacks 'family'"),
    (_drop("training"), "lacks 'training'"),
    (_set("family", value=7), "family is 7, expected a text"),
    (_set("encoder", "token_dim", value=2**40), "token_dim is 1099511627776; in real models"),
    (_set("encoder", "body", "depth", value=10**6), "depth is 1000000; in real models it is 0 to 1000"),
    (_set("encoder", "body", "depth", value="many"), "makes no sense"),
    (_set("encoder", "body", "width", value=16.5), "makes no sense"),
    (_set("encoder", "body", "stem_channels", value=[8] * 100), "stem_channels has 100 entries"),
    (_set("encoder", "body", value=[1, 2]), "makes no sense"),
    (_set("encoder", "colour", value=1), "does not know colour"),
    (_set("injection", "window", value=-1), "window is -1; in real models it is 0 to"),
    (_set("injection", "num_tokens", value=4), "do not fit each other: num_tokens is 5 and 4"),
    (_set("backbone", "num_blocks", value=900), "num_blocks is 900 and 2"),
    (_set("training", "fps", value="fast"), "fps is 'fast'"),
    (_set("encoder_id", value="0" * 16), "its encoder is not the one its description names"),
    (_drop("injection.null_tokens"), r"lacks injection\.null_tokens"),
    (_tensor("injection.extra", torch.zeros(2)), r"unknown tensors injection\.extra"),
    (_tensor("transformer.weight", torch.zeros(2)), r"unknown tensors transformer\.weight"),
    (_tensor("injection.null_tokens", torch.zeros(5, 17)), r"null_tokens' is .*\[5, 17\]; expected .*\[5, 16\]"),
    (_tensor("injection.null_tokens", torch.zeros(5, 16, dtype=torch.int32)), r"torch\.int32"),
    (_tensor("injection.null_tokens", torch.full((5, 16), float("nan"))), "NaN or infinite"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGED)
def test_damaged_files_are_refused(saved: Path, tmp_path: Path, change: Any, message: str) -> None:
    path = edited(saved, tmp_path / "bad.safetensors", change)
    with pytest.raises(TensorFileError, match=message) as caught:
        load_adapter(path)
    assert str(caught.value).startswith(str(path))


def test_more_layers_than_the_file_holds(saved: Path, tmp_path: Path) -> None:
    def change(info: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        info["injection"]["num_blocks"] = info["backbone"]["num_blocks"] = 3

    with pytest.raises(TensorFileError, match=r"lacks injection\.layers\.2.* and \d+ more"):
        load_adapter(edited(saved, tmp_path / "bad.safetensors", change))


def test_a_huge_description_costs_no_memory(saved: Path, tmp_path: Path) -> None:
    def change(info: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        for size in ("hidden_dim", "inner_dim"):
            info["injection"][size] = 2**20
        info["backbone"]["hidden_dim"] = 2**20

    with pytest.raises(TensorFileError, match=r"expected .*1048576"):
        load_adapter(edited(saved, tmp_path / "bad.safetensors", change))


def test_files_of_other_kinds(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for content, message in [
        (pickle.dumps({"encoder": 1}), "a pickle"),
        (b"PK\x03\x04" + bytes(200), "zip archive"),
        (b"", "too short"),
        (saved.read_bytes()[:5000], "cut off"),
        (b"version https://git-lfs.github.com/spec/v1\n" + bytes(50), "Git LFS pointer"),
    ]:
        path.write_bytes(content)
        with pytest.raises(TensorFileError, match=message):
            load_adapter(path)
    with pytest.raises(TensorFileError, match="no such file"):
        load_adapter(tmp_path / "nowhere.safetensors")
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(TensorFileError, match="without 3DiMo's description"):
        load_adapter(path)
