"""diffusers' HunyuanVideo-1.5 weights under the host's names, for the parity test."""

from __future__ import annotations

import re

import torch
from torch import Tensor

_RULES = (
    (r"^x_embedder\.", "img_in."),
    (r"^image_embedder\.norm_in\.", "vision_in.proj.0."),
    (r"^image_embedder\.linear_1\.", "vision_in.proj.1."),
    (r"^image_embedder\.linear_2\.", "vision_in.proj.3."),
    (r"^image_embedder\.norm_out\.", "vision_in.proj.4."),
    (r"^context_embedder\.time_text_embed\.timestep_embedder\.linear_1\.", "txt_in.t_embedder.in_layer."),
    (r"^context_embedder\.time_text_embed\.timestep_embedder\.linear_2\.", "txt_in.t_embedder.out_layer."),
    (r"^context_embedder\.time_text_embed\.text_embedder\.linear_1\.", "txt_in.c_embedder.in_layer."),
    (r"^context_embedder\.time_text_embed\.text_embedder\.linear_2\.", "txt_in.c_embedder.out_layer."),
    (r"^context_embedder\.proj_in\.", "txt_in.input_embedder."),
    (r"^context_embedder\.token_refiner\.refiner_blocks\.", "txt_in.individual_token_refiner.blocks."),
    (r"(blocks\.\d+)\.norm_out\.linear\.", r"\1.adaLN_modulation.1."),
    (r"(refiner\.blocks\.\d+)\.attn\.to_out\.0\.", r"\1.self_attn.proj."),
    (r"(refiner\.blocks\.\d+)\.attn\.qkv\.", r"\1.self_attn.qkv."),
    (r"(refiner\.blocks\.\d+)\.ff\.net\.0\.proj\.", r"\1.mlp.0."),
    (r"(refiner\.blocks\.\d+)\.ff\.net\.2\.", r"\1.mlp.2."),
    (r"^context_embedder_2\.norm\.", "byt5_in.layernorm."),
    (r"^context_embedder_2\.linear_", "byt5_in.fc"),
    (r"^time_embed\.timestep_embedder\.linear_1\.", "time_in.in_layer."),
    (r"^time_embed\.timestep_embedder\.linear_2\.", "time_in.out_layer."),
    (r"^cond_type_embed\.", "cond_type_embedding."),
    (r"^transformer_blocks\.", "double_blocks."),
    (r"\.norm1\.linear\.", ".img_mod.lin."),
    (r"\.norm1_context\.linear\.", ".txt_mod.lin."),
    (r"(double_blocks\.\d+)\.attn\.norm_q\.weight", r"\1.img_attn.norm.query_norm.SCALE"),
    (r"(double_blocks\.\d+)\.attn\.norm_k\.weight", r"\1.img_attn.norm.key_norm.SCALE"),
    (r"(double_blocks\.\d+)\.attn\.norm_added_q\.weight", r"\1.txt_attn.norm.query_norm.SCALE"),
    (r"(double_blocks\.\d+)\.attn\.norm_added_k\.weight", r"\1.txt_attn.norm.key_norm.SCALE"),
    (r"(double_blocks\.\d+)\.attn\.to_out\.0\.", r"\1.img_attn.proj."),
    (r"(double_blocks\.\d+)\.attn\.to_add_out\.", r"\1.txt_attn.proj."),
    (r"(double_blocks\.\d+)\.attn\.qkv\.", r"\1.img_attn.qkv."),
    (r"(double_blocks\.\d+)\.attn\.add_qkv\.", r"\1.txt_attn.qkv."),
    (r"(double_blocks\.\d+)\.ff\.net\.0\.proj\.", r"\1.img_mlp.0."),
    (r"(double_blocks\.\d+)\.ff\.net\.2\.", r"\1.img_mlp.2."),
    (r"(double_blocks\.\d+)\.ff_context\.net\.0\.proj\.", r"\1.txt_mlp.0."),
    (r"(double_blocks\.\d+)\.ff_context\.net\.2\.", r"\1.txt_mlp.2."),
    (r"^norm_out\.linear\.", "final_layer.adaLN_modulation.1."),
    (r"^proj_out\.", "final_layer.linear."),
)


def host_hunyuan_keys(weights: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """`like`: the host model's own weights; they tell what its norms call their scale."""
    scale = "scale" if any(name.endswith("query_norm.scale") for name in like) else "weight"
    merged = dict(weights)
    for kind, parts in (("qkv", ("to_q", "to_k", "to_v")), ("add_qkv", ("add_q_proj", "add_k_proj", "add_v_proj"))):
        for name in [n for n in weights if f".{parts[0]}." in n]:
            pieces = [merged.pop(name.replace(parts[0], part)) for part in parts]
            merged[name.replace(parts[0], kind)] = torch.cat(pieces)
    renamed = {}
    for name, value in merged.items():
        if name.startswith("norm_out.linear."):  # diffusers has scale before shift, the host shift before scale
            value = torch.cat(value.chunk(2)[::-1])
        for pattern, replacement in _RULES:
            name = re.sub(pattern, replacement, name)
        renamed[name.replace("SCALE", scale)] = value
    return renamed
