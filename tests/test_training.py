"""The trainer: stages of a recipe, exact resume, keyed batches, what reaches disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("warp")

from diffusers import AutoencoderKLWan

from threedimo_core.backbones.loading import load_backbone
from threedimo_core.checkpoint import load_adapter
from threedimo_core.config import MotionEncoderConfig, TokenizerConfig
from threedimo_core.pipeline import GenerationSettings, Pipeline
from training.backgrounds import noise_picture, replace_background
from training.batches import spread
from training.data.clip_store import ClipStore
from training.data.manifest import read_manifest
from training.data.render_command import render_set
from training.data.render_settings import RenderSettings
from training.mini.backbone import build_backbone
from training.mini.export import export_mini
from training.precompute import LatentCache, LatentCacheError, latent_coverage, vae_id
from training.recipe import Flow, Geometric, Recipe, RecipeError, Stage, load_recipe
from training.train_command import StageBatches, _record, build_trainee, load_weights
from training.trainer import Trainer, TrainingStopped, learning_rate

RECIPES = Path(__file__).parents[1] / "training" / "recipes"
TOKENIZER = {"width": 32, "depth": 1, "heads": 2, "stem_channels": (8, 8, 16, 16)}


def tiny_recipe(**changes) -> Recipe:
    encoder = MotionEncoderConfig(
        body=TokenizerConfig(image_size=32, num_tokens=3, **TOKENIZER),
        hand=TokenizerConfig(image_size=16, num_tokens=1, **TOKENIZER),
        token_dim=32,
    )
    stages = (
        Stage(name="stage-1", steps=2, batch=2, lr=1e-3, mixture={"same_view": 1}),
        Stage(name="stage-2", steps=2, batch=2, lr=1e-3, mixture={"same_view": 1, "multi_view": 1}),
    )
    settings = {
        "name": "tiny",
        "backbone": "mini",
        "encoder": encoder,
        "stages": stages,
        "optimizer": "muon",
        "mixed_precision": "no",
        "flow": Flow(new_background=0.5),
        "geometric": Geometric(start=0.1, steps=4, hidden_dim=16, depth=2),
    }
    return Recipe(**settings | changes)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    return AutoencoderKLWan(base_dim=4, z_dim=16, num_res_blocks=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory, vae) -> Path:
    root = tmp_path_factory.mktemp("training") / "set"
    settings = RenderSettings(views=2, num_frames=5, fps=8.0, height=64, width=64, hand_size=16, seed=3, kind="static")
    render_set(root, settings, [0, 1], quiet=True)
    backbone = build_backbone(vae)
    cache = LatentCache(root, vae_id(vae))
    assert len(list(cache.fill(read_manifest(root), ClipStore(root), backbone.encode_video, (0, 1)))) == 2
    assert not list(cache.fill(read_manifest(root), ClipStore(root), backbone.encode_video, (0, 1))), "not idempotent"
    return root


def start(recipe: Recipe, data: Path, vae: AutoencoderKLWan, out: Path, **options) -> Trainer:
    backbone = build_backbone(vae, recipe.seed)
    batches = StageBatches(recipe, data, vae_id(vae), 2**28)
    return Trainer(recipe, build_trainee(recipe, backbone), batches, out, **options)


def log(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, data, vae) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    assert start(tiny_recipe(), data, vae, out).run() == 4
    return out


def test_the_log_tells_stages_and_the_falling_geometric_weight(unbroken):
    records = log(unbroken)
    assert [record["stage"] for record in records] == ["stage-1", "stage-1", "stage-2", "stage-2"]
    assert [round(r["geometric"], 4) for r in records] == [0.1, 0.075, 0.05, 0.025]
    assert all(r["flow"] > 0 and r["pose"] > 0 for r in records)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resume_gives_the_identical_losses(stop, unbroken, data, vae, tmp_path):
    first = start(tiny_recipe(), data, vae, tmp_path)
    for _ in range(stop):
        first._log(first.train_step())
    first.save()
    start(tiny_recipe(), data, vae, tmp_path).run()
    timeless = [{k: v for k, v in record.items() if k != "seconds"} for record in log(tmp_path)]
    assert timeless == [{k: v for k, v in record.items() if k != "seconds"} for record in log(unbroken)]


def test_a_loss_that_is_not_finite_stops_before_a_checkpoint(data, vae, tmp_path):
    trainer = start(tiny_recipe(), data, vae, tmp_path)
    trainer.train_step()
    trainer.save()
    with torch.no_grad():
        next(trainer.trainee.encoder.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingStopped, match="step-00000001"):
        trainer.run()
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]


def test_the_export_is_a_diffusers_folder_that_generates(data, vae, tmp_path):
    recipe = tiny_recipe()
    backbone = build_backbone(vae, recipe.seed)
    trainee = build_trainee(recipe, backbone)
    batches = StageBatches(recipe, data, vae_id(vae), 0)
    export_mini(trainee, backbone, _record(recipe, batches, 4), tmp_path / "mini")
    adapter = load_adapter(tmp_path / "mini" / "adapter.safetensors")
    pipeline = Pipeline(load_backbone(tmp_path / "mini", torch.float32), adapter)
    motion = pipeline.encode_motion(torch.rand(5, 3, 40, 40), fps=8.0)
    video = pipeline.generate(torch.rand(3, 64, 64), motion, "static", GenerationSettings(steps=2))
    assert video.shape == (5, 3, 64, 64) and video.std() > 0
    fresh = build_trainee(replace(recipe, seed=5), build_backbone(vae, 5))
    load_weights(fresh, tmp_path / "mini", whole=True)
    same = dict(trainee.named_parameters())
    assert all(torch.allclose(p, same[n], atol=1e-3) for n, p in fresh.named_parameters())
    trainee.train()  # the trainee still carries its motion layers
    assert all(hasattr(block, "motion") for block in backbone.blocks)


def test_batches_depend_on_their_keys_alone(data, vae):
    recipe = tiny_recipe()
    batches = StageBatches(recipe, data, vae_id(vae), 0)
    stage = recipe.stages[1]
    pair = batches(stage, [(7, 0), (7, 1)])
    alone = batches(stage, [(7, 1)])
    for name in ("driver", "noise", "clean", "sigma", "pose"):
        assert torch.equal(pair[name][1], alone[name][0]), name
    assert pair["driver"].shape == (2, 5, 3, 32, 32)


def test_driving_frames_can_be_thinned_out():
    generator = torch.Generator().manual_seed(0)
    assert spread(17, None, generator).tolist() == list(range(17))
    numbers = spread(17, 9, generator)
    assert len(numbers) == 9 and numbers.diff().min() >= 1 and numbers.min() >= 0 and numbers.max() <= 16


def test_a_driver_before_another_background_keeps_the_person():
    frames, mask = torch.full((3, 3, 8, 8), 200, dtype=torch.uint8), torch.zeros(3, 8, 8, dtype=torch.bool)
    mask[:, 2:5, 2:5] = True
    picture = noise_picture(8, 8, torch.Generator().manual_seed(1))
    replaced = replace_background(frames, mask, picture)
    assert (replaced[:, :, 2:5, 2:5] == 200).all()
    assert torch.equal(replaced[0, :, 6], picture[:, 6]) and torch.equal(replaced[2, :, 6], picture[:, 6])


def test_missing_latents_name_the_command(data, vae):
    cache = LatentCache(data, "another")
    with pytest.raises(LatentCacheError, match="training precompute"):
        cache.load(read_manifest(data)[0], 0)


def test_coverage_of_a_latent_frame_is_that_of_its_four_frames():
    mask = torch.zeros(5, 16, 16)
    mask[0], mask[3, :8] = 1, 1
    covered = latent_coverage(mask, torch.Size([2, 2, 2]))
    assert covered.tolist() == [[[1, 1], [1, 1]], [[0.25, 0.25], [0, 0]]]


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_recipes_load(path):
    recipe = load_recipe(path)
    assert recipe.total_steps > 0
    assert learning_rate(recipe.stages[0], 0) < recipe.stages[0].lr


def test_a_wrong_recipe_is_told_by_field(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text((RECIPES / "mini.yaml").read_text().replace("person_weight", "persons_weight"))
    with pytest.raises(RecipeError, match="persons_weight"):
        load_recipe(path)
    with pytest.raises(RecipeError, match="steps"):
        replace(tiny_recipe().stages[0], steps=0)
