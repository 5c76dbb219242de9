"""Optimisers by name. Adam is the paper's; Muon learns faster where everything starts from nothing (the mini).

The 8-bit ones (torchao) keep Adam's two moments in a byte each: a quarter of the memory. On disk every state is an
ordinary float tensor under its parameter's name, so that a run resumes on any number of processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .ema import trainable
from .low_bit import plain_state, restore_state
from .muon import muon
from .recipe import Recipe, RecipeError

# Matrices whose rows are looked up or whose output is read directly are not "hidden" and stay with AdamW.
_NOT_HIDDEN = (
    *("embed", "proj_out", "shared", "relative_attention_bias"),
    *("null_tokens", "side", "absent", "latents", "position"),
)


class Optimizers:
    """One or two torch optimisers behind one interface; `lr` is that of Adam, Muon's is a fixed multiple of it."""

    def __init__(self, module: nn.Module, recipe: Recipe) -> None:
        self.named = trainable(module)
        hidden = [p for n, p in self.named.items() if recipe.optimizer == "muon" and is_hidden(n, p)]
        chosen = {id(p) for p in hidden}
        rest = [p for p in self.named.values() if id(p) not in chosen]
        self.all: list[torch.optim.Optimizer] = [_adam(rest, recipe)] if rest else []
        if hidden:
            self.all.append(muon(hidden, lr=1.0, weight_decay=recipe.weight_decay))

    def step(self, lr: float) -> None:
        for optimizer in self.all:
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):  # compiled optimisers: another float would compile them again
                    group["lr"].fill_(lr)
                else:
                    group["lr"] = lr
            optimizer.step()

    def zero_grad(self) -> None:
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)

    # --- for checkpoints --------------------------------------------------------------------------------------

    def prepare_states(self, names: Collection[str]) -> None:
        """Give these parameters their states, as their first step would, so that saved ones have a place to go."""
        for name in names:
            if name in self.named:
                self.named[name].grad = torch.zeros_like(self.named[name])
        self.step(0.0)
        self.zero_grad()

    def state_tensors(self) -> dict[str, Tensor]:
        """`<parameter>/<state>` → float tensor: what a checkpoint holds. Quantised states are given as floats."""
        return {key: plain_state(value) for key, value in self._states()}

    @torch.no_grad()
    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state_tensors` gave; call `prepare_states` before."""
        for key, value in self._states():
            if tensors[key] is not value:
                restore_state(value, tensors[key])

    def _states(self) -> Iterable[tuple[str, Tensor]]:
        names = {id(p): name for name, p in self.named.items()}
        for optimizer in self.all:
            for parameter, states in optimizer.state.items():
                for key, value in states.items():
                    if isinstance(value, Tensor):
                        yield f"{names[id(parameter)]}/{key}", value


def _adam(parameters: list[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    shared: dict[str, Any] = {"betas": recipe.betas, "weight_decay": recipe.weight_decay}
    if recipe.optimizer.endswith("8bit"):
        low = _low_bit()
        cls = low.Adam8bit if recipe.optimizer == "adam8bit" else low.AdamW8bit
        optimizer: torch.optim.Optimizer = cls(parameters, lr=1.0, **shared)
        return optimizer
    shared |= {"fused": True} if recipe.fused else {"foreach": True}
    return (torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW)(parameters, lr=1.0, **shared)


def _low_bit() -> Any:
    try:
        import torchao.optim
    except ImportError as error:
        raise RecipeError("an 8-bit optimizer needs torchao: pip install torchao (or choose adam or adamw)") from error
    return torchao.optim


def is_hidden(name: str, parameter: nn.Parameter) -> bool:
    """Whether Muon takes this parameter: a matrix between hidden layers."""
    return parameter.ndim == 2 and min(parameter.shape) > 16 and not any(word in name for word in _NOT_HIDDEN)
