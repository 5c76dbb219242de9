"""Optimisers by name. Adam is the paper's; Muon learns faster where everything starts from nothing (the mini)."""

from __future__ import annotations

import torch
from torch import nn

from .recipe import Recipe

# Matrices whose rows are looked up or whose output is read directly are not "hidden" and stay with AdamW.
_NOT_HIDDEN = (
    *("embed", "proj_out", "shared", "relative_attention_bias"),
    *("null_tokens", "side", "absent", "latents", "position"),
)


class Optimizers:
    """One or two torch optimisers behind one interface; `lr` is that of Adam, Muon's is a fixed multiple of it."""

    def __init__(self, module: nn.Module, recipe: Recipe) -> None:
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        hidden = [p for n, p in named if recipe.optimizer == "muon" and _is_hidden(n, p)]
        chosen = {id(p) for p in hidden}
        rest = [p for _, p in named if id(p) not in chosen]
        adam = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
        self.all: list[torch.optim.Optimizer] = [
            adam(rest, lr=1.0, betas=(0.9, 0.99), weight_decay=recipe.weight_decay, foreach=True)
        ]
        if hidden:
            muon = torch.optim.Muon(hidden, lr=1.0, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")
            self.all.append(muon)

    def step(self, lr: float) -> None:
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()

    def zero_grad(self) -> None:
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict:
        return {str(i): optimizer.state_dict() for i, optimizer in enumerate(self.all)}

    def load_state_dict(self, state: dict) -> None:
        for i, optimizer in enumerate(self.all):
            optimizer.load_state_dict(state[str(i)])


def _is_hidden(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim == 2 and min(parameter.shape) > 16 and not any(word in name for word in _NOT_HIDDEN)
