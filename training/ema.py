"""Exponential moving average of weights, keyed by parameter name."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """Averages the float32 values of a module's parameters; early on the average forgets faster."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: p.detach().float().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        names, live = zip(*module.named_parameters(), strict=True)
        torch._foreach_lerp_([self.values[n] for n in names], [p.detach().float() for p in live], 1 - decay)

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Exchange the averaged and the live values; call it again to change back."""
        for name, parameter in module.named_parameters():
            live = parameter.detach().float().clone()
            parameter.copy_(self.values[name])
            self.values[name] = live

    def state_dict(self) -> dict[str, Tensor]:
        return self.values

    def load_state_dict(self, values: dict[str, Tensor]) -> None:
        if set(values) != set(self.values):
            wrong = sorted(set(values) ^ set(self.values))[:3]
            raise ValueError(f"the averaged weights are of another model: {', '.join(wrong)} … do not match")
        self.values = {name: values[name].clone() for name in self.values}
