"""A fresh mini backbone: the Wan 2.2 TI2V architecture at small width, its text encoder, and our trained VAE.

Every part is the real class that the 5B model uses, so the mini exercises the same code in every host.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from threedimo_core.backbones import WanBackbone
from threedimo_core.mini_tokenizer import build_tokenizer

WIDTH, LAYERS, HEADS = 192, 6, 2
TEXT_WIDTH = 128
SAMPLING_SHIFT = 2.0


def build_transformer() -> WanTransformer3DModel:
    """Two wide heads: attention on a CPU costs by the head."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=HEADS,
        attention_head_dim=WIDTH // HEADS,
        in_channels=16,
        out_channels=16,
        text_dim=TEXT_WIDTH,
        freq_dim=WIDTH,
        ffn_dim=4 * WIDTH,
        num_layers=LAYERS,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=128,
    )


def build_text_encoder(vocabulary_size: int) -> UMT5EncoderModel:
    """Two layers are enough for a grammar of a few hundred words; it trains with everything else."""
    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=vocabulary_size,
            d_model=TEXT_WIDTH,
            d_kv=32,
            d_ff=2 * TEXT_WIDTH,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )


def build_backbone(vae: Path | AutoencoderKLWan, seed: int = 0) -> WanBackbone:
    """`vae`: a trained VAE or its diffusers folder; everything else starts from `seed`."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    autoencoder = vae if isinstance(vae, AutoencoderKLWan) else AutoencoderKLWan.from_pretrained(vae)
    return WanBackbone(
        transformer=build_transformer(),
        vae=autoencoder.eval().requires_grad_(False),
        text_encoder=build_text_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=SAMPLING_SHIFT),
    )
