"""Train the mini model's VAE on a rendered set: `python -m training mini-vae --data DIR --out DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from einops import reduce
from torch import Tensor
from tqdm import tqdm

from ..data.clip_store import ClipStore
from ..data.manifest import read_manifest
from .planar_vae import encode_moments, planar
from .vae import VaeSettings, VaeTrainer, fold_statistics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of a rendered set")
    parser.add_argument("--out", type=Path, required=True, help="folder to write `vae/` to")
    parser.add_argument("--minutes", type=float, default=None, help="stop by time instead of by steps")
    parser.add_argument("--steps", type=int, default=20_000, help="(%(default)s)")
    parser.add_argument("--base-dim", type=int, default=16, help="base width (%(default)s)")
    parser.add_argument("--start", type=Path, default=None, help="folder of a VAE to go on from")
    parser.add_argument("--skeleton-steps", type=int, default=4000, help="without residual branches (%(default)s)")
    parser.add_argument("--lr", type=float, default=2e-3, help="peak learning rate (%(default)s)")
    parser.add_argument("--crop", type=int, default=64, help="side of the training squares in pixels (%(default)s)")
    parser.add_argument("--side", type=int, default=None, help="shrink the pictures to this side first (not at all)")
    parser.add_argument("--batch", type=int, default=16, help="squares a step (%(default)s)")
    parser.add_argument("--no-compile", action="store_true", help="for short runs: compiling takes minutes")
    parser.add_argument("--video-every", type=int, default=8, help="one step in this many is a clip (%(default)s)")
    parser.add_argument("--clips", type=int, default=4000, help="most views to keep in memory (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(arguments.threads)
    clips, masks = load_views(arguments.data, arguments.clips, arguments.side)
    settings = VaeSettings(
        base_dim=arguments.base_dim,
        steps=arguments.steps,
        minutes=arguments.minutes,
        lr=arguments.lr,
        crop=arguments.crop,
        batch=arguments.batch,
        skeleton_steps=arguments.skeleton_steps,
        video_every=arguments.video_every,
    )
    start = AutoencoderKLWan.from_pretrained(arguments.start) if arguments.start else None
    trainer = VaeTrainer(settings, clips, masks, arguments.out, not arguments.no_compile, start)
    for record in trainer.run():
        print({k: round(v, 4) for k, v in record.items()}, flush=True)
    mean, std = latent_statistics(trainer.ema, clips)
    fold_statistics(trainer.ema, mean, std)
    trainer.save()
    print(f"{arguments.out / 'vae'}: latents rescaled from mean {mean.tolist()}, std {std.tolist()}")
    return 0


def load_views(root: Path, most: int, side: int | None = None) -> tuple[Tensor, Tensor]:
    """Clips uint8 [N, T, 3, H, W] and masks uint8 [N, T, H, W] of up to `most` views, with side: shrunk to squares."""
    store, clips, masks = ClipStore(root), [], []
    views = [(record, view) for record in read_manifest(root) for view in range(len(record["views"]))]
    for record, view in tqdm(views[:most], desc="reading views"):
        clip, mask = store.frames(record, view), torch.from_numpy(store.mask(record, view)).to(torch.uint8) * 255
        clips.append(_shrunk(clip, side))
        masks.append(_shrunk(mask[:, None], side)[:, 0])
    return torch.stack(clips), torch.stack(masks)


def _shrunk(pictures: Tensor, side: int | None) -> Tensor:
    return pictures if side is None else F.interpolate(pictures, (side, side), mode="bilinear", antialias=True)


@torch.no_grad()
def latent_statistics(vae: AutoencoderKLWan, clips: Tensor, count: int = 64) -> tuple[Tensor, Tensor]:
    """Mean and spread of each latent channel over `count` clips."""
    chosen = torch.linspace(0, len(clips) - 1, min(count, len(clips))).long()
    with planar(vae):
        latents = [
            encode_moments(vae, (clips[i][None].float() / 127.5 - 1).transpose(1, 2)).chunk(2, 1)[0] for i in chosen
        ]
    stacked = torch.cat(latents)
    mean = reduce(stacked, "n c l h w -> c", "mean")
    return mean, (stacked - mean.view(1, -1, 1, 1, 1)).square().mean((0, 2, 3, 4)).sqrt()
