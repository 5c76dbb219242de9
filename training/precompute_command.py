"""Cache what frozen networks say of a data set, once: target latents and, for pretrained backbones, text embeddings.

For the mini model the VAE's folder is enough:
    python -m training precompute --data DIR --vae DIR
For a pretrained backbone the recipe says at which sizes and lengths clips are used:
    python -m training precompute RECIPE.yaml --data DIR --backbone FOLDER [--shard 0/8]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from threedimo_core.backbones import Backbone

from .buckets import sort_clips
from .caches import LatentCache, TextCache, vae_id
from .data.render_command import parse_shard
from .mini.backbone import build_backbone
from .mini.planar_vae import encode_moments, planar
from .muon import computes_bf16
from .opening import ENCODERS, backbone_folder, folder_id, open_pieces
from .precompute import Encode, describe_reference, fill_latents, fill_text
from .recipe import ClipShapes, Recipe, load_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, nargs="?", default=None, help="YAML file: which sizes, which backbone")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of data sets")
    parser.add_argument("--vae", type=Path, default=None, help="folder of the mini model's VAE in diffusers form")
    parser.add_argument("--backbone", type=Path, default=None, help="diffusers folder of a pretrained backbone")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ... (%(default)s)")
    parser.add_argument("--shard", type=parse_shard, default=(0, 1), metavar="i/n", help="every n-th record (0/1)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    recipe = load_recipe(arguments.recipe) if arguments.recipe else None
    if recipe is None or recipe.backbone == "mini":
        if arguments.vae is None:
            raise ValueError("name the mini model's VAE with --vae, or a recipe and its backbone's folder")
        return _mini(arguments, recipe.data if recipe else ClipShapes())
    return _pretrained(arguments, recipe)


def latents_id(folder: Path, family: str) -> str:
    """Names the networks that latents and references of a pretrained backbone come from."""
    return folder_id(folder, [piece for piece in ENCODERS[family] if not piece.startswith("text")])


def text_id(folder: Path, family: str) -> str:
    """Names the networks that the text embeddings of a pretrained backbone come from."""
    return folder_id(folder, [piece for piece in ENCODERS[family] if piece.startswith("text")])


def _mini(arguments: argparse.Namespace, shapes: ClipShapes) -> int:
    vae = AutoencoderKLWan.from_pretrained(arguments.vae).eval().requires_grad_(False)
    with planar(vae):
        _fill_latents(arguments, shapes, build_backbone(vae), vae_id(vae), _planar_encoder(vae))
    return 0


def _pretrained(arguments: argparse.Namespace, recipe: Recipe) -> int:
    folder = backbone_folder(recipe, arguments.backbone)
    backbone = open_pieces(folder, set(ENCODERS["wan"] + ENCODERS["hunyuan_video15"]), torch.bfloat16)
    with _on_device(backbone, arguments.device, [p for p in ENCODERS[backbone.family] if not p.startswith("text")]):
        _fill_latents(arguments, recipe.data, backbone, latents_id(folder, backbone.family), backbone.encode_video)
    with _on_device(backbone, arguments.device, [p for p in ENCODERS[backbone.family] if p.startswith("text")]):
        for root in arguments.data:
            records = [r for b in sort_clips([root], recipe.data, backbone, split=None).buckets for r in b.records]
            cache = TextCache(root, text_id(folder, backbone.family))
            made = sum(1 for _ in tqdm(fill_text(cache, records, backbone, arguments.shard), desc="captions"))
            print(f"{made} captions encoded into {cache.root / 'text' / cache.text}")
    return 0


@contextmanager
def _on_device(backbone: Backbone, device: str, names: list[str]) -> Iterator[None]:
    """These networks on the device; the others wait in main memory."""
    for name in names:
        getattr(backbone, name).to(device)
    try:
        yield
    finally:
        for name in names:
            getattr(backbone, name).to("cpu")


def _fill_latents(
    arguments: argparse.Namespace, shapes: ClipShapes, backbone: Backbone, identity: str, encode: Encode
) -> None:
    found = sort_clips(arguments.data, shapes, backbone, split=None)
    print(found.report(), flush=True)
    describe = describe_reference(backbone)
    made = 0
    total = sum(len(bucket.records) for bucket in found.buckets) // arguments.shard[1]
    with tqdm(total=total, desc="latents") as bar:
        for bucket in found.buckets:
            cache = LatentCache(bucket.root, identity)
            for _ in fill_latents(cache, bucket, encode, arguments.shard, describe):
                made += 1
                bar.update()
    print(f"{made} clips encoded into latents/{identity} of {', '.join(map(str, arguments.data))}")


def _planar_encoder(vae: AutoencoderKLWan) -> Encode:
    """Normalised posterior means; compiled, since thousands of clips share one shape."""
    mean = rearrange(torch.tensor(vae.config.latents_mean), "c -> 1 c 1 1 1")
    std = rearrange(torch.tensor(vae.config.latents_std), "c -> 1 c 1 1 1")
    moments = torch.compile(encode_moments, dynamic=False)

    def encode(frames: Tensor) -> Tensor:
        video = rearrange(frames, "b t c h w -> b c t h w") * 2 - 1
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_bf16()):
            latents = moments(vae, video).chunk(2, dim=1)[0]
        return (latents.float() - mean) / std

    return encode
