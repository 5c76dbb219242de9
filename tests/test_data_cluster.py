"""data cluster: every shard of a step as a task; the set has the same bytes as one made in a single process."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from footage_scenes import Room, write_mp4
from pose_files import random_pose, write_wham

from training.data import cluster_command
from training.data.cli import main
from training.data.cluster_command import run_shard
from training.data.manifest import read_manifest

T = 5


class Range:
    """Ray Data's interface as far as it is used: here, and one after the other."""

    def __init__(self, count: int, override_num_blocks: int) -> None:
        assert override_num_blocks == count, "a block a shard: else Ray would put many into one task"
        self.rows = [{"id": number} for number in range(count)]

    def map(self, task, num_cpus: float, num_gpus: float) -> Range:
        self.asked = (num_cpus, num_gpus)
        self.rows = [task(row) for row in self.rows]
        return self

    def take_all(self) -> list[dict]:
        return self.rows[::-1]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A `ray` that runs tasks in this process."""
    seen = SimpleNamespace(addresses=[], stopped=0)
    ray, data = ModuleType("ray"), ModuleType("ray.data")
    ray.init = lambda address, **_: seen.addresses.append(address)
    ray.shutdown = lambda: setattr(seen, "stopped", seen.stopped + 1)
    data.range = Range
    ray.data = data
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    return seen


def step(folder: Path, clips: int = 3) -> list[str]:
    return ["render", "--out", str(folder), "--clips", str(clips), "--views", "1", "--frames", "5", "--size", "32x32",
            "--fps", "8", "--hand-size", "0", "--seed", "3"]  # fmt: skip


def performances(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("performances/**/*.*"))}


@pytest.mark.slow
def test_the_shards_of_a_step_make_the_same_set(stand_in, tmp_path, capsys):
    pytest.importorskip("warp")
    assert main(step(tmp_path / "alone")) == 0
    assert main(["cluster", "--shards", "2", "--address", "auto", "--", *step(tmp_path / "cluster")]) == 0
    assert "2 of 2 shards are done, 0 failed" in capsys.readouterr().out
    assert stand_in.addresses == ["auto"] and stand_in.stopped == 1
    assert performances(tmp_path / "cluster") == performances(tmp_path / "alone") != {}
    assert read_manifest(tmp_path / "cluster") == read_manifest(tmp_path / "alone")
    manifests = sorted(path.name for path in (tmp_path / "cluster").glob("manifest*"))
    assert manifests == ["manifest-0-of-2.jsonl", "manifest-1-of-2.jsonl"]


@pytest.mark.slow
def test_failed_shards_are_named_with_their_last_words(stand_in, tmp_path, capsys):
    pytest.importorskip("warp")
    (tmp_path / "set").write_text("a file where the folder should be")
    assert main(["cluster", "--shards", "2", *step(tmp_path / "set")]) == 1
    said = capsys.readouterr()
    assert "0 of 2 shards are done, 2 failed" in said.out
    assert "shard 0/2 failed: " in said.err and "File exists" in said.err and stand_in.stopped == 1


def test_wrong_options_are_refused_before_any_machine_is_asked_for(stand_in, tmp_path, capsys):
    assert main(["cluster", "--shards", "0", *step(tmp_path / "set")]) == 1
    assert "--shards is 0" in capsys.readouterr().err
    assert main(["cluster", "--shards", "2", *step(tmp_path / "set"), "--shard", "0/2"]) == 1
    assert "--shard is given by the cluster's driver" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["cluster", "--shards", "2", "import-video", "--frames", "many"])
    with pytest.raises(SystemExit):
        main(["cluster", "--shards", "2", "check", "x"])
    assert stand_in.addresses == []


@pytest.mark.parametrize("name", cluster_command.STEPS)
def test_every_step_shards(name):
    """Each step's own parser knows --shard i/n."""
    import argparse
    import importlib

    parser = argparse.ArgumentParser()
    importlib.import_module(f"training.data.{name.replace('-', '_')}_command").add_arguments(parser)
    assert "--shard" in parser.format_help()


def test_without_ray_the_message_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["cluster", "--shards", "2", *step(tmp_path / "set")]) == 1
    assert "pip install threedimo[cluster]" in capsys.readouterr().err


def test_a_task_gives_the_status_of_its_process(tmp_path):
    row = run_shard({"id": 1}, "caption", [str(tmp_path), "--model", "x"], 3, str(Path.cwd()))
    assert row["shard"] == 1 and row["status"] == 1 and "dataset.json does not exist" in row["said"]


@pytest.mark.slow
def test_a_real_ray_on_this_machine(tmp_path, monkeypatch, capsys):
    """With Ray installed: a render, and poses laid over clips of footage, by its tasks."""
    pytest.importorskip("ray.data")
    pytest.importorskip("warp")
    assert main(step(tmp_path / "alone")) == 0
    assert main(["cluster", "--shards", "2", "--", *step(tmp_path / "set")]) == 0
    assert performances(tmp_path / "set") == performances(tmp_path / "alone") != {}
    monkeypatch.setattr("training.data.import_video_command.tracker_available", lambda: False)
    pan = np.stack([np.linspace(0, 40, 2 * T), np.zeros(2 * T)], axis=1)
    for number in range(3):
        write_mp4(tmp_path / "videos" / f"{number}.mp4", Room(number, 48, 64).seen(pan), 16.0)
    clips = ["--out", str(tmp_path / "own"), "--frames", str(T), "--size", "48x64"]
    assert main(["import-video", str(tmp_path / "videos"), *clips]) == 0
    write_wham(tmp_path / "poses" / "1" / "wham_output.pkl", random_pose(2 * T)[:, :21])
    poses = ["import-poses", str(tmp_path / "own"), str(tmp_path / "poses"), "--estimator", "wham"]
    assert main(["cluster", "--shards", "2", "--", *poses]) == 0
    labelled = [record for record in read_manifest(tmp_path / "own") if record.get("pose_sources")]
    assert [record["origin"]["files"] for record in labelled] == [["1.mp4"]] * 2
    assert capsys.readouterr().out.count("2 of 2 shards are done, 0 failed") == 2
