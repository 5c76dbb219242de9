"""Hands a run's batches to the loop: this process's share of each step, cut into micro-batches, made ahead of time."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from .recipe import Recipe, Stage
from .trainee import Batch

BatchSource = Callable[[int, Sequence[int]], Batch]


def shares(stage: Stage, rank: int, world: int, micro_batch: int | None) -> list[list[int]]:
    """The samples of one process in each of its forward passes of a step.

    Every process makes as many passes, as sharded models need. ValueError where the batch cannot be shared evenly.
    """
    if stage.batch % world:
        raise ValueError(
            f"stage {stage.name}: a batch of {stage.batch} cannot be shared by {world} processes; use a number of "
            f"processes that divides it"
        )
    mine = list(range(rank, stage.batch, world))
    size = micro_batch or len(mine)
    return [mine[i : i + size] for i in range(0, len(mine), size)]


class Feed:
    """Iterates over the micro-batches of the steps of `span`.

    workers: processes that make batches ahead (0: made when asked for). The batches are the same either way.
    """

    def __init__(
        self, recipe: Recipe, source: BatchSource, span: range, rank: int, world: int, workers: int = 0
    ) -> None:
        micro = {s.name: shares(s, rank, world, recipe.micro_batch) for s in recipe.stages}
        pinned = workers > 0 and torch.cuda.is_available()
        ahead: dict[str, Any] = {"prefetch_factor": 2, "pin_memory": pinned} if workers else {}
        self.loader = DataLoader(
            _Steps(recipe, source, micro),
            batch_size=None,
            sampler=span,
            num_workers=workers,
            worker_init_fn=_leave_signals_to_the_loop if workers else None,
            **ahead,
        )

    def __iter__(self) -> Iterator[list[Batch]]:
        return iter(self.loader)


def _leave_signals_to_the_loop(worker: int) -> None:
    """A signal to the whole group must not kill the makers of the batch that the last step waits for."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Steps(Dataset[list[Batch]]):
    """Step number → its micro-batches."""

    def __init__(self, recipe: Recipe, source: BatchSource, micro: dict[str, list[list[int]]]) -> None:
        self.recipe, self.source, self.micro = recipe, source, micro

    def __getitem__(self, step: int) -> list[Batch]:
        stage, _ = self.recipe.stage_at(step)
        return [self.source(step, samples) for samples in self.micro[stage.name]]
