"""One process or many: placing, sharding and agreeing, so that the trainer reads the same for all of them.

accelerate starts the processes, knows their devices and the mixed precision, and runs the trackers. Design decisions:
- `ddp` copies the model to every process. `fsdp` shards it (FSDP2) block by block, on GPUs and on CPUs alike; the
  motion layer of a block is a group of its own, since it trains in float32 inside a block that may be frozen bf16.
- Parameters keep their type when they are gathered, and autocast chooses the type of the computation: a sharded step
  computes what a single process computes.
- Decisions that hang on a clock or on a signal (stop, save) are agreed on by all processes, together with the losses
  to be logged, in one small sum a step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from .trainee import Batch, Trainee

Parallel = Literal["auto", "ddp", "fsdp"]


class Engine:
    """This process among its peers.

    Args:
        precision: no or bf16.
        parallel: ddp or fsdp; auto is fsdp where `accelerate launch --use_fsdp` asks for it, else ddp.
    """

    def __init__(self, precision: str = "no", parallel: Parallel = "auto", **accelerator: Any) -> None:
        asked = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
        self.sharded = parallel == "fsdp" or (parallel == "auto" and asked)
        if torch.cuda.is_available():
            torch.set_float32_matmul_precision("high")
        self.accelerator = Accelerator(mixed_precision=precision, cpu=not torch.cuda.is_available(), **accelerator)
        self.device: torch.device = self.accelerator.device
        self.rank: int = self.accelerator.process_index
        self.world: int = self.accelerator.num_processes
        self.sharded &= self.world > 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def place(self, trainee: Trainee) -> None:
        """Move the trainee to its device, or shard it; call it before optimisers are made."""
        if not self.sharded:
            trainee.to(self.device)
            return
        # Shards move to the device group by group: no device ever holds the whole model.
        mesh = init_device_mesh(self.device.type, (self.world,))
        for block in trainee.backbone.blocks:
            if hasattr(block, "motion"):  # other controls have none
                fully_shard(block.get_submodule("motion"), mesh=mesh)
            fully_shard(block, mesh=mesh)
        for part in (trainee.encoder, trainee.decoder, trainee.text_encoder, trainee.transformer, trainee):
            if part is not None:
                fully_shard(part, mesh=mesh)

    def wrap(self, trainee: Trainee, partial: bool = False) -> nn.Module:
        """What to call for a training step; the trainee itself unless its gradients have to be averaged.

        partial: some steps leave parts of the trainee out (stages without the generator).
        """
        if self.world == 1 or self.sharded:
            return trainee
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(
            trainee, device_ids=devices, broadcast_buffers=False, find_unused_parameters=partial
        )

    @contextmanager
    def accumulating(self, model: nn.Module, last: bool) -> Iterator[None]:
        """Within this context a backward pass keeps its gradients to itself unless it is the step's last one."""
        if isinstance(model, DistributedDataParallel) and not last:
            with model.no_sync():
                yield
            return
        if isinstance(model, FSDPModule):
            model.set_requires_gradient_sync(last)
        yield

    def autocast(self) -> Any:
        """Mixed precision without autocast's cache, which holds a copy of every weight until the forward pass ends:
        each is read once a pass, and blocks that run again cast it again anyway.
        """
        return self.accelerator.autocast(AutocastKwargs(cache_enabled=False))

    def sum(self, values: list[float]) -> list[float]:
        """Sum numbers over all processes."""
        if self.world == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        summed: list[float] = tensor.tolist()
        return summed

    def clip(self, parameters: list[nn.Parameter], max_norm: float) -> float:
        """Clip the gradients to `max_norm` over all processes; returns their norm before that."""
        grads = [p.grad for p in parameters if p.grad is not None]
        local = [g.to_local() if isinstance(g, DTensor) else g for g in grads]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(local)))
        if self.sharded:
            squares = norm.square()
            dist.all_reduce(squares)
            norm = squares.sqrt()
        torch._foreach_mul_(local, (max_norm / (norm + 1e-6)).clamp(max=1.0))
        return float(norm)

    def barrier(self) -> None:
        self.accelerator.wait_for_everyone()

    def close(self) -> None:
        self.accelerator.end_training()


def whole(tensor: Tensor) -> Tensor:
    """The full tensor of a sharded one; every process calls it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors anywhere inside dicts and lists, on the device."""
    if torch.is_tensor(value):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: to_device(child, device) for name, child in value.items()}
    return value


def samples_of(batch: Batch) -> int:
    return int(batch["sigma"].shape[0])
