"""A tiny recipe, a rendered set of two clips with its caches, and trainers for them: seconds on a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan

from threedimo_core.config import MotionEncoderConfig, TokenizerConfig
from training.batches import RunBatches
from training.buckets import sort_clips
from training.building import build_trainee
from training.caches import LatentCache, vae_id
from training.data.render_command import render_set
from training.data.render_settings import RenderSettings
from training.mini import backbone as mini_backbone
from training.mini.backbone import build_backbone
from training.precompute import fill_latents
from training.recipe import ClipShapes, Flow, Geometric, Injection, Recipe, Stage
from training.trainer import Trainer

_TOKENIZER = {"width": 32, "depth": 1, "heads": 2, "stem_channels": (8, 8, 16, 16)}
ENCODER = MotionEncoderConfig(
    body=TokenizerConfig(image_size=32, num_tokens=3, **_TOKENIZER),
    hand=TokenizerConfig(image_size=16, num_tokens=1, **_TOKENIZER),
    token_dim=32,
)
SET = RenderSettings(views=2, num_frames=5, fps=8.0, height=64, width=64, hand_size=16, seed=3, kind="static")


def shrink_the_mini(patch: pytest.MonkeyPatch) -> None:
    """The mini's classes at a size that a test can train."""
    for name, value in {"WIDTH": 32, "LAYERS": 2, "HEADS": 2, "TEXT_WIDTH": 32}.items():
        patch.setattr(mini_backbone, name, value)


def tiny_stages(batch: int = 2, **settings: Any) -> tuple[Stage, Stage]:
    return (
        Stage(name="stage-1", steps=2, batch=batch, lr=1e-3, mixture={"same_view": 1}, **settings),
        Stage(name="stage-2", steps=2, batch=batch, lr=1e-3, mixture={"same_view": 1, "multi_view": 1}, **settings),
    )


def tiny_recipe(**changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "name": "tiny",
        "backbone": "mini",
        "encoder": ENCODER,
        "stages": tiny_stages(),
        "optimizer": "muon",
        "mixed_precision": "no",
        "flow": Flow(new_background=0.5),
        "injection": Injection(inner_dim=64, head_dim=32),
        "geometric": Geometric(start=0.1, steps=4, hidden_dim=16, depth=2),
    }
    return Recipe(**settings | changes)


def tiny_vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(base_dim=4, z_dim=16, num_res_blocks=1)


def rendered_set(root: Path, settings: RenderSettings = SET, clips: int = 2) -> Path:
    render_set(root, settings, list(range(clips)), quiet=True)
    return root


def fill(root: Path, vae: AutoencoderKLWan, shapes: ClipShapes | None = None) -> int:
    """Cache the latents of every clip; returns how many were made."""
    backbone = build_backbone(vae)
    found = sort_clips([root], shapes or ClipShapes(), backbone, split=None)
    cache = LatentCache(root, vae_id(vae))
    return sum(len(list(fill_latents(cache, bucket, backbone.encode_video))) for bucket in found.buckets)


def batches_for(recipe: Recipe, root: Path, vae: AutoencoderKLWan) -> RunBatches:
    return RunBatches(recipe, [root], build_backbone(vae), vae_id(vae), cache_bytes=2**28)


def trainer_for(recipe: Recipe, root: Path, vae: AutoencoderKLWan, out: Path, **options: Any) -> Trainer:
    trainee = build_trainee(recipe, build_backbone(vae, recipe.seed))
    return Trainer(recipe, trainee, batches_for(recipe, root, vae), out, **options)


def log(out: Path) -> list[dict[str, Any]]:
    """The log without what depends on the clock."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
