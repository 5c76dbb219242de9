"""The training loop: one trainer for every recipe, from one CPU to many GPUs (parallel.py knows which).

Design decisions:
- A step's batch, noise and dropout are functions of (seed, step, sample), and its loss is a sum over samples divided
  by a total over the step: a resumed run continues as if it had never stopped, and the number of processes or
  micro-batches does not change what is learned.
- The loop knows nothing of stages but what `recipe.stage_at(step)` says. What a stage does not train keeps no
  gradient, so the optimiser leaves it as it is.
- SIGTERM and Ctrl-C save and leave; a gradient that is not finite stops the run before it can reach a checkpoint.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from . import checkpointing
from .building import part_of, trained_parts
from .ema import Ema, trainable
from .feeding import BatchSource, Feed
from .optimizers import Optimizers
from .parallel import Engine, to_device
from .recipe import Recipe, RecipeError, Stage
from .tracking import Tracking
from .trainee import Batch, Trainee


class TrainingStopped(RuntimeError):
    """Training cannot go on; the message says why and where the last good checkpoint is."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What belongs to the machine: how often to save, how many checkpoints to keep, processes that make batches.

    steps: where this run ends, None for the end of the recipe.
    """

    save_minutes: float = 5.0
    keep: int = 2
    workers: int = 0
    steps: int | None = None


Hook = Callable[["Trainer"], Mapping[str, Any] | None]


class Trainer:
    """Runs a recipe on a trainee, resuming from the newest checkpoint in `out`.

    Args:
        batches: (step, samples) → batch on the CPU; a pure function of its arguments.
        on_save: called by every process after each checkpoint.
        on_validate: called by every process every `recipe.validation.every` steps; what it returns is logged.
    """

    def __init__(
        self,
        recipe: Recipe,
        trainee: Trainee,
        batches: BatchSource,
        out: Path,
        engine: Engine | None = None,
        settings: RunSettings | None = None,
        on_save: Hook | None = None,
        on_validate: Hook | None = None,
    ) -> None:
        self.recipe, self.trainee, self.out = recipe, trainee, out
        self.engine = engine or Engine(recipe.precision)
        if self.engine.sharded and recipe.optimizer == "muon":
            raise RecipeError(
                "optimizer: muon needs whole matrices, and fsdp shards them; train with --parallel ddp, or choose adamw"
            )
        self.settings = settings or RunSettings()
        self.on_save, self.on_validate = on_save, on_validate
        if recipe.compile:
            trainee.transformer.compile_repeated_blocks(dynamic=False)
        self.engine.place(trainee)
        self.optimizers = Optimizers(trainee, recipe)
        self.ema = Ema(trainee, recipe.ema)
        self.step = 0
        self.stop_reason = ""
        self.running = False
        self._resume()
        self.model = self.engine.wrap(trainee, partial=not all(stage.generate for stage in recipe.stages))
        engine = self.engine
        self.last = self.settings.steps or recipe.total_steps
        span = range(self.step, self.last)
        self._feed = Feed(recipe, batches, span, engine.rank, engine.world, self.settings.workers)
        self._batches: Iterator[list[Batch]] | None = None
        described = {"recipe": recipe.name, "seed": recipe.seed, "processes": engine.world}
        self.tracking = Tracking(engine, out, recipe.name, described, self.step, recipe.total_steps)

    # --- state ------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> Path:
        return self.out / "checkpoints"

    def _tensors(self) -> dict[str, Tensor]:
        """Everything a checkpoint holds, by name. Frozen weights are not in it: they come from their folder."""
        live = {f"model/{name}": p.detach() for name, p in trainable(self.trainee).items()}
        averaged = {f"ema/{name}": value for name, value in self.ema.values.items()}
        states = {f"optimizer/{name}": value for name, value in self.optimizers.state_tensors().items()}
        return live | averaged | states

    def _resume(self) -> None:
        found = checkpointing.latest(self.checkpoints)
        if found is None:
            return
        prefix = "optimizer/"
        states = [n.removeprefix(prefix) for n in checkpointing.tensor_names(found) if n.startswith(prefix)]
        self.optimizers.prepare_states({name.rpartition("/")[0] for name in states})
        tensors = self._tensors()
        self.step = checkpointing.load(found, tensors)
        self.optimizers.load_state_tensors({n: tensors[prefix + n] for n in states})

    def save(self) -> None:
        """Checkpoint everything; afterwards `on_save` may export."""
        info = {"recipe": self.recipe.name, "stage": self._stage_name(), "processes": self.engine.world}
        checkpointing.save(self.checkpoints, self.step, self._tensors(), info, self.settings.keep)
        if self.on_save:
            self.on_save(self)
        self.engine.barrier()

    def _stage_name(self) -> str:
        return self.recipe.stage_at(max(0, min(self.step, self.recipe.total_steps) - 1))[0].name

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this context the trainee holds the averaged weights."""
        self.ema.swap(self.trainee)
        try:
            yield
        finally:
            self.ema.swap(self.trainee)

    # --- the loop ---------------------------------------------------------------------------------------------

    def run(self, max_minutes: float | None = None) -> int:
        """Train to the end of the recipe, or until time is up or a signal asks to stop; returns the step reached."""
        previous = {s: signal.signal(s, self._ask_to_stop) for s in (signal.SIGTERM, signal.SIGINT)}
        start = saved = time.monotonic()
        self.running = True
        try:
            while self.step < self.last:
                self.tracking.log(self.train_step())
                now = time.monotonic()
                if max_minutes is not None and now - start > 60 * max_minutes:
                    self.stop_reason = self.stop_reason or f"{max_minutes:g} minutes are over"
                stopping, saving = self._agree(bool(self.stop_reason), now - saved > 60 * self.settings.save_minutes)
                self._validate()
                if stopping:
                    break
                if saving:
                    self.save()
                    saved = time.monotonic()
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)
            self.running = False
        self.save()
        return self.step

    def _ask_to_stop(self, signum: int, frame: Any) -> None:
        self.stop_reason = f"{signal.Signals(signum).name} was received"

    def _agree(self, *flags: bool) -> list[bool]:
        """Each flag is true for all processes when it is for one."""
        return [total > 0 for total in self.engine.sum([float(flag) for flag in flags])]

    def _validate(self) -> None:
        every = self.recipe.validation.every
        if self.on_validate and every and (self.step % every == 0 or self.step == self.last):
            found = self.on_validate(self)
            if found:
                self.tracking.log({"step": self.step, **found})

    def train_step(self) -> dict[str, Any]:
        """One optimiser step; returns its record for the log."""
        began = time.monotonic()
        stage, within = self.recipe.stage_at(self.step)
        if self._batches is None:
            self._batches = iter(self._feed)
        batches = next(self._batches)
        weight = self.recipe.geometric.weight(self.step)
        losses = self._backward(batches, weight, stage.generate)
        norm = self.engine.clip(self._select_gradients(stage), self.recipe.max_grad_norm)
        if not math.isfinite(norm):
            raise TrainingStopped(self._not_finite(losses, norm, batches))
        lr = learning_rate(stage, within)
        self.optimizers.step(lr)
        self.optimizers.zero_grad()
        self.step += 1
        self.ema.update(self.trainee, self.step)
        record = {"step": self.step, "stage": stage.name, "lr": lr, "geometric": weight, "norm": norm, **losses}
        return record | {"seconds": time.monotonic() - began}

    def _backward(self, batches: list[Batch], weight: float, generate: bool) -> dict[str, float]:
        """Gradients of the whole step, averaged over processes; returns its losses."""
        totals = [self.trainee.totals(batch) for batch in batches]
        names = ("flow", "pose", "landmarks")
        sums = self.engine.sum([sum(total[name] for total in totals) for name in names])
        shares = {f"{name}_total": value for name, value in zip(names, sums, strict=True)}
        # Processes average their gradients; the losses are shares of one sum.
        scale = float(self.engine.world)
        found: dict[str, float] = {}
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            batch = to_device(batch, self.engine.device)
            batch |= shares | {"supervised": weight > 0, "generate": generate}
            with self.engine.accumulating(self.model, last), self.trainee.hearing():
                with self.engine.autocast():
                    losses = self.model(batch)
                loss = losses.get("flow", 0) + self._pose_weight(weight) * losses.get("pose", 0)
                loss = loss + self.recipe.geometric.landmarks * losses.get("landmarks", 0)
                (loss * scale).backward()
            for name, value in losses.items():
                found[name] = found.get(name, 0.0) + value.item()
        return dict(zip(found, self.engine.sum(list(found.values())), strict=True))

    def _pose_weight(self, weight: float) -> float:
        """Of the pose loss: once supervision is over, D_g alone may follow the tokens (they are cut off then)."""
        return 1.0 if weight == 0 and self.recipe.geometric.follow else weight

    def _select_gradients(self, stage: Stage) -> list[Any]:
        """Drop the gradients of what the stage does not train; returns the parameters that it does."""
        parts = trained_parts(stage)
        chosen = []
        for name, parameter in self.optimizers.named.items():
            if part_of(name) in parts:
                chosen.append(parameter)
            else:
                parameter.grad = None
        return chosen

    def _not_finite(self, losses: Mapping[str, float], norm: float, batches: list[Batch]) -> str:
        told = ", ".join(f"{name} {value:g}" for name, value in losses.items())
        clips = ", ".join(dict.fromkeys(identity for batch in batches for identity in batch.get("id", [])))
        good = checkpointing.latest(self.checkpoints)
        return (
            f"step {self.step} is not finite (gradient norm {norm:g}; losses: {told}; clips on this process: {clips}). "
            f"Nothing of it was saved; the last good checkpoint is {good}. Lower the stage's lr or max_grad_norm, or "
            "look at those clips, and run the same command again"
        )


def learning_rate(stage: Stage, within: int) -> float:
    """Linear warm-up, then a cosine from `lr` to `lr · final_lr` over the stage."""
    warm = min(1.0, (within + 1) / max(1, stage.warmup))
    cosine = 0.5 * (1 + math.cos(math.pi * within / stage.steps))
    return stage.lr * warm * (stage.final_lr + (1 - stage.final_lr) * cosine)
