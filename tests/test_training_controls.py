"""Other ways to steer, for the ablation: what each hears, that it trains, and that all are scored alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("warp")

from training_runs import ENCODER, SET, batches_for, log, tiny_recipe
from training_runs import trainer_for as make_trainer

from threedimo_core.motion_attention import motion_context
from training.ablation import HEADLINES, VARIANTS, headline, scaled, variant_recipe, write_table
from training.building import build_trainee
from training.controls.pose_picture import draw_skeletons
from training.data.clip_store import ClipStore
from training.data.manifest import read_manifest
from training.data.motion import mirror_pose
from training.data.pairs import PairKind
from training.mini.backbone import build_backbone
from training.recipe import CONTROLS, Geometric, RecipeError, Stage, Trains, load_recipe

RECIPES = Path(__file__).parent.parent / "training" / "recipes"


pytestmark = pytest.mark.usefixtures("small")


def awake(trainee):
    """Zero-initialised outputs given weights, as training would."""
    torch.manual_seed(7)
    for name, parameter in trainee.injection.named_parameters():
        if name.split(".")[-2:-1] in (["to_out"], ["out"]):
            torch.nn.init.normal_(parameter, std=0.3)
    return trainee


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_starts_as_the_bare_generator_and_hears_its_motion_and_nothing_else(control, data, vae):
    recipe = tiny_recipe(control=control)
    batch = batches_for(recipe, data, vae)(0, [0, 1]) | {"drop_motion": torch.zeros(2, dtype=torch.bool)}
    trainee = build_trainee(recipe, build_backbone(vae, 0))

    def velocity(changes=None):
        given = batch | (changes or {})
        with torch.no_grad(), trainee.hearing():
            trainee.attached.context = trainee.context(trainee.encode(given).joined(), given)
            text, reference = trainee.conditions(given)
            return trainee.backbone.velocity(given["noise"], given["sigma"], text, reference)

    with trainee.detached(), torch.no_grad():
        text, reference = trainee.conditions(batch)
        bare = trainee.backbone.velocity(batch["noise"], batch["sigma"], text, reference)
    assert torch.equal(velocity(), bare), "zero-initialised"
    awake(trainee)
    heard = velocity()
    assert not torch.allclose(heard, bare, atol=1e-3)
    reads = {"tokens": "driver", "channels": "driver", "smpl": "pose", "pose_2d": "pose_picture"}
    for name in {"driver", "pose", "pose_picture"} & batch.keys():
        if name == "pose":
            other = {name: batch[name].flip(1).transpose(-1, -2)}
        else:
            other = {name: batch[name].flip(-1)}
        assert torch.allclose(velocity(other), heard, atol=1e-6) == (name != reads[control]), name


@pytest.mark.parametrize("control", ["channels", "smpl", "pose_2d"])
def test_a_control_trains_and_resumes(control, data, vae, tmp_path):
    recipe = tiny_recipe(control=control)
    unbroken = make_trainer(recipe, data, vae, tmp_path / "unbroken")
    before = {name: p.detach().clone() for name, p in unbroken.trainee.named_parameters()}
    unbroken.run()
    moved = {n.split(".")[0] for n, p in unbroken.trainee.named_parameters() if not torch.equal(p, before[n])}
    assert {"encoder", "injection", "transformer"} <= moved
    assert ("pose" in log(tmp_path / "unbroken")[0]) == (control == "channels"), "D_g reads motion tokens only"
    broken = make_trainer(recipe, data, vae, tmp_path / "broken")
    broken.run(max_minutes=0)
    make_trainer(recipe, data, vae, tmp_path / "broken").run()
    assert log(tmp_path / "broken") == log(tmp_path / "unbroken")


def test_motion_tokens_in_channels_follow_time(data, vae):
    """A change in the last driving frames reaches the last latent frame and not the first."""
    recipe = tiny_recipe(control="channels")
    trainee = awake(build_trainee(recipe, build_backbone(vae, 0)))
    config = trainee.injection.config
    layout = trainee.backbone.layout(torch.zeros(1, 16, 3, 8, 8))
    tokens = torch.randn(1, 9, config.num_tokens, config.token_dim)
    changed = tokens.clone()
    changed[:, 8] = torch.randn_like(changed[:, 8])
    first, second = (trainee.injection(motion_context(t, layout, config), (4, 4)) for t in (tokens, changed))
    assert torch.equal(first[:, :, 0], second[:, :, 0]), "outside of its window"
    assert torch.allclose(first[:, :, 1], second[:, :, 1], atol=0.02), "a latent frame away it hardly counts"
    assert not torch.allclose(first[:, :, 2], second[:, :, 2], atol=0.2)


# --- what the other controls see --------------------------------------------------------------------------


def test_the_drawn_skeleton_lies_on_the_person(data):
    record = read_manifest(data)[0]
    store = ClipStore(data)
    joints = store.labels(record, "joints_2d")["joints_2d"][0]
    pictures = draw_skeletons(joints, SET.height, SET.width, SET.width)
    drawn = pictures.amax(1) > 100
    person = torch.nn.functional.max_pool2d(torch.from_numpy(store.mask(record, 0)).float()[:, None], 5, 1, 2)[:, 0] > 0
    assert drawn.sum() > 100 and (drawn & person).sum() / drawn.sum() > 0.95
    mirrored = draw_skeletons(joints, SET.height, SET.width, SET.width, mirrored=True)
    overlap = ((mirrored.flip(-1).amax(1) > 100) & drawn).sum() / drawn.sum()
    assert overlap > 0.8, "the mirrored skeleton, mirrored, lies where it was"


def test_mirroring_a_pose_twice_gives_it_back():
    from threedimo_core.rotations import rotation_6d_to_matrix

    pose = rotation_6d_to_matrix(torch.randn(4, 51, 6))
    once = mirror_pose(pose)
    assert not torch.allclose(once, pose)
    torch.testing.assert_close(mirror_pose(once), pose)
    torch.testing.assert_close(torch.linalg.det(once), torch.ones(4, 51))
    left_hip, right_hip = 0, 1
    torch.testing.assert_close(once[:, left_hip, 0, 0], pose[:, right_hip, 0, 0])
    torch.testing.assert_close(once[:, left_hip, 0, 1], -pose[:, right_hip, 0, 1])


# --- the variants -----------------------------------------------------------------------------------------


def test_every_variant_has_the_same_budget_and_differs_in_what_it_says():
    base = load_recipe(RECIPES / "mini.yaml")
    found = {name: variant_recipe(base, name, 1500, 0) for name in VARIANTS}
    steps = {name: sum(s.steps for s in r.stages if s.generate) for name, r in found.items()}
    assert len(set(steps.values())) == 1, steps
    assert found["full"].total_steps == 1500
    same, multi, moving = PairKind
    kinds = {name: {k for s in r.stages if s.generate for k, w in s.mixture.items() if w} for name, r in found.items()}
    assert kinds["stage-1-only"] == {same}
    assert kinds["full"] == {same, multi, moving}
    last = {name: set(recipe.stages[-1].mixture) for name, recipe in found.items()}
    assert last["full"] == {multi, moving} and last["stages-1-2"] == {same, multi, moving}
    assert found["no-geometric"].geometric.start == 0 and found["no-hands"].encoder.hand is None
    assert {name: r.control for name, r in found.items() if r.control != "tokens"} == {
        "channels": "channels", "smpl": "smpl", "pose-2d": "pose_2d",
    }  # fmt: skip
    assert variant_recipe(base, "full", 1500, 2).seed == base.seed + 2


def test_budgets_keep_the_shares_of_the_stages():
    recipe = tiny_recipe(geometric=Geometric(steps=4))
    longer = scaled(recipe, 40)
    assert [stage.steps for stage in longer.stages] == [20, 20] and longer.geometric.steps == 40
    with pytest.raises(RecipeError, match="--steps is 1"):
        scaled(recipe, 1)
    with pytest.raises(RecipeError, match="unknown variant 'half'"):
        variant_recipe(recipe, "half", None, 0)


def test_the_table_finds_its_figures_and_gives_each_row_its_command(tmp_path):
    key = "retrieval | tokens, gap 90° | R@1"
    reports = [{"figures": {key: {"value": value, "low": 0, "high": 1}}} for value in (0.5, 0.7)]
    text = write_table(
        tmp_path, {"full": reports, "smpl": reports[:1]}, "python -m training ablate x.yaml", 7
    ).read_text()
    assert "| full method | 2 | 0.6 (0.5 to 0.7) |" in text
    assert "`python -m training ablate x.yaml --variants smpl`" in text and "7 steps" in text
    assert headline(reports[0]["figures"], HEADLINES["R@1, gap 90°"]) == 0.5
    assert headline({}, HEADLINES["R@1, gap 90°"]) is None


@pytest.mark.slow
def test_the_ablation_trains_scores_and_goes_on(data, vae, tmp_path, monkeypatch, capsys):
    """Three variants, two steps each, two parts of the bench at a size of its own."""
    import yaml

    from training.__main__ import main
    from training.evaluation import heldout

    size = replace(heldout.SIZES["smoke"], name="tiny", motions=4, views=2, moves=2, fit=4, few_views=2, cases=2)
    monkeypatch.setitem(heldout.SIZES, "tiny", replace(size, probe_steps=5, reader_steps=5))
    stage = {"batch": 2, "lr": 1e-3, "warmup": 0}
    settings = {
        "name": "tiny", "backbone": "mini", "encoder": json.loads(json.dumps(ENCODER.to_dict())),
        "injection": {"inner_dim": 64, "head_dim": 32}, "geometric": {"steps": 4, "hidden_dim": 16, "depth": 2},
        "mixed_precision": "no", "optimizer": "muon",
        "stages": [
            stage | {"name": "stage-1", "steps": 10, "mixture": {"same_view": 1}},
            stage | {"name": "stage-2", "steps": 10, "mixture": {"same_view": 1, "multi_view": 1}},
        ],
    }  # fmt: skip
    recipe, folder = tmp_path / "tiny.yaml", tmp_path / "vae"
    recipe.write_text(yaml.safe_dump(settings))
    vae.save_pretrained(folder)
    command = [
        "ablate", str(recipe), "--data", str(data), "--vae", str(folder), "--heldout", str(tmp_path / "heldout"),
        "--out", str(tmp_path / "out"), "--steps", "2", "--size", "tiny", "--parts", "retrieval", "quality",
        "--sampling-steps", "2", "--variants", "full", "channels", "smpl", "pose-2d",
    ]  # fmt: skip
    assert main(command) == 0
    table = (tmp_path / "out" / "ablation.md").read_text()
    assert all(VARIANTS[name].title in table for name in ("full", "channels", "smpl", "pose-2d"))
    rows = [line for line in table.splitlines() if line.startswith("| ") and "variant" not in line]
    assert len(rows) == 4 and all("–" not in row for row in rows), "every column has a figure in every row"
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("report.json")}
    assert main(command) == 0
    assert made == {path: path.stat().st_mtime_ns for path in made}, "what is finished is not done again"


def test_a_stage_without_generator_needs_labels():
    warm = Stage(
        name="warm-up", steps=1, batch=2, lr=1e-3, mixture={"same_view": 1}, generate=False,
        train=Trains(motion=False, dit="frozen"),
    )  # fmt: skip
    recipe = tiny_recipe(stages=(warm, *tiny_recipe().stages))
    for name in ("no-geometric", "smpl", "pose-2d"):
        assert warm.name not in [stage.name for stage in variant_recipe(recipe, name, None, 0).stages]
    assert warm.name in [stage.name for stage in variant_recipe(recipe, "channels", None, 0).stages]
