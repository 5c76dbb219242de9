"""The plan of a recipe's memory: its arithmetic, the published recipes, and its trace against real runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_runs import shrink_the_mini, tiny_recipe, tiny_stages, tiny_vae

from threedimo_core.mini_tokenizer import MAX_TOKENS
from training.buckets import Shape
from training.building import build_trainee
from training.data.pairs import PairKind
from training.footprint import measure
from training.memory import GIB, Plan, make_plan, report
from training.mini import backbone as mini_backbone
from training.mini.backbone import build_backbone
from training.opening import open_on_meta
from training.plan_command import add_arguments, parse_clip, run
from training.recipe import Flow, Recipe, RecipeError, Trains, load_recipe
from training.tracing import LiveBytes
from training.trainee import Trainee

RECIPES = Path(__file__).parent.parent / "training" / "recipes"
CLIP = Shape(17, 128, 128)


def rows(plan: Plan) -> dict[str, int]:
    return {row.name: row.bytes for row in plan.rows}


def on_meta(recipe: Recipe) -> Trainee:
    with torch.device("meta"):
        return build_trainee(recipe, open_on_meta(recipe))


def test_every_recipe_in_the_repository_loads():
    names = {path.stem for path in RECIPES.glob("*.yaml")}
    assert names >= {"paper", "mini", "wan22_5b_24gb", "hunyuan15_80gb"}
    for name in names:
        assert load_recipe(RECIPES / f"{name}.yaml").total_steps > 0


def test_the_paper_to_the_letter():
    recipe = load_recipe(RECIPES / "paper.yaml")
    assert [stage.steps for stage in recipe.stages] == [10_000, 15_000, 5_000]
    assert {(s.batch, s.lr, s.final_lr, s.train) for s in recipe.stages} == {(64, 1e-5, 1.0, Trains())}
    same, multi, moving = PairKind
    assert [set(stage.mixture) for stage in recipe.stages] == [{same}, {same, multi, moving}, {multi, moving}]
    assert recipe.optimizer == "adam" and recipe.data.frames == (121,) and recipe.data.area == 480 * 854
    weights = [recipe.geometric.weight(step) for step in (0, 6_000, 12_000, 29_999)]
    assert weights == pytest.approx([0.1, 0.05, 0, 0])
    assert recipe.encoder.body.num_tokens == 5 and recipe.encoder.body.stem == "linear"
    assert recipe.flow.driver_frames is None, "every driving frame is encoded"


@pytest.mark.parametrize(
    ("name", "card"), [("wan22_5b_24gb", 24), pytest.param("hunyuan15_80gb", 80, marks=pytest.mark.slow)]
)
def test_a_recipe_fits_the_card_it_is_for(name, card):
    plan = make_plan(load_recipe(RECIPES / f"{name}.yaml"))
    assert plan.total < 0.97 * card * GIB, "cards show a little less than their name says"
    assert rows(plan)["weights: DiT"] > plan.total / 5, "the DiT itself is in the sum"
    assert plan.clip == Shape(121, 480, 832 if card == 24 else 848)


@pytest.mark.slow
def test_the_paper_needs_sharding():
    recipe = load_recipe(RECIPES / "paper.yaml")
    alone, sharded = make_plan(recipe), make_plan(recipe, processes=8, sharded=True)
    assert alone.total > 140 * GIB
    assert sharded.total < 0.97 * 80 * GIB
    assert rows(sharded)["gradients"] == rows(alone)["gradients"] // 8


# --- arithmetic -------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    shrink_the_mini(monkeypatch)


def test_the_sum_follows_the_recipe(small):
    adam = tiny_recipe(optimizer="adam", ema=0.99)
    plan = make_plan(adam, clip=CLIP)
    found = rows(plan)
    trainee = on_meta(adam)
    count = sum(p.numel() for p in trainee.parameters())
    assert found["gradients"] == found["averaged weights"] == 4 * count
    assert found["optimiser"] == 8 * count
    assert sum(size for name, size in found.items() if name.startswith("weights")) == 4 * count
    less = min(row.bytes for row in plan.passing)
    assert plan.total == sum(found.values()) - less, "activations and the optimiser's step are not there at once"
    low = rows(make_plan(replace(adam, optimizer="adam8bit", ema=0.0), clip=CLIP))
    assert low["optimiser"] < 0.7 * found["optimiser"] and "averaged weights" not in low
    frozen = tuple(replace(stage, train=Trains(dit="frozen")) for stage in adam.stages)
    assert rows(make_plan(replace(adam, stages=frozen), clip=CLIP))["gradients"] < found["gradients"]


def test_checkpointing_keeps_less_and_micro_batches_share(small):
    recipe = tiny_recipe(stages=tiny_stages(batch=4))
    whole = make_plan(recipe, clip=CLIP).footprint
    again = make_plan(replace(recipe, gradient_checkpointing=True), clip=CLIP).footprint
    assert again.block.kept < 0.2 * whole.block.kept and again.encoder.kept < 0.5 * whole.encoder.kept
    assert again.block.peak == pytest.approx(whole.block.peak, rel=0.1)
    halved = make_plan(replace(recipe, micro_batch=2), clip=CLIP).footprint
    assert halved.block.kept == pytest.approx(whole.block.kept / 2, rel=0.02)


def test_a_batch_that_cannot_be_shared_and_clips_of_unknown_size(small):
    with pytest.raises(RecipeError, match="batch of 2 cannot be shared by 3 processes"):
        make_plan(tiny_recipe(), processes=3)
    unknown = replace(load_recipe(RECIPES / "wan22_5b_24gb.yaml"), data=tiny_recipe().data)
    with pytest.raises(RecipeError, match="--clip"):
        make_plan(unknown)


# --- the trace against the real thing -----------------------------------------------------------------------


def real_batch(recipe: Recipe, batch: int) -> dict[str, object]:
    frames, latents = CLIP.frames, (16, 5, 16, 16)
    hand, body = recipe.encoder.hand.image_size, recipe.encoder.body.image_size
    return {
        "driver": torch.rand(batch, frames, 3, body, body),
        "hands": torch.rand(batch, frames, 2, 3, hand, hand),
        "hand_present": torch.ones(batch, frames, 2, dtype=torch.bool),
        "pose": torch.eye(3).expand(batch, frames, 51, 3, 3),
        "pose_mask": torch.ones(batch, frames, 51, dtype=torch.bool),
        "clean": torch.randn(batch, *latents),
        "noise": torch.randn(batch, *latents),
        "person": torch.ones(batch, *latents[1:]),
        "sigma": torch.rand(batch),
        "frame_numbers": torch.arange(frames).expand(batch, -1),
        "drop_motion": torch.zeros(batch, dtype=torch.bool),
        "text": {"prompt_embeds": torch.randn(batch, MAX_TOKENS, mini_backbone.TEXT_WIDTH)},
    }


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_plan_agrees_with_a_real_step(small, checkpointing):
    """Saved tensors and the real peak of a whole step, against one traced block times the number of blocks."""
    recipe = tiny_recipe(
        gradient_checkpointing=checkpointing, stages=tiny_stages(batch=3), flow=Flow(driver_frames=None)
    )
    planned = measure(recipe, on_meta(recipe), CLIP, 3)
    trainee = build_trainee(recipe, build_backbone(tiny_vae()))
    for parameter in trainee.parameters():
        parameter.grad = torch.zeros_like(parameter)
    batch = real_batch(recipe, 3)
    weights = {t.untyped_storage().data_ptr() for p in trainee.parameters() for t in (p, p.grad)}
    weights |= {b.untyped_storage().data_ptr() for b in trainee.buffers()}
    saved: dict[int, int] = {}
    held = []

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
            held.append(tensor.detach())  # an address that is given again would hide a tensor
        return tensor

    known = [t for p in trainee.parameters() for t in (p, p.grad)] + [t for t in batch.values() if torch.is_tensor(t)]
    with trainee.hearing(), LiveBytes(known) as counter:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            losses = trainee(batch)
        held.clear()
        sum(losses.values()).backward()
    kept = planned.encoder.kept + planned.inputs + planned.blocks * planned.block.kept
    assert kept == pytest.approx(sum(saved.values()), rel=0.25)
    assert planned.peak == pytest.approx(counter.peak, rel=0.1)


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_prints_the_sum_and_fails_where_it_does_not_fit(small, capsys):
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    recipe = str(RECIPES / "mini.yaml")
    assert run(parser.parse_args([recipe, "--clip", "5x64x64", "--fits", "8"])) == 0
    told = capsys.readouterr().out
    assert "| activations |" in told and "Muon: one momentum" in told and "fits in 8 GiB" in told
    assert run(parser.parse_args([recipe, "--clip", "5x64x64", "--fits", "0.01"])) == 1
    assert "| **peak** |" in capsys.readouterr().out
    assert run(parser.parse_args([recipe])) == 0
    mini = load_recipe(recipe)
    batch = max(stage.batch for stage in mini.stages if stage.generate)
    side = round((mini.data.area or 128**2) ** 0.5)
    assert f"{batch} × 17 × {side} × {side} (clips" in capsys.readouterr().out
    with pytest.raises(argparse.ArgumentTypeError, match="121x480x832"):
        parse_clip("121")


def test_the_report_names_what_is_not_there_at_the_same_time(small):
    text = report(make_plan(tiny_recipe(), clip=CLIP))
    assert text.count("| (0.") == 1
