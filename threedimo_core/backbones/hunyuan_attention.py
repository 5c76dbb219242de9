"""HunyuanVideo-1.5's joint attention with a mask over keys instead of a dense one.

diffusers builds a [B, 1, S, S] mask in every block: 2.4 GB a copy at 121 frames of 480p. Padded text tokens must not
be read; what they themselves read does not matter, as nothing reads them. So a [B, 1, 1, S] mask gives the video and
the real text tokens the same result. With no padding there is no mask, and flash attention can run.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor


class KeyMaskProcessor:
    """Attention processor for `HunyuanVideo15TransformerBlock.attn`.

    masked: False promises that the forward under way has no padding, which only its caller can know without waiting
    for the device.
    """

    # Names that diffusers sets for other attention backends and for context parallelism.
    _attention_backend = None
    _parallel_config = None

    def __init__(self) -> None:
        self.masked = True

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor,
        image_rotary_emb: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Video [B, N, C] and text [B, M, C] with the text's mask [B, M] → both, attended jointly."""
        video_tokens = hidden_states.shape[1]
        video = self._project(hidden_states, attn.heads, attn.to_q, attn.to_k, attn.to_v, attn.norm_q, attn.norm_k)
        text = self._project(
            encoder_hidden_states,
            attn.heads,
            attn.add_q_proj,
            attn.add_k_proj,
            attn.add_v_proj,
            attn.norm_added_q,
            attn.norm_added_k,
        )
        turned = [apply_rotary_emb(x, image_rotary_emb, sequence_dim=1) for x in video[:2]]
        query, key, value = (torch.cat(pair, dim=1) for pair in zip([*turned, video[2]], text, strict=True))
        mask = None
        if self.masked:
            mask = F.pad(attention_mask.bool(), (video_tokens, 0), value=True)[:, None, None]
        out = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=mask,
            backend=self._attention_backend,
            parallel_config=self._parallel_config,
        )
        out = out.flatten(2, 3).to(query.dtype)
        video_out, text_out = out[:, :video_tokens], out[:, video_tokens:]
        return attn.to_out[1](attn.to_out[0](video_out)), attn.to_add_out(text_out)

    @staticmethod
    def _project(
        x: Tensor, heads: int, to_q: Any, to_k: Any, to_v: Any, norm_q: Any, norm_k: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, S, H, D], the first two normalised."""
        query, key, value = (layer(x).unflatten(2, (heads, -1)) for layer in (to_q, to_k, to_v))
        return norm_q(query), norm_k(key), value
