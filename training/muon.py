"""Muon with matrix products that suit the machine.

torch's Muon multiplies in bf16. A CPU without bf16 units does that some sixty times slower than in float32 (AVX2, one
core, 256 × 256 × 1024: 1.3 against 76 GFLOP/s), so that a step of the optimiser takes longer than the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def computes_bf16() -> bool:
    """Whether there is a GPU, or a CPU with units for bf16."""
    able: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(torch.cuda.is_available() or able.get("avx512_bf16") or able.get("amx_bf16"))


def muon(matrices: Iterable[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """For weights [out, in]; its update is as large as AdamW's, so both take one learning rate."""
    cls = torch.optim.Muon if computes_bf16() else Float32Muon
    optimizer: torch.optim.Optimizer = cls(
        list(matrices), lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return optimizer


class Float32Muon(torch.optim.Muon):
    """The same rule, settings and states as torch's, computed in float32.

    Processes that hold the same weights share the work: each makes every n-th matrix orthogonal, and they add up.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            smoothed = [self._smoothed(matrix, matrix.grad, group) for matrix in matrices]
            for matrix, direction in zip(matrices, _directions(smoothed, group), strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(direction, alpha=-group["lr"] * 0.2 * max(matrix.shape) ** 0.5)

    def _smoothed(self, matrix: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        momentum = state["momentum_buffer"]
        momentum.lerp_(gradient, 1 - group["momentum"])
        return gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum


def _directions(smoothed: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
    """Every matrix made orthogonal, by this process or another."""
    if not smoothed:
        return []
    shared = dist.is_initialized()
    rank, world = (dist.get_rank(), dist.get_world_size()) if shared else (0, 1)
    flat = torch.zeros(sum(matrix.numel() for matrix in smoothed), device=smoothed[0].device)
    parts = [
        part.view_as(matrix) for part, matrix in zip(flat.split([m.numel() for m in smoothed]), smoothed, strict=True)
    ]
    for part, matrix in list(zip(parts, smoothed, strict=True))[rank::world]:
        part.copy_(orthogonalised(matrix, group["ns_coefficients"], group["ns_steps"], group["eps"]))
    if shared:
        dist.all_reduce(flat)
    return parts


def orthogonalised(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The nearest matrix with singular values about 1, by Newton-Schulz iterations."""
    a, b, c = coefficients
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x
