"""What a training step of the method costs beside the same step of the bare DiT, in one run.

- bare DiT: diffusers' transformer alone, its text embeddings given: forward, flow loss, backward, optimiser;
- DiT and its text encoder: the same with the captions encoded, where that encoder trains (the mini's does);
- training step: the trainer's own, with motion encoder, injection, D_g, clipping and the average of the weights.

Batches are made beforehand (in training, workers make them ahead). The three alternate, so that drift meets all alike.

    python -m training bench step training/recipes/mini.yaml --clip 17x128x128 --batch 8
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import nn

from threedimo_core.flow import interpolate, velocity_target
from threedimo_core.paths import atomic_path

from ..batches import spread
from ..buckets import Shape
from ..building import build_trainee
from ..mini.backbone import build_backbone
from ..optimizers import Optimizers
from ..parallel import Engine
from ..plan_command import parse_clip
from ..recipe import Recipe, RecipeError, load_recipe
from ..trainee import REFERENCE_LATENT, Batch, Trainee
from ..trainer import Trainer
from .measuring import alternating_medians

AIM = 1.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="of the mini backbone, e.g. training/recipes/mini.yaml")
    parser.add_argument("--clip", type=parse_clip, default=Shape(17, 128, 128), metavar="FxHxW", help="(17x128x128)")
    parser.add_argument("--batch", type=int, default=8, help="clips a step (%(default)s)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of the timing (%(default)s)")
    parser.add_argument("--threads", type=int, default=None, help="torch threads (default: torch's own choice)")
    parser.add_argument("--cpu-time", action="store_true", help="processor seconds, for a machine with other work")
    parser.add_argument("--out", type=Path, default=None, help="also write the figures to this JSON file")


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    figures = time_steps(load_recipe(arguments.recipe), arguments.clip, arguments.batch, arguments.repeats, clock)
    print(report(figures))
    if arguments.out:
        with atomic_path(arguments.out) as draft:
            draft.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def time_steps(
    recipe: Recipe, clip: Shape, batch: int, repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """Median seconds of the three steps and their ratios."""
    if recipe.backbone != "mini":
        raise RecipeError("the step is timed on the mini backbone, whose weights are made on the spot")
    recipe = _endless(recipe, batch)
    trainee, given = _trainee(recipe), random_batch(recipe, clip, batch)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe, trainee, lambda step, samples: dict(given), Path(folder))
        runs: dict[str, Callable[[], Any]] = {
            "bare DiT": _bare_step(recipe, given, text=False),
            "DiT and its text encoder": _bare_step(recipe, given, text=True),
            "training step": trainer.train_step,
        }
        seconds = alternating_medians(runs, repeats, trainer.engine.device, clock=clock)
        trainer.tracking.close()
    whole = seconds["training step"]
    return {
        "recipe": recipe.name,
        "clip": str(clip),
        "batch": batch,
        "threads": torch.get_num_threads(),
        "mixed precision": recipe.precision,
        "clock": "processor" if clock is time.process_time else "wall",
        "seconds": seconds,
        "ratio": whole / seconds["DiT and its text encoder"],
        "ratio to the bare DiT": whole / seconds["bare DiT"],
    }


def _endless(recipe: Recipe, batch: int) -> Recipe:
    """One stage that generates, longer than any timing, under geometric supervision."""
    stage = next(stage for stage in recipe.stages if stage.generate)
    return replace(
        recipe, stages=(replace(stage, steps=10**6, batch=batch),), geometric=replace(recipe.geometric, steps=10**6)
    )


def _trainee(recipe: Recipe) -> Trainee:
    # The VAE takes no part in a step: latents are cached.
    return build_trainee(recipe, build_backbone(AutoencoderKLWan(base_dim=8, z_dim=16), recipe.seed))


def random_batch(recipe: Recipe, clip: Shape, batch: int) -> Batch:
    """A batch of the shapes that training has, of random values."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.stack([spread(clip.frames, recipe.flow.driver_frames, generator) for _ in range(batch)])
    count, body = frames.shape[1], recipe.encoder.body.image_size
    hand = recipe.encoder.hand.image_size if recipe.encoder.hand else 16
    latents = (batch, 16, (clip.frames - 1) // 4 + 1, clip.height // 8, clip.width // 8)
    return {
        "driver": torch.rand(batch, count, 3, body, body, generator=generator),
        "hands": torch.rand(batch, count, 2, 3, hand, hand, generator=generator),
        "hand_present": torch.ones(batch, count, 2, dtype=torch.bool),
        "pose": torch.eye(3).expand(batch, count, 51, 3, 3),
        "pose_mask": torch.ones(batch, count, 51, dtype=torch.bool),
        "clean": torch.randn(latents, generator=generator),
        "noise": torch.randn(latents, generator=generator),
        "person": torch.zeros(batch, *latents[2:]),
        "sigma": torch.rand(batch, generator=generator),
        "frame_numbers": frames,
        "drop_motion": torch.zeros(batch, dtype=torch.bool),
        "prompts": ["Front-right view. The camera arcs left."] * batch,
    }


def _bare_step(recipe: Recipe, batch: Batch, text: bool) -> Callable[[], None]:
    """Forward, backward and optimiser of a fresh transformer (with its text encoder) as the base model trains."""
    backbone = build_backbone(AutoencoderKLWan(base_dim=8, z_dim=16), recipe.seed)
    engine = Engine(recipe.precision)
    trained = nn.ModuleDict({"transformer": backbone.transformer})
    if text:
        trained["text_encoder"] = backbone.text_encoder
    if recipe.compile:
        backbone.transformer.compile_repeated_blocks(dynamic=False)
    optimizers = Optimizers(trained, recipe)
    with torch.no_grad():
        embeddings = {name: value.detach() for name, value in backbone.encode_text(batch["prompts"]).items()}
    reference = {REFERENCE_LATENT[backbone.family]: batch["clean"][:, :, :1]}
    generated = backbone.generated(batch["clean"])

    def step() -> None:
        with engine.autocast():
            words = backbone.encode_text(batch["prompts"]) if text else embeddings
            noisy = interpolate(batch["clean"], batch["noise"], batch["sigma"])
            velocity = backbone.velocity(noisy, batch["sigma"], words, reference)
        error = (velocity - velocity_target(batch["clean"], batch["noise"])).square() * generated
        error.mean().backward()
        optimizers.step(1e-4)
        optimizers.zero_grad()

    return step


def report(figures: dict[str, Any]) -> str:
    """The figures as markdown."""
    lines = [
        f"{figures['recipe']}: {figures['batch']} clips of {figures['clip']}, {figures['threads']} threads, mixed "
        f"precision {figures['mixed precision']}",
        "",
        f"| step | seconds ({figures['clock']}) |",
        "|---|---:|",
        *(f"| {name} | {value:.3f} |" for name, value in figures["seconds"].items()),
        f"| training step / DiT and its text encoder (aim ≤ {AIM}) | {figures['ratio']:.3f} |",
        f"| training step / bare DiT | {figures['ratio to the bare DiT']:.3f} |",
    ]
    return "\n".join(lines)
