"""What a run tells: its log, TensorBoard, progress with the time left, validation as it trains, a plot at its end."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("warp")

from training_runs import ENCODER, SET, log, rendered_set

from training.__main__ import main
from training.tracking import choose_trackers, read_log

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture(scope="module")
def command(tmp_path_factory, data, vae) -> list[str]:
    """`train` of four steps, with a look at the set itself every two."""
    folder = tmp_path_factory.mktemp("recipe")
    stage = {"steps": 2, "batch": 2, "lr": 1e-3, "warmup": 0}
    settings = {
        "name": "told",
        "backbone": "mini",
        "encoder": json.loads(json.dumps(ENCODER.to_dict())),
        "injection": {"inner_dim": 64, "head_dim": 32},
        "geometric": {"start": 0.1, "steps": 4, "hidden_dim": 16, "depth": 2},
        "validation": {"every": 2, "cases": 2, "steps": 1},
        "mixed_precision": "no",
        "stages": [
            stage | {"name": "stage-1", "mixture": {"same_view": 1}},
            stage | {"name": "stage-2", "mixture": {"same_view": 1, "multi_view": 1}},
        ],
    }
    (folder / "r.yaml").write_text(yaml.safe_dump(settings))
    vae.save_pretrained(folder / "vae")
    return ["train", str(folder / "r.yaml"), "--data", str(data), "--vae", str(folder / "vae"), "--validate", str(data)]


@pytest.fixture(scope="module")
def told(tmp_path_factory, command) -> tuple[Path, str, str]:
    """(folder, stdout, stderr) of a run that is stopped after a step and resumed."""
    import contextlib
    import io

    out = tmp_path_factory.mktemp("run")
    printed, shown = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(shown):
        assert main([*command, "--out", str(out), "--minutes", "0"]) == 0
        assert main([*command, "--out", str(out)]) == 0
    return out, printed.getvalue(), shown.getvalue()


def test_the_log_has_every_step_once_and_what_validation_found(told):
    records = log(told[0])
    assert [record["step"] for record in records if "stage" in record] == [1, 2, 3, 4]
    looks = [record for record in records if "stage" not in record]
    assert [record["step"] for record in looks] == [2, 4]
    for record in looks:
        assert {"held-out flow", "held-out flow, other tokens", "held-out flow, no tokens", "held-out pose"} < set(
            record
        )
        assert 0 <= record["held-out R@1"] <= 1
    sheets = sorted(path.name for path in (told[0] / "validation").iterdir())
    assert sheets == ["step-00000002.png", "step-00000004.png"]


def test_progress_shows_the_stage_and_the_time_left_and_the_end_a_plot(told):
    out, printed, shown = told
    assert re.search(r"told: .*\d/4 \[\d\d:\d\d<(\d\d:\d\d|\?)", shown), "a bar with what is left"
    assert "stage=stage-2" in shown
    assert "data: 2 clips in 1 buckets" in printed
    assert "step 1 of 4 (0 minutes are over)" in printed and "step 4 of 4; checkpoints, log and plot in" in printed
    assert (out / "run.png").stat().st_size > 10_000


def test_tensorboard_has_the_same_figures_once(told):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folders = {path.parent for path in told[0].rglob("events.out.tfevents*")}
    values: dict[int, float] = {}
    for folder in folders:
        events = accumulator.EventAccumulator(str(folder)).Reload()
        if "flow" in events.Tags()["scalars"]:
            values |= {event.step: event.value for event in events.Scalars("flow")}
    expected = {record["step"]: record["flow"] for record in log(told[0]) if "stage" in record}
    assert values == pytest.approx(expected)


def test_trackers_are_chosen_by_name():
    default = ["tensorboard"] if importlib.util.find_spec("tensorboard") else []
    assert choose_trackers(None) == default
    assert choose_trackers(["none"]) == []
    with pytest.raises(ValueError, match="unknown tracker 'mlflow'; choose among tensorboard, wandb, trackio"):
        choose_trackers(["mlflow"])


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_that_is_not_installed_says_how_to_get_it(name, command, tmp_path, monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *rest: None if n == name else found(n, *rest))
    assert main([*command, "--out", str(tmp_path / "out"), "--track", name]) == 1
    assert f"the tracker {name} is not installed: pip install {name}, or leave it out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists(), "told before anything is loaded"


def test_a_run_that_has_told_nothing_yet_has_no_plot(tmp_path, capsys):
    assert read_log(tmp_path) == []
    assert main(["plot", str(tmp_path)]) == 1
    assert "has no log with a finished step" in capsys.readouterr().err


def test_the_validation_set_must_have_its_caches(command, tmp_path, capsys):
    bare = rendered_set(tmp_path / "bare", SET)
    assert main([*command[:-1], str(bare), "--out", str(tmp_path / "out"), "--track", "none"]) == 1
    assert "run `python -m training precompute`" in capsys.readouterr().err
