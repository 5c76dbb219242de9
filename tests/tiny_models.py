"""Tiny models of the real classes for tests: random weights, real folders, seconds on a CPU."""

from __future__ import annotations

import torch
import transformers
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Transformer3DModel,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import (
    ByT5Tokenizer,
    PreTrainedTokenizerFast,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from threedimo_core.backbones import Backbone, WanBackbone
from threedimo_core.backbones.hunyuan_video15 import HunyuanVideo15Backbone
from threedimo_core.checkpoint import Adapter, TrainingRecord
from threedimo_core.config import InjectionConfig, MotionEncoderConfig, TokenizerConfig
from threedimo_core.geometric_decoder import GeometricDecoder, GeometricDecoderConfig
from threedimo_core.injection import MotionInjection
from threedimo_core.mini_tokenizer import build_tokenizer
from threedimo_core.motion_clip import MotionClip
from threedimo_core.motion_encoder import MotionEncoder

TOKEN_DIM = 16
ENCODER = MotionEncoderConfig(
    body=TokenizerConfig(image_size=32, num_tokens=3, width=16, depth=1, heads=2, stem_channels=(8, 8, 8, 8)),
    hand=TokenizerConfig(image_size=16, num_tokens=1, width=16, depth=1, heads=2, stem_channels=(8, 8, 8, 8)),
    token_dim=TOKEN_DIM,
)
NUM_TOKENS = ENCODER.num_tokens
RECORD = TrainingRecord(
    stage="3", steps=7, data_licence="CC0", made_by="a test", fps=12.0, height=32, width=32, num_frames=9,
    sampling_steps=2,
)  # fmt: skip


def wan_transformer(dim: int = 32, blocks: int = 2, **settings: object) -> WanTransformer3DModel:
    torch.manual_seed(0)
    defaults = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": dim // 2,
        "in_channels": 4,
        "out_channels": 4,
        "text_dim": 16,
        "freq_dim": 16,
        "ffn_dim": 48,
        "num_layers": blocks,
        "cross_attn_norm": True,
        "rope_max_seq_len": 64,
    }
    return WanTransformer3DModel(**{**defaults, **settings}).eval()


def wan_vae(channels: int = 4) -> AutoencoderKLWan:
    torch.manual_seed(1)
    return AutoencoderKLWan(
        base_dim=8, z_dim=channels, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True],
        latents_mean=[0.1] * channels, latents_std=[0.9] * channels,
    ).eval()  # fmt: skip


def wan22_vae() -> AutoencoderKLWan:
    """The VAE of TI2V-5B: residual, patched, 16×16×4."""
    torch.manual_seed(1)
    return AutoencoderKLWan(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1] * 4,
        latents_std=[0.9] * 4,
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    ).eval()


def wan_backbone(dim: int = 32, blocks: int = 2, **settings: object) -> WanBackbone:
    tokenizer = build_tokenizer()
    torch.manual_seed(2)
    text_encoder = UMT5EncoderModel(
        UMT5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    ).eval()
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    return WanBackbone(wan_transformer(dim, blocks, **settings), wan_vae(), text_encoder, tokenizer, scheduler)


def hunyuan_transformer(dim: int = 32, blocks: int = 2, **settings: object) -> HunyuanVideo15Transformer3DModel:
    torch.manual_seed(0)
    defaults = {
        "in_channels": 9,
        "out_channels": 4,
        "num_attention_heads": 2,
        "attention_head_dim": dim // 2,
        "num_layers": blocks,
        "num_refiner_layers": 1,
        "mlp_ratio": 2.0,
        "text_embed_dim": 16,
        "text_embed_2_dim": 24,
        "image_embed_dim": 12,
        "rope_axes_dim": (4, 6, 6),
        "target_size": 32,
    }
    return HunyuanVideo15Transformer3DModel(**{**defaults, **settings}).eval()


