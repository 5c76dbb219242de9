"""Scaled dot-product attention for the motion layers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

# On CPUs torch's fused attention is built for long sequences: backward through 41 tokens (the mini encoder) took
# 4 times as long as two plain matrix products, through 11 tokens (its hands) 7 times; at 320 tokens it was even.
_SHORT = 256


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """[N, H, S, D], [N, H, M, D], [N, H, M, D] → [N, H, S, D]. `mask`: bool, True where a key may be read."""
    query, key = query.to(value.dtype), key.to(value.dtype)
    if query.device.type != "cpu" or key.shape[-2] > _SHORT:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.float().softmax(-1).to(value.dtype) @ value
