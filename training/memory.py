"""The memory a recipe needs on each device, before anything is loaded: a sum with every term in sight.

    weights + gradients + optimiser states + averaged weights        stay for the whole run
    + the larger of: activations of a micro-batch; what the optimiser's own step needs
    + the batch itself
    + a reserve for CUDA, its libraries and the allocator's gaps

Sizes come from the real classes on the meta device, activations from a trace of the real code (footprint.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from threedimo_core.frame_grid import TARGET_AREA, fit_size

from .buckets import Shape
from .building import build_trainee, part_of
from .footprint import Footprint, measure
from .opening import open_on_meta
from .optimizers import is_hidden
from .recipe import Recipe, RecipeError

GIB = 2**30
# Of a CUDA device: its context with cuBLAS and cuDNN, and the share that the allocator loses between blocks.
CONTEXT_BYTES, GAPS = 1 * GIB, 0.05
_PARTS = {"encoder": "encoder and D_g", "motion": "motion layers", "lora": "LoRA", "dit": "DiT"}
_ASPECT = (480, 854)
# torchao keeps a moment in 8 bits where a parameter has at least 4096 values in whole blocks of 256, which share a
# float32 scale.
_LOW_BIT_LEAST, _LOW_BIT_BLOCK = 4096, 256
_MINI_CLIP = Shape(17, 128, 128)


@dataclass(frozen=True)
class Row:
    """One term of the sum. `how`: its arithmetic in words."""

    name: str
    bytes: int
    how: str


@dataclass(frozen=True)
class Plan:
    """`fixed` stays for the whole run; of `passing` only the larger of the two counts; `extra` comes on top."""

    recipe: Recipe
    clip: Shape
    batch: int
    processes: int
    sharded: bool
    footprint: Footprint
    fixed: tuple[Row, ...]
    passing: tuple[Row, Row]
    extra: tuple[Row, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return self.fixed + self.passing + self.extra

    @property
    def total(self) -> int:
        """Bytes on each device at its peak."""
        passing = max(row.bytes for row in self.passing)
        return sum(row.bytes for row in self.fixed + self.extra) + passing


def make_plan(
    recipe: Recipe,
    folder: Path | None = None,
    clip: Shape | None = None,
    processes: int = 1,
    sharded: bool = False,
) -> Plan:
    """Plan the device of one of `processes`. clip: the largest bucket (default: the recipe's longest, at its area).

    Raises RecipeError where the batch cannot be shared, or the recipe does not say how large its clips are.
    """
    if recipe.control != "tokens":
        raise RecipeError(f"plans are for control: tokens, not for {recipe.control}")
    with torch.device("meta"):
        backbone = open_on_meta(recipe, folder)
        trainee = build_trainee(recipe, backbone)
    clip = clip or largest_clip(recipe, backbone.size_multiple)
    batch = samples_at_once(recipe, processes)
    parameters = dict(trainee.named_parameters())
    shards = processes if sharded else 1
    fixed = _fixed(recipe, parameters, shards)
    trained = sum(p.numel() for p in parameters.values() if p.requires_grad)
    footprint = measure(recipe, trainee, clip, batch)
    passing = (_activations(recipe, footprint, batch), _optimizer_step(recipe, parameters, trained, shards))
    extra = [_batch_row(recipe, backbone.latent_shape(clip.frames, clip.height, clip.width), clip, batch)]
    if sharded:
        extra.append(_gathered(backbone.blocks))
    if recipe.backbone != "mini":
        used = sum(row.bytes for row in fixed + extra) + max(row.bytes for row in passing)
        how = f"{CONTEXT_BYTES / GIB:g} GiB for CUDA and its libraries, {GAPS:.0%} of the rest for the allocator's gaps"
        extra.append(Row("reserve", int(CONTEXT_BYTES + GAPS * used), how))
    return Plan(recipe, clip, batch, processes, sharded, footprint, tuple(fixed), passing, tuple(extra))


def largest_clip(recipe: Recipe, multiple: int) -> Shape:
    """The recipe's longest clip at its area, in the paper's aspect (the mini's renders are square)."""
    if recipe.backbone == "mini":
        area = recipe.data.area or _MINI_CLIP.height * _MINI_CLIP.width
        frames = recipe.data.frames[0] if recipe.data.frames else _MINI_CLIP.frames
        return Shape(frames, *fit_size(_MINI_CLIP.height, _MINI_CLIP.width, multiple, area))
    if recipe.data.frames is None:
        raise RecipeError("the recipe does not say how long clips are; name the largest with --clip 121x480x832")
    return Shape(recipe.data.frames[0], *fit_size(*_ASPECT, multiple, recipe.data.area or TARGET_AREA))


def samples_at_once(recipe: Recipe, processes: int) -> int:
    """Clips in one forward pass of one process: of the largest stage that runs the generator."""
    most = 0
    for stage in recipe.stages:
        if stage.batch % processes:
            raise RecipeError(f"stage {stage.name}: a batch of {stage.batch} cannot be shared by {processes} processes")
        most = max(most, stage.batch // processes if stage.generate else 0)
    return min(most, recipe.micro_batch or most)


# --- what stays -------------------------------------------------------------------------------------------


def _fixed(recipe: Recipe, parameters: Mapping[str, nn.Parameter], shards: int) -> list[Row]:
    rows = []
    for part, title in _PARTS.items():
        own = [p for name, p in parameters.items() if part_of(name) == part]
        if own:
            size, count = sum(p.nbytes for p in own), sum(p.numel() for p in own)
            kinds = ", ".join(sorted({str(p.dtype).removeprefix("torch.") for p in own}))
            trains = "trained" if any(p.requires_grad for p in own) else "frozen"
            rows.append(Row(f"weights: {title}", size // shards, _shared(f"{_count(count)} {trains}, {kinds}", shards)))
    trained = {name: p for name, p in parameters.items() if p.requires_grad}
    count = sum(p.numel() for p in trained.values())
    size = sum(p.nbytes for p in trained.values())
    rows.append(Row("gradients", size // shards, _shared(f"{_count(count)} trained × 4 B", shards)))
    states, how = _states(recipe, trained)
    rows.append(Row("optimiser", states // shards, _shared(how, shards)))
    if recipe.ema:
        rows.append(Row("averaged weights", 4 * count // shards, _shared(f"{_count(count)} trained × 4 B", shards)))
    return rows


def _states(recipe: Recipe, trained: Mapping[str, nn.Parameter]) -> tuple[int, str]:
    """Bytes of the optimiser's states: two moments of Adam, one momentum of Muon."""
    total = 0
    for name, parameter in trained.items():
        numel = parameter.numel()
        if recipe.optimizer == "muon":
            total += numel * (4 if is_hidden(name, parameter) else 8)
        elif recipe.optimizer.endswith("8bit") and numel >= _LOW_BIT_LEAST and numel % _LOW_BIT_BLOCK == 0:
            total += 2 * (numel + 4 * numel // _LOW_BIT_BLOCK)
        else:
            total += 8 * numel
    ways = {
        "muon": "Muon: one momentum × 4 B for hidden matrices, AdamW's two for the rest",
        "8bit": "two moments × 1 B and a scale of 4 B for every 256 values (small tensors: 4 B a value)",
    }
    how = next((text for name, text in ways.items() if name in recipe.optimizer), "two moments × 4 B")
    return total, f"{recipe.optimizer}: {how}" if "Muon" not in how else how


# --- what comes and goes ----------------------------------------------------------------------------------


def _activations(recipe: Recipe, found: Footprint, batch: int) -> Row:
    how = (
        f"{batch} × {found.video_tokens} video tokens: encoder keeps {_gib(found.encoder.kept)}, {found.blocks - 1} "
        f"blocks × {_gib(found.block.kept)}, one block at its peak {_gib(found.block.peak)}, what all blocks read "
        f"{_gib(found.inputs)}"
    )
    way = "blocks run again in the backward pass" if recipe.gradient_checkpointing else "nothing runs again"
    return Row("activations", found.peak, f"{how}; {way}")


def _optimizer_step(recipe: Recipe, parameters: Mapping[str, nn.Parameter], trained: int, shards: int) -> Row:
    """Adam without its fused kernel makes a copy of the second moments; low-bit states are unpacked one by one."""
    name = "the optimiser's step"
    if recipe.fused:
        return Row(name, 0, "fused: in place")
    if recipe.optimizer.endswith("8bit") or recipe.optimizer == "muon":
        largest = max((p.numel() for p in parameters.values() if p.requires_grad), default=0)
        return Row(name, 12 * largest, f"three float32 copies of the largest tensor ({_count(largest)})")
    return Row(name, 4 * trained // shards, _shared(f"{_count(trained)} trained × 4 B; none with fused: true", shards))


def _batch_row(recipe: Recipe, latent: tuple[int, ...], clip: Shape, batch: int) -> Row:
    """Driver, hands and six float32 tensors of the latents' size: clean, noise, their mix, velocity, target, error."""
    frames = min(clip.frames, recipe.flow.driver_frames or clip.frames)
    body, hand = recipe.encoder.body.image_size, recipe.encoder.hand.image_size if recipe.encoder.hand else 0
    pictures = frames * 3 * (body**2 + 2 * hand**2) * 4
    latents = 6 * 4 * int(torch.Size(latent).numel())
    how = (
        f"{frames} driving frames of {body} px, hands of {hand} px, six tensors of latents {'×'.join(map(str, latent))}"
    )
    return Row("batch", batch * (pictures + latents), how)


def _gathered(blocks: nn.ModuleList) -> Row:
    largest = max(sum(p.nbytes for p in block.parameters()) for block in blocks)
    return Row("gathered blocks", 2 * largest, f"two whole blocks of {_gib(largest)}: one runs, the next is fetched")


# --- words ------------------------------------------------------------------------------------------------


def _shared(text: str, shards: int) -> str:
    return f"{text}, over {shards} processes" if shards > 1 else text


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} B" if number >= 1e9 else f"{number / 1e6:.1f} M"


def _gib(number: int) -> str:
    return f"{number / GIB:.3g} GiB" if number >= GIB / 10 else f"{number / 2**20:.3g} MiB"


def report(plan: Plan) -> str:
    """The plan as a table with its arithmetic."""
    way = f"{plan.processes} processes, {'sharded (fsdp)' if plan.sharded else 'whole on each (ddp)'}"
    where = way if plan.processes > 1 else "one process"
    lines = [
        f"{plan.recipe.name}: {plan.batch} × {plan.clip} (clips × frames × height × width) at a time, "
        f"mixed precision {plan.recipe.precision}, {where}",
        "",
        "| on each device | GiB | how |",
        "|---|---:|---|",
    ]
    less = min(plan.passing, key=lambda row: row.bytes)
    for row in plan.rows:
        figure = f"{row.bytes / GIB:.2f}"
        lines.append(f"| {row.name} | {f'({figure})' if row is less else figure} | {row.how} |")
    lines.append(
        f"| **peak** | **{plan.total / GIB:.1f}** | the sum; what is in brackets is not there at the same time |"
    )
    return "\n".join(lines)
