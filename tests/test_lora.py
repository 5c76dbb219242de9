"""Low-rank updates merged into a transformer: the arithmetic, and files that are for something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from threedimo_core.backbones.base import BackboneError
from threedimo_core.backbones.lora import merge_lora
from threedimo_core.safe_file import TensorFileError


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(6, 4), nn.Linear(6, 4)])


def updates(rank: int = 2, layer: str = "blocks.1", width: int = 6) -> dict[str, torch.Tensor]:
    return {
        f"transformer.{layer}.lora_A.weight": torch.randn(rank, width),
        f"transformer.{layer}.lora_B.weight": torch.randn(4, rank),
    }


def saved(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, tmp_path / "lora.safetensors")
    return tmp_path / "lora.safetensors"


def test_the_update_is_the_scaled_product_and_other_layers_stay(tmp_path: Path) -> None:
    model, tensors = Transformer(), updates()
    first, second = (layer.weight.detach().clone() for layer in model.blocks)
    down, up = tensors.values()
    path = saved(tmp_path, tensors | {"transformer.blocks.1.alpha": torch.tensor(1.0)})
    assert merge_lora(model, path, strength=0.5) == 1
    assert torch.equal(model.blocks[0].weight, first)
    torch.testing.assert_close(model.blocks[1].weight, second + 0.5 * 0.5 * up @ down)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (updates(layer="blocks.7"), "no layer transformer.blocks.7"),
        (updates(width=5), "model of another size"),
        ({"diffusion_model.blocks.1.lora_A.weight": torch.ones(2, 6)}, "not a LoRA in diffusers' names"),
        ({"transformer.blocks.1.lora_A.weight": torch.ones(2, 6)}, "only one of its two matrices"),
        ({name: value * float("nan") for name, value in updates().items()}, "NaN"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(tmp_path: Path, tensors: dict, words: str) -> None:
    model = Transformer()
    before = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(BackboneError, match=words):
        merge_lora(model, saved(tmp_path, updates(layer="blocks.0") | tensors))
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "lora.safetensors")
    with pytest.raises(TensorFileError, match="pickle"):
        merge_lora(Transformer(), tmp_path / "lora.safetensors")
