"""Cache a data set's target latents: `python -m training precompute --data DIR --vae DIR [--shard i/n]`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from .data.clip_store import ClipStore
from .data.manifest import read_manifest
from .data.render_command import parse_shard
from .mini.planar_vae import encode_moments, planar
from .precompute import Encode, LatentCache, vae_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set")
    parser.add_argument("--vae", type=Path, required=True, help="folder of a Wan VAE in diffusers form")
    parser.add_argument("--shard", type=parse_shard, default=(0, 1), metavar="i/n", help="every n-th record (0/1)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    vae = AutoencoderKLWan.from_pretrained(arguments.vae).eval().requires_grad_(False)
    records = read_manifest(arguments.data)
    cache = LatentCache(arguments.data, vae_id(vae))
    with planar(vae):
        done = cache.fill(records, ClipStore(arguments.data), _encoder(vae), arguments.shard)
        made = sum(1 for _ in tqdm(done, total=len(records) // arguments.shard[1], desc="latents"))
    print(f"{made} performances encoded into {cache.folder}")
    return 0


def _encoder(vae: AutoencoderKLWan) -> Encode:
    """Normalised posterior means; compiled, since thousands of clips share one shape."""
    mean = rearrange(torch.tensor(vae.config.latents_mean), "c -> 1 c 1 1 1")
    std = rearrange(torch.tensor(vae.config.latents_std), "c -> 1 c 1 1 1")
    moments = torch.compile(encode_moments, dynamic=False)

    def encode(frames: Tensor) -> Tensor:
        video = rearrange(frames, "b t c h w -> b c t h w") * 2 - 1
        with torch.autocast("cpu", torch.bfloat16):
            latents = moments(vae, video).chunk(2, dim=1)[0]
        return (latents.float() - mean) / std

    return encode
