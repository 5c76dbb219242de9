"""The training loop: one trainer for every recipe, from one CPU to many GPUs (accelerate is the engine).

Design decisions:
- A step's batch, noise and dropout are functions of (seed, step, sample): a resumed run continues as if it had never
  stopped, whatever the number of processes.
- The loop knows nothing of stages but what `recipe.stage_at(step)` says.
- SIGTERM and Ctrl-C save and leave; a loss that is not finite stops the run before it can reach a checkpoint.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from . import checkpointing
from .ema import Ema
from .optimizers import Optimizers
from .recipe import Recipe, Stage
from .trainee import Batch, Trainee

BatchSource = Callable[[Stage, list[tuple[int, int]]], Batch]


class TrainingStopped(RuntimeError):
    """Training cannot go on; the message says why and where the last good checkpoint is."""


class Trainer:
    """Runs a recipe on a trainee, resuming from the newest checkpoint in `out`.

    Args:
        batches: (stage, keys) → batch on the CPU; a pure function of its arguments.
        save_minutes: how often to checkpoint.
        on_save: called after each checkpoint, with the averaged weights in the trainee.
    """

    def __init__(
        self,
        recipe: Recipe,
        trainee: Trainee,
        batches: BatchSource,
        out: Path,
        save_minutes: float = 5.0,
        on_save: Callable[[int], None] | None = None,
    ) -> None:
        self.recipe, self.trainee, self.batches, self.out = recipe, trainee, batches, out
        self.save_minutes, self.on_save = save_minutes, on_save
        cpu = not torch.cuda.is_available()
        self.accelerator = Accelerator(mixed_precision=recipe.mixed_precision, cpu=cpu)
        self.optimizers = Optimizers(trainee, recipe)
        self.ema = Ema(trainee, recipe.ema)
        self.step = 0
        self._stop = False
        self._resume()
        if recipe.compile:
            trainee.transformer.compile_repeated_blocks(dynamic=False)
        self.model: nn.Module = self.accelerator.prepare_model(trainee)

    def _resume(self) -> None:
        found = checkpointing.latest(self.out / "checkpoints")
        if found is None:
            return
        self.step, state = checkpointing.load(found)
        self.trainee.load_state_dict(state["trainee"])
        self.ema.load_state_dict(state["ema"])
        self.optimizers.load_state_dict(state["optimizers"])

    def run(self, max_minutes: float | None = None) -> int:
        """Train to the end of the recipe, or until time is up or a signal asks to stop; returns the step reached."""
        previous = {s: signal.signal(s, self._ask_to_stop) for s in (signal.SIGTERM, signal.SIGINT)}
        start = saved = time.monotonic()
        try:
            while self.step < self.recipe.total_steps and not self._stop:
                began = time.monotonic()
                record = self.train_step()
                self._log(record | {"seconds": time.monotonic() - began})
                now = time.monotonic()
                self._stop |= max_minutes is not None and now - start > 60 * max_minutes
                if now - saved > 60 * self.save_minutes:
                    self.save()
                    saved = now
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)
        self.save()
        return self.step

    def _ask_to_stop(self, signum: int, frame: Any) -> None:
        self._stop = True

    def train_step(self) -> dict[str, float]:
        """One optimiser step; returns its losses."""
        stage, within = self.recipe.stage_at(self.step)
        accelerator = self.accelerator
        rank, world = accelerator.process_index, accelerator.num_processes
        keys = [(self.step, sample) for sample in range(rank, stage.batch, world)]
        batch = _to_device(self.batches(stage, keys), accelerator.device)
        with accelerator.autocast():
            losses = self.model(batch)
        weight = self.recipe.geometric.weight(self.step)
        loss = losses["flow"] + weight * losses.get("pose", 0)
        accelerator.backward(loss)
        norm = accelerator.clip_grad_norm_(self.trainee.parameters(), self.recipe.max_grad_norm)
        if not math.isfinite(float(norm)):
            raise TrainingStopped(
                f"the gradient at step {self.step} is not finite (loss {loss.item()}); lower the stage's lr. "
                f"The last good checkpoint is {checkpointing.latest(self.out / 'checkpoints')}"
            )
        lr = learning_rate(stage, within)
        self.optimizers.step(lr)
        self.optimizers.zero_grad()
        self.step += 1
        self.ema.update(self.trainee, self.step)
        values = {name: value.item() for name, value in losses.items()}
        return {"step": self.step, "stage": stage.name, "lr": lr, "geometric": weight, "norm": float(norm), **values}

    def _log(self, record: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            self.out.mkdir(parents=True, exist_ok=True)
            with open(self.out / "log.jsonl", "a") as file:
                file.write(json.dumps(record) + "\n")

    def save(self) -> None:
        """Checkpoint everything; afterwards `on_save` sees the averaged weights."""
        if self.accelerator.is_main_process:
            state = {
                "trainee": self.trainee.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizers": self.optimizers.state_dict(),
            }
            checkpointing.save(self.out / "checkpoints", self.step, state, {"recipe": self.recipe.name})
            if self.on_save:
                self.ema.swap(self.trainee)
                try:
                    self.on_save(self.step)
                finally:
                    self.ema.swap(self.trainee)
        self.accelerator.wait_for_everyone()


def learning_rate(stage: Stage, within: int) -> float:
    """Linear warm-up, then a cosine from `lr` to `lr · final_lr` over the stage."""
    warm = min(1.0, (within + 1) / max(1, stage.warmup))
    cosine = 0.5 * (1 + math.cos(math.pi * within / stage.steps))
    return stage.lr * warm * (stage.final_lr + (1 - stage.final_lr) * cosine)


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return {name: value.to(device) if torch.is_tensor(value) else value for name, value in batch.items()}
