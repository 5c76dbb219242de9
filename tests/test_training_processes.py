"""Several processes train what one does: DDP and FSDP2 on gloo, checkpoints that change hands between them."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("warp")

from diffusers import AutoencoderKLWan
from training_runs import batches_for, log, tiny_recipe, tiny_stages

from training.building import build_trainee
from training.checkpointing import latest
from training.exporting import exported_weights
from training.feeding import shares
from training.mini.backbone import build_backbone
from training.parallel import Engine
from training.recipe import Geometric, Recipe, Trains
from training.trainer import Trainer

STEPS = 4


pytestmark = pytest.mark.usefixtures("small")


def recipe_for_processes(**changes: Any) -> Recipe:
    """Adam, for Muon is not sharded; the DiT first frozen, then whole, so that a group has gradients only later."""
    first, second = tiny_stages(batch=4)
    stages = (replace(first, train=Trains(dit="frozen")), second)
    return tiny_recipe(**{"optimizer": "adam", "stages": stages, "micro_batch": 1} | changes)


def _one_process(rank: int, world: int, port: int, parallel: str, recipe: Recipe, data: Path, vae: Any, out: Path):
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    if world > 1:
        os.environ |= {name: str(value) for name, value in own.items()}
    engine = Engine("no", parallel)
    assert (engine.rank, engine.world) == (rank, world)
    assert engine.sharded == (parallel == "fsdp" and world > 1)
    trainee = build_trainee(recipe, build_backbone(vae, recipe.seed))
    trainer = Trainer(recipe, trainee, batches_for(recipe, data, vae), out, engine)
    trainer.run()
    weights = exported_weights(trainer)
    if rank == 0:
        torch.save(weights, out / "weights.pt")
        (out / "norms.json").write_text(json.dumps([record["norm"] for record in log(out)]))
    trainer.tracking.close()


def train(world: int, parallel: str, recipe: Recipe, data: Path, vae: AutoencoderKLWan, out: Path) -> Path:
    """Run a recipe in `world` forked processes; returns `out`."""
    out.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    children = [
        fork.Process(target=_one_process, args=(rank, world, port, parallel, recipe, data, vae, out))
        for rank in range(world)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(timeout=600)
    assert [child.exitcode for child in children] == [0] * world
    return out


def assert_same_run(found: Path, expected: Path) -> None:
    for mine, theirs in zip(log(found), log(expected), strict=True):
        for name in ("flow", "pose", "norm"):
            assert mine[name] == pytest.approx(theirs[name], rel=2e-4), f"{name} of step {mine['step']}"
    weights, others = (torch.load(out / "weights.pt", weights_only=True) for out in (found, expected))
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-3, atol=2e-4, msg=lambda text, n=name: f"{n}: {text}")


@pytest.fixture(scope="module")
def alone(tmp_path_factory, data, vae) -> Path:
    return train(1, "ddp", recipe_for_processes(), data, vae, tmp_path_factory.mktemp("alone"))


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_train_what_one_does(parallel, alone, data, vae, tmp_path):
    both = train(2, parallel, recipe_for_processes(), data, vae, tmp_path)
    assert len(log(both)) == STEPS
    assert_same_run(both, alone)
    shards = sorted(path.name for path in latest(both / "checkpoints").glob("*.distcp"))
    assert len(shards) == (2 if parallel == "fsdp" else len(shards)) >= 1


@pytest.mark.slow
def test_two_processes_share_the_work_of_muon(data, vae, tmp_path):
    recipe = recipe_for_processes(optimizer="muon")
    both, one = (train(n, "ddp", recipe, data, vae, tmp_path / str(n)) for n in (2, 1))
    assert_same_run(both, one)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [((2, "fsdp"), (1, "ddp")), ((1, "ddp"), (2, "fsdp"))])
def test_a_run_goes_on_with_another_number_of_processes(first, then, alone, data, vae, tmp_path):
    whole = recipe_for_processes()
    # The same steps, of which the first process group does only half: it is stopped by a shorter recipe.
    half = replace(whole, stages=whole.stages[:1], geometric=whole.geometric)
    half = replace(half, stages=(replace(half.stages[0], train=Trains()),))
    widened = replace(whole, stages=(half.stages[0], whole.stages[1]))
    train(*first, half, data, vae, tmp_path / "run")
    train(*then, widened, data, vae, tmp_path / "run")
    expected = train(1, "ddp", widened, data, vae, tmp_path / "expected")
    assert_same_run(tmp_path / "run", expected)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_stage_without_the_generator_is_shared_too(parallel, data, vae, tmp_path):
    warm = replace(tiny_stages(batch=2)[0], name="warm-up", generate=False, train=Trains(motion=False, dit="frozen"))
    guided = Geometric(start=0.1, steps=4, hidden_dim=16, depth=2, landmarks=1.0)
    recipe = recipe_for_processes(stages=(warm, tiny_stages(batch=2)[1]), micro_batch=None, geometric=guided)
    both, one = (train(n, parallel, recipe, data, vae, tmp_path / str(n)) for n in (2, 1))
    assert ["flow" in record for record in log(one)] == [False, False, True, True]
    for mine, theirs in zip(log(both), log(one), strict=True):
        assert mine["pose"] == pytest.approx(theirs["pose"], rel=2e-4)
        for name in ("flow", "landmarks"):
            assert mine.get(name, 0) == pytest.approx(theirs.get(name, 0), rel=2e-4)


def test_the_shares_of_a_batch_cover_it_once_whatever_the_number_of_processes():
    stage = tiny_stages(batch=12)[0]
    for world in (1, 2, 3, 6):
        dealt = [sample for rank in range(world) for part in shares(stage, rank, world, 2) for sample in part]
        assert sorted(dealt) == list(range(12))
    with pytest.raises(ValueError, match="batch of 12 cannot be shared by 5 processes"):
        shares(stage, 0, 5, None)


def test_noise_belongs_to_the_sample_and_not_to_the_process(data, vae):
    """What two processes draw together is what one draws, byte for byte."""
    recipe = recipe_for_processes()
    batches = batches_for(recipe, data, vae)
    whole = batches(3, range(4))
    for rank in range(2):
        part = batches_for(recipe, data, vae)(3, range(rank, 4, 2))
        for name in ("noise", "sigma", "driver", "hands", "clean", "drop_motion", "frame_numbers"):
            assert torch.equal(part[name], whole[name][rank::2]), name
        assert part["prompts"] == whole["prompts"][rank::2]
