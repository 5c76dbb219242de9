"""Train a recipe: `python -m training train RECIPE.yaml --data DIR --out DIR`. The same command resumes."""

from __future__ import annotations

import argparse
from functools import lru_cache
from pathlib import Path

import torch

from threedimo_core.backbones import Backbone
from threedimo_core.backbones.loading import load_backbone
from threedimo_core.checkpoint import TrainingRecord, load_adapter
from threedimo_core.geometric_decoder import GeometricDecoder, GeometricDecoderConfig
from threedimo_core.injection import MotionInjection
from threedimo_core.motion_encoder import MotionEncoder

from .augment import AugmentConfig
from .batches import BatchMaker
from .data.dataset import PairDataset
from .mini.backbone import build_backbone
from .mini.export import export_mini
from .precompute import LatentCache, vae_id
from .recipe import Recipe, Stage, load_recipe
from .trainee import Batch, Trainee
from .trainer import Trainer

DATA_LICENCE = "rendered by this project: Anny bodies (CC0), procedural motion"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="YAML file, see training/recipes")
    parser.add_argument("--data", type=Path, required=True, help="folder of a data set with cached latents")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: checkpoints, log, export")
    parser.add_argument("--vae", type=Path, default=None, help="folder of the mini model's VAE (backbone: mini)")
    parser.add_argument("--init", type=Path, default=None, help="exported model to start from, e.g. OUT/mini")
    parser.add_argument("--minutes", type=float, default=None, help="save and stop after this long")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--cache-gb", type=float, default=8.0, help="memory for decoded video (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    recipe = load_recipe(arguments.recipe)
    backbone = open_backbone(recipe, arguments.vae)
    trainee = build_trainee(recipe, backbone)
    if arguments.init:
        load_weights(trainee, arguments.init, recipe.backbone == "mini")
    batches = StageBatches(recipe, arguments.data, vae_id(backbone.vae), int(arguments.cache_gb * 2**30))

    def export(step: int) -> None:
        if recipe.backbone == "mini":
            export_mini(trainee, backbone, _record(recipe, batches, step), arguments.out / "mini")

    trainer = Trainer(recipe, trainee, batches, arguments.out, on_save=export)
    reached = trainer.run(arguments.minutes)
    print(f"step {reached} of {recipe.total_steps}; checkpoints and log in {arguments.out}")
    return 0


def open_backbone(recipe: Recipe, vae: Path | None) -> Backbone:
    """A fresh mini, or the pretrained model in a diffusers folder."""
    if recipe.backbone != "mini":
        return load_backbone(recipe.backbone, torch.float32)
    if vae is None:
        raise ValueError("the mini backbone needs --vae, the folder that `python -m training mini-vae` wrote")
    return build_backbone(vae, recipe.seed)


def build_trainee(recipe: Recipe, backbone: Backbone) -> Trainee:
    """All parts of a recipe, freshly initialised from its seed."""
    torch.manual_seed(recipe.seed + 1)
    encoder = MotionEncoder(recipe.encoder)
    config = backbone.injection_config(
        recipe.encoder.token_dim,
        recipe.encoder.num_tokens,
        inner_dim=recipe.injection.inner_dim,
        head_dim=recipe.injection.head_dim,
        window=recipe.injection.window,
    )
    decoder = GeometricDecoderConfig(
        token_dim=recipe.encoder.token_dim,
        body_tokens=recipe.encoder.num_body_tokens,
        hand_tokens=recipe.encoder.num_hand_tokens // 2,
        hidden_dim=recipe.geometric.hidden_dim,
        depth=recipe.geometric.depth,
    )
    return Trainee(
        backbone,
        encoder,
        MotionInjection(config),
        GeometricDecoder(decoder) if recipe.geometric.start else None,
        recipe.flow.person_weight,
        train_text=recipe.backbone == "mini",
    )


def load_weights(trainee: Trainee, folder: Path, whole: bool) -> None:
    """Start from an exported model: its adapter, and for the mini (`whole`) its generator as well."""
    adapter = load_adapter(folder / "adapter.safetensors")
    for part, module in adapter.modules().items():
        getattr(trainee, part).load_state_dict(module.state_dict())
    if whole:
        source = load_backbone(folder, torch.float32)
        with trainee.detached():
            trainee.transformer.load_state_dict(source.transformer.state_dict())
        trainee.text_encoder.load_state_dict(source.text_encoder.state_dict())


class StageBatches:
    """The batch source of a run: one `BatchMaker` a stage, made when the stage begins."""

    def __init__(self, recipe: Recipe, data: Path, vae: str, cache_bytes: int) -> None:
        self.recipe, self.data, self.cache_bytes = recipe, data, cache_bytes
        self.latents = LatentCache(data, vae)
        body, hand = recipe.encoder.body, recipe.encoder.hand
        hand_size = hand.image_size if hand else 48
        self.augment = AugmentConfig(size=(body.image_size,) * 2, hand_size=(hand_size,) * 2)
        self._maker = lru_cache(maxsize=1)(self._make)

    def _make(self, stage: Stage) -> BatchMaker:
        dataset = PairDataset(
            self.data,
            stage.mixture,
            self.recipe.seed,
            split="train",
            with_target=False,
            cache_bytes=self.cache_bytes,
        )
        return BatchMaker(dataset, self.latents, stage, self.recipe.flow, self.augment, self.recipe.seed)

    def __call__(self, stage: Stage, keys: list[tuple[int, int]]) -> Batch:
        return self._maker(stage)(keys)

    def first_record(self) -> dict:
        return self._maker(self.recipe.stages[-1]).dataset.records[0]


def _record(recipe: Recipe, batches: StageBatches, step: int) -> TrainingRecord:
    shape = batches.first_record()
    return TrainingRecord(
        stage=recipe.stage_at(min(step, recipe.total_steps - 1))[0].name,
        steps=step,
        data_licence=DATA_LICENCE,
        made_by=f"recipe {recipe.name}",
        fps=shape["fps"],
        height=shape["height"],
        width=shape["width"],
        num_frames=shape["num_frames"],
        text_grammar="camera_language",
    )
