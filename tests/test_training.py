"""The trainer: stages of a recipe, exact resume, keyed batches, named stops, what reaches disk."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("warp")

from training_runs import (
    batches_for,
    fill,
    log,
    rendered_set,
    tiny_recipe,
    tiny_stages,
    trainer_for,
)

from threedimo_core.backbones.loading import load_backbone
from threedimo_core.checkpoint import load_adapter
from threedimo_core.pipeline import GenerationSettings, Pipeline
from training import checkpointing
from training.buckets import Shape
from training.building import build_trainee, load_weights
from training.checkpointing import CheckpointError
from training.ema import trainable
from training.evaluation.step_cost import random_batch, report, time_steps
from training.exporting import export
from training.mini.backbone import build_backbone
from training.parallel import Engine
from training.plotting import plot_run
from training.recipe import Geometric, RecipeError, Trains
from training.train_command import training_record
from training.trainer import RunSettings, Trainer, TrainingStopped, learning_rate

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, data, vae) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    assert trainer_for(tiny_recipe(), data, vae, out).run() == 4
    return out


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainable(trainer.trainee).items()}


def test_the_log_tells_stages_and_the_falling_geometric_weight(unbroken):
    records = log(unbroken)
    assert [record["stage"] for record in records] == ["stage-1", "stage-1", "stage-2", "stage-2"]
    assert [round(r["geometric"], 4) for r in records] == [0.1, 0.075, 0.05, 0.025]
    assert all(r["flow"] > 0 and r["pose"] > 0 for r in records)
    assert plot_run(unbroken).stat().st_size > 10_000


@pytest.mark.parametrize("stop", [1, 2])
def test_resume_gives_the_identical_losses(stop, unbroken, data, vae, tmp_path):
    first = trainer_for(tiny_recipe(), data, vae, tmp_path)
    for _ in range(stop):
        first.tracking.log(first.train_step())
    first.save()
    first.tracking.log(first.train_step())  # lost with the process: done again after the resume
    resumed = trainer_for(tiny_recipe(), data, vae, tmp_path)
    assert resumed.step == stop
    resumed.run()
    assert log(tmp_path) == log(unbroken)


def test_micro_batches_and_gradient_checkpointing_change_nothing(data, vae, tmp_path):
    whole = tiny_recipe(optimizer="adam", stages=tiny_stages(batch=4))
    cut = replace(whole, micro_batch=1, gradient_checkpointing=True)
    trainers = [trainer_for(r, data, vae, tmp_path / str(i)) for i, r in enumerate((whole, cut))]
    for _ in range(3):
        first, second = (trainer.train_step() for trainer in trainers)
        assert first["flow"] == pytest.approx(second["flow"], rel=1e-4)
        assert first["pose"] == pytest.approx(second["pose"], rel=1e-4)
        assert first["norm"] == pytest.approx(second["norm"], rel=1e-3)


def test_a_stage_trains_what_it_says_and_nothing_else(data, vae, tmp_path):
    motion_only, encoder_only = (
        Trains(encoder=False, motion=True, dit="frozen"),
        Trains(encoder=True, motion=False, dit="frozen"),
    )
    stages = tuple(
        replace(stage, train=train) for stage, train in zip(tiny_stages(), (motion_only, encoder_only), strict=True)
    )
    trainer = trainer_for(tiny_recipe(stages=stages, weight_decay=0.1), data, vae, tmp_path)
    assert not any(p.requires_grad for p in trainer.trainee.transformer.patch_embedding.parameters())
    changes = []
    for _ in range(4):
        before = weights(trainer)
        trainer.train_step()
        changed = {n.split(".")[0] for n, p in weights(trainer).items() if not torch.equal(p, before[n])}
        changes.append(changed)
    assert changes[:2] == [{"injection"}, {"injection"}]
    assert changes[2:] == [{"encoder", "decoder"}, {"encoder", "decoder"}]


def test_a_warm_up_trains_the_encoder_without_the_generator(data, vae, tmp_path):
    encoder_only = Trains(motion=False, dit="frozen")
    first, second = tiny_stages()
    stages = (replace(first, train=encoder_only, generate=False), second)
    trainer = trainer_for(tiny_recipe(stages=stages), data, vae, tmp_path)
    before = weights(trainer)
    records = [trainer.train_step() for _ in range(3)]
    assert "flow" not in records[0] and records[0]["pose"] > 0 and records[2]["flow"] > 0
    changed = {n.split(".")[0] for n, p in weights(trainer).items() if not torch.equal(p, before[n])}
    assert changed > {"encoder", "decoder"}
    with pytest.raises(RecipeError, match="generate: false"):
        replace(first, generate=False)


def warm_up_recipe():
    first, second = tiny_stages()
    warm = replace(first, train=Trains(motion=False, dit="frozen"), generate=False)
    return tiny_recipe(stages=(warm, second), geometric=Geometric(start=1.0, steps=4, hidden_dim=16, landmarks=1.0))


def test_landmarks_teach_the_encoder_in_the_warm_up_alone(data, vae, tmp_path):
    trainer = trainer_for(warm_up_recipe(), data, vae, tmp_path)
    before = weights(trainer)
    records = [trainer.train_step() for _ in range(3)]
    assert [record.get("landmarks", 0) > 0 for record in records] == [True, True, False]
    assert not torch.equal(before["landmarks.out.weight"], weights(trainer)["landmarks.out.weight"])
    export(trainer, training_record(trainer.recipe, batches_for(trainer.recipe, data, vae), 3, "CC0"))
    assert not any("landmarks" in name for name in load_adapter(tmp_path / "mini/adapter.safetensors").modules())


def test_a_warm_up_needs_no_latents_yet_and_the_whole_recipe_goes_on_from_it(vae, tmp_path):
    root = rendered_set(tmp_path / "set")
    recipe = warm_up_recipe()
    until = recipe.until("stage-1")
    with pytest.raises(ValueError, match="precompute"):
        batches_for(recipe, root, vae)
    trainee = build_trainee(recipe, build_backbone(vae, recipe.seed))
    settings = RunSettings(steps=until.total_steps)
    assert Trainer(recipe, trainee, batches_for(until, root, vae), tmp_path / "run", settings=settings).run() == 2
    fill(root, vae)
    assert trainer_for(recipe, root, vae, tmp_path / "run").run() == 4
    whole = trainer_for(recipe, root, vae, tmp_path / "whole")
    whole.run()
    assert log(tmp_path / "run") == log(tmp_path / "whole")
    with pytest.raises(RecipeError, match="no stage 'stage-9'"):
        recipe.until("stage-9")


def test_states_of_a_later_stage_are_made_when_it_begins(data, vae, tmp_path):
    stages = tuple(
        replace(stage, train=Trains(dit=dit)) for stage, dit in zip(tiny_stages(), ("frozen", "full"), strict=True)
    )
    recipe = tiny_recipe(stages=stages)
    unbroken, first = (trainer_for(recipe, data, vae, tmp_path / name) for name in ("unbroken", "broken"))
    expected = [unbroken.train_step()["flow"] for _ in range(4)]
    first.train_step()
    first.save()
    resumed = trainer_for(recipe, data, vae, tmp_path / "broken")
    assert [resumed.train_step()["flow"] for _ in range(3)] == expected[1:]


def test_the_decoder_may_follow_when_supervision_is_over(data, vae, tmp_path):
    recipe = tiny_recipe(geometric=Geometric(start=0.1, steps=1, hidden_dim=16, depth=2, follow=True))
    trainer = trainer_for(recipe, data, vae, tmp_path)
    trainer.train_step()
    batch = batches_for(recipe, data, vae)(1, [0, 1]) | {"supervised": False}
    with trainer.trainee.hearing():
        trainer.trainee(batch)["pose"].backward()
    assert all(p.grad is None for p in trainer.trainee.encoder.parameters())
    assert all(p.grad is not None for p in trainer.trainee.decoder.parameters())
    assert trainer.train_step()["geometric"] == 0.0


def test_muon_is_refused_where_matrices_are_sharded(data, vae, tmp_path):
    engine = Engine("no")
    engine.sharded = True
    with pytest.raises(RecipeError, match="muon needs whole matrices"):
        trainer_for(tiny_recipe(), data, vae, tmp_path, engine=engine)


# --- named stops ------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_before_a_checkpoint(data, vae, tmp_path):
    trainer = trainer_for(tiny_recipe(), data, vae, tmp_path)
    trainer.train_step()
    trainer.save()
    with torch.no_grad():
        next(trainer.trainee.encoder.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingStopped, match=r"step 1 is not finite.*clips.*train-3-.*step-00000001"):
        trainer.run()
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    checkpointing.verify(tmp_path / "checkpoints" / "step-00000001")


def test_sigterm_saves_and_leaves(unbroken, data, vae, tmp_path):
    trainer = trainer_for(tiny_recipe(), data, vae, tmp_path)
    taken = trainer.train_step

    def train_step():
        if trainer.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return taken()

    trainer.train_step = train_step
    assert trainer.run() == 2
    assert "SIGTERM" in trainer.stop_reason
    assert checkpointing.latest(trainer.checkpoints).name == "step-00000002"
    trainer_for(tiny_recipe(), data, vae, tmp_path).run()
    assert log(tmp_path) == log(unbroken)


def test_time_that_is_up_saves_and_leaves(data, vae, tmp_path):
    trainer = trainer_for(tiny_recipe(), data, vae, tmp_path, settings=RunSettings(save_minutes=0.0, keep=1))
    assert trainer.run(max_minutes=0.0) == 1
    assert [p.name for p in trainer.checkpoints.iterdir()] == ["step-00000001"]


def test_a_checkpoint_of_another_recipe_is_refused(data, vae, tmp_path):
    trainer = trainer_for(tiny_recipe(), data, vae, tmp_path)
    trainer.train_step()
    trainer.save()
    with pytest.raises(CheckpointError, match="another model or recipe"):
        trainer_for(tiny_recipe(geometric=Geometric(hidden_dim=32, depth=2)), data, vae, tmp_path)


# --- what comes out ---------------------------------------------------------------------------------------


def test_the_export_is_a_diffusers_folder_that_generates(data, vae, tmp_path):
    recipe = tiny_recipe()
    trainer = trainer_for(recipe, data, vae, tmp_path)
    trainer.train_step()
    folder = export(trainer, training_record(recipe, batches_for(recipe, data, vae), 1, "test"))
    adapter = load_adapter(folder / "adapter.safetensors")
    pipeline = Pipeline(load_backbone(folder, torch.float32), adapter)
    motion = pipeline.encode_motion(torch.rand(5, 3, 40, 40), fps=8.0)
    video = pipeline.generate(torch.rand(3, 64, 64), motion, "static", GenerationSettings(steps=2))
    assert video.shape == (5, 3, 64, 64) and video.std() > 0
    fresh = build_trainee(replace(recipe, seed=5), build_backbone(vae, 5))
    load_weights(fresh, folder, whole=True)
    averaged = trainer.ema.values
    assert all(torch.allclose(p, averaged[n], atol=1e-3) for n, p in fresh.named_parameters())
    trainer.train_step()  # the trainee still carries its motion layers


def test_batches_depend_on_their_keys_alone(data, vae):
    batches = batches_for(tiny_recipe(), data, vae)
    pair, alone = batches(3, [0, 1]), batches(3, [1])
    for name in ("driver", "noise", "clean", "sigma", "pose"):
        assert torch.equal(pair[name][1], alone[name][0]), name
    assert pair["driver"].shape == (2, 5, 3, 32, 32)


def test_the_step_is_timed_on_what_training_has(data, vae, capsys):
    """`bench step`: the shapes of a real batch, and three steps of which the whole one costs the most."""
    recipe = tiny_recipe()
    real, timed = batches_for(recipe, data, vae)(0, [0, 1]), random_batch(recipe, Shape(5, 64, 64), 2)
    shapes = {name: (value.shape, value.dtype) for name, value in real.items() if torch.is_tensor(value)}
    assert {n: (v.shape, v.dtype) for n, v in timed.items() if torch.is_tensor(v)} == {n: shapes[n] for n in shapes}
    figures = time_steps(recipe, Shape(5, 64, 64), 2, repeats=1, clock=time.process_time)
    bare, text, whole = figures["seconds"].values()
    assert 0 < bare < whole and text < whole and figures["ratio"] == whole / text
    assert "| training step / bare DiT |" in report(figures)


def test_learning_rate_warms_up_and_falls():
    stage = replace(tiny_stages()[0], steps=100, warmup=10, final_lr=0.5)
    rates = [learning_rate(stage, step) for step in range(100)]
    assert rates[0] < rates[5] < max(rates) <= stage.lr
    assert rates[-1] == pytest.approx(0.5 * stage.lr, rel=1e-3)
