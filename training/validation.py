"""A look at held-out clips while a run goes on, with the averaged weights: numbers for the log, a sheet of samples.

- The flow loss with the right tokens, with another clip's and with none, on the same noise: the generator follows the
  motion as far as the last two are worse. This shows long before samples do.
- Cross-view retrieval: does a view find another view of the same motion by its tokens alone? (A smoke test on a few
  clips; `python -m training bench` has the real one.)
- Samples: driver, true target and what is generated, in one contact sheet a time.

Every process does the same work, so that sharded models run; the first one writes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from threedimo_core.images import tensor_to_frames, write_image
from threedimo_core.motion_encoder import MotionEncoder, letterbox
from threedimo_core.sampling import Conditions, SamplingSettings, denoise
from threedimo_core.sheet import SheetRow, contact_sheet

from .batches import RunBatches
from .data.manifest import Record
from .data.pairs import possible_pairs
from .parallel import to_device
from .trainee import Batch, Trainee
from .trainer import Trainer

FOLDER = "validation"
_RETRIEVED, _FRAMES = 48, 9  # clips and frames of the retrieval
_SHEET_CASES = 4


class Validator:
    """Called by the trainer every `recipe.validation.every` steps.

    Args:
        held_out: batches of a held-out set.
        load_vae: gives the VAE where the run itself has none; None leaves the sheet out then.
    """

    def __init__(self, held_out: RunBatches, out: Path, load_vae: Callable[[], Any] | None = None) -> None:
        self.held_out, self.out, self.load_vae = held_out, out, load_vae
        # The last stage's pairs: those of another view, as far as the recipe has any.
        self._step = held_out.recipe.total_steps - 1

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        settings = trainer.recipe.validation
        cases = list(range(settings.cases))
        batch = to_device(self.held_out(self._step, cases), trainer.engine.device)
        with torch.no_grad(), trainer.averaged(), _uncompiled(), trainer.engine.autocast():
            found = flow_probe(trainer.trainee, batch) | self.retrieval(trainer)
            if settings.sheet and "clean" in batch and self._vae_ready(trainer.trainee):
                self._sheet(trainer, batch, settings.steps)
        return {f"held-out {name}": value for name, value in found.items()}

    def retrieval(self, trainer: Trainer) -> dict[str, float]:
        """R@1 of a view's body tokens among those of another view of every clip; nothing without two views."""
        records = [(root, r) for root, r in self._records() if _two_views(r)]
        stores, encoder = self.held_out.stores, trainer.trainee.encoder
        if len(records) < 2 or not isinstance(encoder, MotionEncoder):
            return {}
        size = trainer.recipe.encoder.body.image_size
        codes: list[list[Tensor]] = [[], []]
        for root, record in records:
            for side, view in enumerate(_two_views(record)):
                frames = stores[root].frames(record, view)
                chosen = frames[torch.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).long()]
                pixels = letterbox(chosen.float() / 255, size).to(trainer.engine.device)
                codes[side].append(encoder(pixels[None]).body[0].float().cpu())
        return {"R@1": recall(torch.stack(codes[0]), torch.stack(codes[1]))}

    def _records(self) -> list[tuple[Path, Record]]:
        largest = self.held_out.clips.buckets[0]
        return [(largest.root, record) for record in largest.records[:_RETRIEVED]]

    def _vae_ready(self, trainee: Trainee) -> bool:
        backbone = trainee.backbone
        if next(backbone.vae.parameters()).is_meta and self.load_vae is not None:
            backbone.vae = self.load_vae()
        return not next(backbone.vae.parameters()).is_meta

    def _sheet(self, trainer: Trainer, batch: Batch, steps: int) -> None:
        count = min(_SHEET_CASES, len(batch["prompts"]))
        rows = []
        for case in range(count):
            one = _case(batch, case)
            latents = sample(trainer.trainee, one, steps)
            true, made = (_decoded(trainer.trainee.backbone, x) for x in (one["clean"], latents))
            prompt = one["prompts"][0]
            rows += [
                SheetRow("driver, augmented", tensor_to_frames(one["driver"][0].float().cpu()), one["id"][0]),
                SheetRow("target, true", tensor_to_frames(true), prompt),
                SheetRow("generated", tensor_to_frames(made), f"{steps} steps"),
            ]
        if trainer.engine.is_main:
            page = contact_sheet(rows, f"{trainer.recipe.name}, step {trainer.step}", cell_height=120)
            write_image(self.out / FOLDER / f"step-{trainer.step:08d}.png", page)


def flow_probe(trainee: Trainee, batch: Batch) -> dict[str, float]:
    """Flow loss of held-out clips with their own, other and no tokens; pose loss of their own.

    Without targets, in a warm-up: the losses of the encoder alone.
    """
    if "clean" not in batch:  # of a warm-up
        return {name: loss.item() for name, loss in trainee(batch | {"generate": False}).items()}
    count = len(batch["sigma"])
    keep = torch.zeros_like(batch["drop_motion"])
    other = torch.arange(count, device=keep.device).roll(1)
    ways = {
        "flow": {},
        "flow, other tokens": {"tokens_of": other, "frame_numbers": batch["frame_numbers"][other]},
        "flow, no tokens": {"drop_motion": torch.ones_like(keep)},
    }
    found: dict[str, float] = {}
    for name, changes in ways.items():
        with trainee.hearing():
            losses = trainee(batch | {"drop_motion": keep} | changes)
        found[name] = losses["flow"].item()
        if name == "flow" and "pose" in losses:
            found["pose"] = losses["pose"].item()
    return found


def sample(trainee: Trainee, batch: Batch, steps: int) -> Tensor:
    """Latents [1, C, L, h, w] that the trainee generates for one clip of a batch, from the batch's own noise."""
    context = trainee.context(trainee.encode(batch).joined(), batch)
    text, reference = trainee.conditions(batch)
    conditions = Conditions(reference, text, None, context, None)
    settings = SamplingSettings(steps=steps)
    return denoise(trainee.backbone, trainee.attached, batch["noise"], conditions, settings)


def recall(queries: Tensor, gallery: Tensor) -> float:
    """Share of the queries [N, T, K, D] whose own clip in the gallery is the most similar one.

    Tokens are centred over all clips, for what they have in common tells none from another.
    """
    centre = torch.cat([queries, gallery]).mean((0, 1), keepdim=True)
    first, second = (F.normalize((x - centre).flatten(2), dim=-1).flatten(1) for x in (queries, gallery))
    nearest = (first @ second.T).argmax(1)
    return float((nearest == torch.arange(len(nearest))).float().mean())


def _two_views(record: Record) -> tuple[int, int] | tuple[()]:
    """Two different views of a record's motion, the first pair there is."""
    for kind, pairs in possible_pairs(record).items():
        if kind != "same_view" and pairs:
            return pairs[0]
    return ()


def _case(batch: Batch, number: int) -> Batch:
    """One clip of a batch, as a batch."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: cut(child) for name, child in value.items()}
        return value[number : number + 1]

    one: Batch = cut(batch)
    return one


def _decoded(backbone: Any, latents: Tensor) -> Tensor:
    vae, device = backbone.vae, latents.device
    home = next(vae.parameters()).device
    vae.to(device)
    frames: Tensor = backbone.decode(latents)[0].float().cpu()
    vae.to(home)
    return frames


def _uncompiled() -> AbstractContextManager[None]:
    """Clips one by one have another shape than a batch: compiling for them would take longer than the look."""
    return torch.compiler.set_stance("force_eager") if hasattr(torch.compiler, "set_stance") else nullcontext()
