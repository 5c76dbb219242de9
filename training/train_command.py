"""Train a recipe: `python -m training train RECIPE.yaml --data DIR --out DIR`. The same command resumes.

For many processes: `accelerate launch -m training train ...` or `torchrun --nproc_per_node 8 -m training train ...`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from threedimo_core.backbones.loading import inspect_folder
from threedimo_core.checkpoint import TrainingRecord

from .batches import RunBatches
from .building import build_trainee, load_weights
from .caches import vae_id
from .checkpointing import CheckpointError
from .exporting import export
from .opening import backbone_folder, open_for_training, open_pieces
from .parallel import Engine
from .plotting import plot_run
from .precompute_command import latents_id, text_id
from .recipe import Recipe, load_recipe
from .tracking import TRACKERS, choose_trackers
from .trainer import RunSettings, Trainer, TrainingStopped
from .validation import Validator

RENDERED_LICENCE = "rendered by this project: Anny bodies (CC0), procedural motion"
_TRACKER_HELP = f"trackers beside log.jsonl: {', '.join(TRACKERS)} or none (default: tensorboard where installed)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="YAML file, see training/recipes")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of data sets with their caches")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: checkpoints, log, export")
    parser.add_argument("--vae", type=Path, default=None, help="folder of the mini model's VAE (backbone: mini)")
    parser.add_argument("--backbone", type=Path, default=None, help="diffusers folder of a pretrained backbone")
    parser.add_argument("--init", type=Path, default=None, help="exported model to start from, e.g. OUT/mini")
    parser.add_argument("--validate", type=Path, default=None, help="held-out data set (data render --split test)")
    parser.add_argument("--until", default=None, help="stop after this stage; a warm-up needs no latents yet")
    parser.add_argument("--minutes", type=float, default=None, help="save and stop after this long")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="between checkpoints (%(default)s)")
    parser.add_argument("--keep", type=int, default=2, help="checkpoints to keep (%(default)s)")
    parser.add_argument("--parallel", choices=("auto", "ddp", "fsdp"), default="auto", help="with many processes")
    parser.add_argument("--micro-batch", type=int, default=None, help="samples a forward (default: the recipe's)")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches ahead (%(default)s)")
    parser.add_argument("--track", nargs="+", default=None, help=_TRACKER_HELP)
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--cache-gb", type=float, default=8.0, help="memory for decoded video (%(default)s)")
    parser.add_argument("--data-licence", default=None, help="of the training data; kept in the exported adapter")


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = load_recipe(arguments.recipe)
    if arguments.micro_batch:
        recipe = replace(recipe, micro_batch=arguments.micro_batch)
    trackers = choose_trackers(arguments.track)
    tracking = {"log_with": trackers, "project_dir": str(arguments.out)} if trackers else {}
    engine = Engine(recipe.precision, arguments.parallel, **tracking)
    try:
        trainer = make_trainer(recipe, engine, arguments)
        reached = trainer.run(arguments.minutes)
    except (CheckpointError, TrainingStopped) as error:
        raise SystemExit(f"training stopped: {error}") from error
    if engine.is_main:
        why = f" ({trainer.stop_reason})" if trainer.stop_reason else ""
        print(f"step {reached} of {recipe.total_steps}{why}; checkpoints, log and plot in {arguments.out}")
        plot_run(arguments.out)
    trainer.tracking.close()
    return 0


def make_trainer(recipe: Recipe, engine: Engine, arguments: argparse.Namespace) -> Trainer:
    """Everything a run needs, checked before the first step: folders, caches, what is left out of the data."""
    backbone = open_for_training(recipe, arguments.vae, arguments.backbone)
    latents, text = cache_ids(recipe, arguments.backbone, backbone.vae)
    cache = int(arguments.cache_gb * 2**30)
    ahead = recipe.until(arguments.until) if arguments.until else recipe
    batches = RunBatches(ahead, arguments.data, backbone, latents, text, cache)
    if engine.is_main:
        print(batches.clips.report(), flush=True)
    trainee = build_trainee(recipe, backbone)
    if arguments.init:
        load_weights(trainee, arguments.init, recipe.backbone == "mini")
    validate = None
    if arguments.validate and recipe.validation.every:
        held_out = RunBatches(ahead, [arguments.validate], backbone, latents, text, cache // 4, split=None)
        validate = Validator(held_out, arguments.out, _vae_loader(recipe, arguments.backbone))
    licence = arguments.data_licence or _licence(batches)
    return Trainer(
        recipe,
        trainee,
        batches,
        arguments.out,
        engine,
        RunSettings(
            save_minutes=arguments.save_minutes,
            keep=arguments.keep,
            workers=arguments.workers,
            steps=ahead.total_steps,
        ),
        on_save=partial(_export, batches=batches, licence=licence),
        on_validate=validate,
    )


def cache_ids(recipe: Recipe, folder: Path | None, vae: torch.nn.Module) -> tuple[str, str | None]:
    """Names of the caches that fit the backbone: of the latents, and of the text (None: encoded while training)."""
    if recipe.backbone == "mini":
        return vae_id(vae), None
    folder = backbone_folder(recipe, folder)
    family = inspect_folder(folder).name
    return latents_id(folder, family), text_id(folder, family)


def _vae_loader(recipe: Recipe, folder: Path | None) -> Callable[[], Any] | None:
    """Reads a pretrained backbone's VAE, which training itself does without; the mini has its own in memory."""
    if recipe.backbone == "mini":
        return None
    return lambda: open_pieces(backbone_folder(recipe, folder), ("vae",), torch.float32).vae


def _export(trainer: Trainer, batches: RunBatches, licence: str) -> None:
    if trainer.recipe.control != "tokens":
        return  # a control for comparison: no host could load it
    # A whole DiT takes minutes to write: once, at the end.
    if trainer.recipe.backbone == "mini" or "full" not in trainer.recipe.dit or not trainer.running:
        export(trainer, training_record(trainer.recipe, batches, trainer.step, licence))


def training_record(recipe: Recipe, batches: RunBatches, step: int, licence: str) -> TrainingRecord:
    """What an exported adapter says of its training; sizes are those of the largest bucket."""
    bucket = batches.clips.buckets[0]
    return TrainingRecord(
        stage=recipe.stage_at(min(step, recipe.total_steps - 1))[0].name,
        steps=step,
        data_licence=licence,
        made_by=f"recipe {recipe.name}",
        fps=bucket.records[0]["fps"],
        height=bucket.shape.height,
        width=bucket.shape.width,
        num_frames=bucket.shape.frames,
        text_grammar="camera_language" if recipe.backbone == "mini" else "free",
    )


def _licence(batches: RunBatches) -> str:
    sources = {record.get("source", "render") for bucket in batches.clips.buckets for record in bucket.records}
    return RENDERED_LICENCE if sources == {"render"} else f"not stated; sources: {', '.join(sorted(sources))}"
