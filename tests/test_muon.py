"""Muon in float32: what torch's does in bf16, to the accuracy of bf16."""

from __future__ import annotations

import torch

from training.muon import Float32Muon, orthogonalised


def test_it_steps_as_torch_does():
    torch.manual_seed(0)
    starts = [torch.randn(24, 48), torch.randn(48, 24)]
    ways = []
    for cls in (torch.optim.Muon, Float32Muon):
        matrices = [torch.nn.Parameter(start.clone()) for start in starts]
        optimizer = cls(matrices, lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
        for step in range(3):
            for matrix in matrices:
                matrix.grad = torch.sin(matrix.detach() * (step + 1))
            optimizer.step()
        ways.append(matrices)
    for theirs, ours, start in zip(*ways, starts, strict=True):
        moved = (theirs - start).norm()
        assert (theirs - ours).norm() < 0.03 * moved


def test_singular_values_come_near_one():
    torch.manual_seed(0)
    made = orthogonalised(torch.randn(64, 32), (3.4445, -4.7750, 2.0315), 5, 1e-7)
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.5 and values.max() < 1.3
