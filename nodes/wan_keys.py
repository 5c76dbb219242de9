"""Names of Wan's weights: diffusers' (as the mini is stored) to those of the original code, which the host uses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_TRANSFORMER = (
    (r"^condition_embedder\.time_embedder\.linear_1\.", "time_embedding.0."),
    (r"^condition_embedder\.time_embedder\.linear_2\.", "time_embedding.2."),
    (r"^condition_embedder\.text_embedder\.linear_1\.", "text_embedding.0."),
    (r"^condition_embedder\.text_embedder\.linear_2\.", "text_embedding.2."),
    (r"^condition_embedder\.time_proj\.", "time_projection.1."),
    (r"\.attn1\.to_out\.0\.", ".self_attn.o."),
    (r"\.attn2\.to_out\.0\.", ".cross_attn.o."),
    (r"\.attn1\.to_([qkv])\.", r".self_attn.\1."),
    (r"\.attn2\.to_([qkv])\.", r".cross_attn.\1."),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"^(blocks\.\d+)\.norm2\.", r"\1.norm3."),
    (r"\.ffn\.net\.0\.proj\.", ".ffn.0."),
    (r"\.ffn\.net\.2\.", ".ffn.2."),
    (r"^(blocks\.\d+)\.scale_shift_table$", r"\1.modulation"),
    (r"^scale_shift_table$", "head.modulation"),
    (r"^proj_out\.", "head.head."),
)

# In this order: the residual blocks' conv1 is not the encoder's, which gets that name afterwards.
_VAE = (
    (r"\.norm1\.", ".residual.0."),
    (r"\.conv1\.", ".residual.2."),
    (r"\.norm2\.", ".residual.3."),
    (r"\.conv2\.", ".residual.6."),
    (r"\.conv_shortcut\.", ".shortcut."),
    (r"\.mid_block\.resnets\.0\.", ".middle.0."),
    (r"\.mid_block\.attentions\.0\.", ".middle.1."),
    (r"\.mid_block\.resnets\.1\.", ".middle.2."),
    (r"\.down_blocks\.(\d+)\.", r".downsamples.\1."),
    (r"^(encoder|decoder)\.norm_out\.", r"\1.head.0."),
    (r"^(encoder|decoder)\.conv_out\.", r"\1.head.2."),
    (r"^(encoder|decoder)\.conv_in\.", r"\1.conv1."),
    (r"^quant_conv\.", "conv1."),
    (r"^post_quant_conv\.", "conv2."),
)
# A stage of the decoder: three residual blocks, then an upsampler; the original counts them all in one list.
_STAGE = 4
_DECODER = re.compile(r"^decoder\.up_blocks\.(\d+)\.(resnets|upsamplers)\.(\d+)\.")


def host_transformer_keys(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of diffusers' WanTransformer3DModel under the host's names."""
    return {_rename(name, _TRANSFORMER): value for name, value in weights.items()}


def host_vae_keys(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of diffusers' AutoencoderKLWan (the 2.1 layout) under the host's names."""
    return {_rename(_DECODER.sub(_place, name), _VAE): value for name, value in weights.items()}


def _place(found: re.Match[str]) -> str:
    stage, kind, number = int(found[1]), found[2], int(found[3])
    return f"decoder.upsamples.{stage * _STAGE + (_STAGE - 1 if kind == 'upsamplers' else number)}."


def _rename(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
