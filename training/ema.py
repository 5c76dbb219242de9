"""Exponential moving average of the weights that train, keyed by parameter name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Ema:
    """Averages the float32 values of a module's trainable parameters; early on the average forgets faster.

    decay 0 keeps no average: `values` is then empty and the live weights stand for it. Sharded parameters are
    averaged shard by shard.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {n: p.detach().float().clone() for n, p in trainable(module).items()} if decay else {}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards the weights after optimiser step number `step`, counted from 1."""
        if not self.values:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        live = trainable(module)
        values = [self.values[name] for name in live]
        torch._foreach_lerp_(values, [p.detach().float() for p in live.values()], 1 - decay)

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Exchange the averaged and the live values; call it again to change back."""
        for name, parameter in trainable(module).items():
            if name in self.values:
                live = parameter.detach().float().clone()
                parameter.copy_(self.values[name])
                self.values[name] = live

    def state_dict(self) -> dict[str, Tensor]:
        return self.values

    def load_state_dict(self, values: Mapping[str, Tensor]) -> None:
        if set(values) != set(self.values):
            wrong = sorted(set(values) ^ set(self.values))[:3]
            raise ValueError(f"the averaged weights are of another model: {', '.join(wrong)} … do not match")
        self.values = {name: values[name].clone() for name in self.values}


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that some stage trains, by name; shared ones once."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
