"""Injection: a motion layer after the self-attention of every block, without touching the block's code.

The residual port. The layer must act between the self-attention residual and whatever reads it next:
  * a pre-hook on the norm that follows self-attention computes δ from the residual h and passes h + δ on;
  * δ is added back where the block next joins its residual (`Port.join`).
This equals the block with the layer written into it; gradient checkpointing (non-reentrant), per-block
`torch.compile` and sharding all work, and removing the hooks gives the base model back, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .config import InjectionConfig
from .motion_attention import MotionAttention, MotionContext


@dataclass(frozen=True)
class Port:
    """Where a block lets the motion in.

    `norm`: name of the child that reads the residual right after self-attention. `join`: name of the child whose
    output is next added to that residual, or None where it is the block's own (first) output.
    """

    norm: str
    join: str | None


class MotionInjection(nn.Module):
    """All motion layers of one backbone and the learned null tokens that stand for "no motion given"."""

    def __init__(self, config: InjectionConfig, operations: Any = nn) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(MotionAttention(config, operations) for _ in range(config.num_blocks))
        self.null_tokens = nn.Parameter(torch.randn(config.num_tokens, config.token_dim) * 0.02)

    def drop(self, tokens: Tensor, dropped: Tensor) -> Tensor:
        """Replace the tokens [B, T, K, D] of clips where `dropped` [B] is True by the null tokens."""
        return torch.where(dropped[:, None, None, None], self.null_tokens.to(tokens), tokens)

    def fade(self, tokens: Tensor, body: float, hands: float, num_body_tokens: int) -> Tensor:
        """Move body and hand tokens towards the null tokens: 1 keeps them, 0 is no motion at all."""
        null = self.null_tokens.to(tokens)
        weight = tokens.new_full((tokens.shape[2], 1), hands)
        weight[:num_body_tokens] = body
        return torch.lerp(null.expand_as(tokens), tokens, weight)  # exact at both ends


class AttachedInjection:
    """Live hooks of a `MotionInjection` on a transformer; `detach()` restores the transformer."""

    def __init__(self, blocks: nn.ModuleList, injection: MotionInjection, port: Port) -> None:
        if len(blocks) != len(injection.layers):
            raise ValueError(
                f"this adapter has {len(injection.layers)} motion layers, the transformer has {len(blocks)} blocks: "
                "it was trained for another backbone"
            )
        self.blocks = blocks
        self.context: MotionContext | None = None
        self._handles: list[Any] = []
        for block, layer in zip(blocks, injection.layers, strict=True):
            self._attach_block(block, layer, port)

    def _attach_block(self, block: nn.Module, layer: Any, port: Port) -> None:
        if hasattr(block, "motion"):
            raise ValueError("this transformer already carries a motion injection: detach it first")
        # A child of its block, so that it moves, shards and is checkpointed with it.
        block.motion = layer
        delta: list[Tensor] = []

        def enter(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self.context is None:
                return None
            hidden_states = args[0]
            # Wan hands the residual over in float32 whatever its weights are: the layer computes in its own type.
            inside = hidden_states.to(layer.to_q.weight.dtype)
            delta[:] = [layer(inside, self.context).to(hidden_states.dtype)]
            return (hidden_states + delta[0], *args[1:])

        def join(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            if self.context is None:
                return None
            value = delta.pop()
            if isinstance(output, tuple):
                return (output[0] + value.to(output[0].dtype), *output[1:])
            return output + value.to(output.dtype)

        joined = block if port.join is None else block.get_submodule(port.join)
        self._handles.append(block.get_submodule(port.norm).register_forward_pre_hook(enter))
        self._handles.append(joined.register_forward_hook(join))

    @contextmanager
    def motion(self, context: MotionContext | None) -> Iterator[None]:
        """Within this context the transformer hears the motion; None runs the base model as it is.

        With gradient checkpointing the backward pass runs blocks again: it belongs inside, too.
        """
        previous, self.context = self.context, context
        try:
            yield
        finally:
            self.context = previous

    def detach(self) -> None:
        """Remove hooks and layers: code, state-dict keys and results of the base model are as before."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for block in self.blocks:
            if hasattr(block, "motion"):
                del block.motion


Family = Literal["wan", "hunyuan_video15"]