def hunyuan_vae() -> AutoencoderKLHunyuanVideo15:
    torch.manual_seed(1)
    return AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(32, 32, 32, 32), layers_per_block=1, spatial_compression_ratio=8
    ).eval()


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """A letter is a token; the chat template has the roles of Qwen's."""
    letters = ["[PAD]", "[UNK]", *map(chr, range(32, 127)), "\n"]
    tokenizer = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", padding_side="right",
        chat_template="{% for m in messages %}{{ m.role }}\n{{ m.content }}\n{% endfor %}assistant\n",
    )  # fmt: skip


def hunyuan_backbone(dim: int = 32, blocks: int = 2, **settings: object) -> HunyuanVideo15Backbone:
    transformer, vae, tokenizer = hunyuan_transformer(dim, blocks, **settings), hunyuan_vae(), chat_tokenizer()
    torch.manual_seed(2)
    text = Qwen2_5_VLTextConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=2048,
        rope_scaling={"type": "mrope", "mrope_section": [1, 1, 2], "rope_type": "default"},
    )  # fmt: skip
    glyph = T5Config(vocab_size=384, d_model=24, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    image = SiglipVisionConfig(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    return HunyuanVideo15Backbone(
        transformer=transformer,
        vae=vae,
        text_encoder=Qwen2_5_VLTextModel(text).eval(),
        tokenizer=tokenizer,
        text_encoder_2=T5EncoderModel(glyph).eval(),
        tokenizer_2=ByT5Tokenizer(),
        image_encoder=SiglipVisionModel(image).eval(),
        feature_extractor=_image_processor()(size={"height": 32, "width": 32}),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
    )


def _image_processor() -> type:
    return getattr(transformers, "SiglipImageProcessorPil", None) or transformers.SiglipImageProcessor


BACKBONES = {"wan": wan_backbone, "hunyuan_video15": hunyuan_backbone}


def awaken(injection: MotionInjection) -> MotionInjection:
    """Give the zero-initialised output projections weights, as training would."""
    torch.manual_seed(3)
    for layer in injection.layers:
        nn.init.normal_(layer.to_out.weight, std=0.3)
        nn.init.normal_(layer.to_out.bias, std=0.1)
    return injection


def injection_for(backbone: Backbone, awake: bool = True, **settings: object) -> MotionInjection:
    torch.manual_seed(4)
    sizes = {"inner_dim": 16, "head_dim": 8, **settings}
    injection = MotionInjection(backbone.injection_config(TOKEN_DIM, NUM_TOKENS, **sizes)).eval()
    return awaken(injection) if awake else injection


def layer_config(**settings: object) -> InjectionConfig:
    defaults = {
        "hidden_dim": 32,
        "num_blocks": 2,
        "token_dim": TOKEN_DIM,
        "num_tokens": NUM_TOKENS,
        "inner_dim": 16,
        "head_dim": 8,
    }
    return InjectionConfig(**{**defaults, **settings})


def adapter_for(backbone: Backbone, decoder: bool = True, record: TrainingRecord = RECORD) -> Adapter:
    torch.manual_seed(5)
    config = GeometricDecoderConfig(token_dim=TOKEN_DIM, body_tokens=3, hand_tokens=1, hidden_dim=16, depth=2)
    return Adapter(
        encoder=MotionEncoder(ENCODER).eval(),
        injection=injection_for(backbone),
        decoder=GeometricDecoder(config).eval() if decoder else None,
        family=backbone.family,
        dims=backbone.dims,
        record=record,
    )


def random_motion(adapter: Adapter, frames: int = 9, seed: int = 0, fps: float = 12.0) -> MotionClip:
    generator = torch.Generator().manual_seed(seed)
    return MotionClip(
        body=torch.randn(frames, 3, TOKEN_DIM, generator=generator),
        hands=torch.randn(frames, 2, TOKEN_DIM, generator=generator),
        hand_present=torch.ones(frames, 2, dtype=torch.bool),
        fps=fps,
        encoder_id=adapter.encoder_id,
        source_size=(64, 48),
    )
