"""Rendering a data set from end to end: the same bytes, whole after a kill, right labels, honest checks."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("warp")

from training.data.cli import main
from training.data.clip_store import ClipStore
from training.data.dataset import PairDataset
from training.data.hand_views import hand_view
from training.data.manifest import ManifestError, read_manifest
from training.data.motion_bank import build_bank
from training.data.motion_library import sample_motion
from training.data.pairs import PairKind
from training.data.performance import azimuth_in_split, body_indices, sample_azimuths, sample_performance
from training.data.render_command import parse_shard, parse_size, render_set
from training.data.render_settings import RenderSettings, hand_size_for

TINY = {"views": 2, "num_frames": 5, "fps": 8.0, "height": 64, "width": 64, "hand_size": 16, "seed": 3}
COMMAND = ["data", "render", "--views", "2", "--frames", "5", "--size", "64x64", "--fps", "8", "--hand-size", "16",
           "--seed", "3"]  # fmt: skip


def digest(root: Path) -> dict[str, str]:
    """Path to hash of every file of a data set."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("render") / "set"
    assert render_set(root, RenderSettings(**TINY), [0, 1], quiet=True) == 2
    return root


def test_a_set_has_what_its_manifest_says(folder):
    records = read_manifest(folder)
    assert [record["index"] for record in records] == [0, 1]
    for record in records:
        videos = [f"{kind}_{number}.mp4" for kind in ("hands", "view") for number in range(2)]
        assert sorted(record["files"]) == sorted([*videos, "labels.safetensors"])
        assert {view["identity"] for view in record["views"]} == {0}
        labels = ClipStore(folder).labels(record)
        assert labels["pose"].shape == (5, 51, 3, 3) and labels["joints"].shape == (1, 5, 55, 3)
        assert labels["joints_2d"].shape == (2, 5, 55, 2) and labels["world_to_camera"].shape == (2, 5, 4, 4)
        assert labels["hand_box"].shape == (2, 5, 2, 4)
        assert 0.3 < labels["visible"].float().mean() < 1.0  # the body hides some joints, never most
        determinant = torch.linalg.det(labels["pose"].float())
        torch.testing.assert_close(determinant, torch.ones_like(determinant), atol=5e-3, rtol=0)


def test_check_finds_nothing_wrong_and_finds_damage(folder, tmp_path, capsys):
    assert main(["check", str(folder)]) == 0
    assert "no problems" in capsys.readouterr().out
    render_set(tmp_path / "set", RenderSettings(**TINY), [0], quiet=True)
    record = read_manifest(tmp_path / "set")[0]
    video = tmp_path / "set" / record["path"] / "view_0.mp4"
    video.write_bytes(video.read_bytes()[:-100])
    assert main(["check", str(tmp_path / "set")]) == 1
    assert "its record says" in capsys.readouterr().out


def test_pairs_come_out_of_it(folder):
    item = PairDataset(folder, {PairKind.SAME_VIEW: 1.0}, seed=0)[(0, 0)]
    assert item["driver"].shape == (5, 3, 64, 64) and item["hands"].shape == (5, 2, 3, 16, 16)


@pytest.mark.slow
def test_killed_and_continued_gives_the_same_bytes(folder, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    settings = RenderSettings(**TINY)
    render_set(whole, settings, [0, 1, 2], workers=1, quiet=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *COMMAND, "--out", str(broken), "--clips", "3"],
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None and not any(broken.rglob("record.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert any(broken.rglob("record.json"))
    (broken / "performances/0000/.unfinished-0000001-1").mkdir(exist_ok=True)  # a kill inside a write leaves this
    manifest = broken / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes() + b'{"id": "tr')  # and this
    render_set(broken, settings, [0, 1, 2], workers=2, quiet=True)
    assert digest(broken) == digest(whole)


def test_shards_make_the_same_performances(folder, tmp_path):
    for number in range(2):
        render_set(tmp_path, RenderSettings(**TINY), [number], shard=(number, 2), quiet=True)
    assert main(["merge", str(tmp_path)]) == 0
    assert digest(tmp_path) == digest(folder)


def test_other_settings_do_not_mix(folder):
    with pytest.raises(ManifestError, match="seed: 3 there, 4 asked"):
        render_set(folder, RenderSettings(**(TINY | {"seed": 4})), [0], quiet=True)
    assert main(["render", "--out", str(folder), "--clips", "1", "--size", "64x63"]) == 1


def test_contact_sheets_are_drawn(folder, tmp_path):
    assert main(["show", str(folder), "--out", str(tmp_path), "--count", "1", "--columns", "2"]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 1
    assert main(["show", str(folder), "--out", str(tmp_path), "--overview"]) == 0
    assert (tmp_path / "overview.png").stat().st_size > 0


def test_two_people_share_a_motion_and_its_cameras():
    performance = sample_performance(0, 5, views=3, num_frames=5, fps=8, identities=2)
    first, second = performance.identities
    assert first.body_index != second.body_index
    places = [identity.scene for identity in (first, second)]
    assert repr(places[0]) != repr(places[1]), "a common place would tell that the motion is the same"
    alone = sample_performance(0, 5, views=3, num_frames=5, fps=8)
    assert repr(alone.identities[0].scene) == repr(places[0])
    assert len(performance.cameras) == 3 and len(performance.posed) == 2


def test_a_performance_depends_on_its_key_alone():
    one, two = (sample_performance(0, 3, views=2, num_frames=5, fps=8) for _ in range(2))
    assert torch.equal(one.motion.pose, two.motion.pose)
    assert torch.equal(one.cameras[1].world_to_camera, two.cameras[1].world_to_camera)
    other = sample_performance(0, 4, views=2, num_frames=5, fps=8)
    assert not torch.equal(one.motion.pose, other.motion.pose)


def test_splits_share_no_body_and_no_azimuth():
    assert not set(body_indices("train")) & set(body_indices("test"))
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for views in (1, 4, 12, 20):
            azimuths = sample_azimuths(rng, views, split)
            assert len(azimuths) == views and all(azimuth_in_split(a, split) for a in azimuths)
    gaps = sorted(sample_azimuths(rng, 4, "train"))
    assert len({round(gap) for gap in gaps}) == 4
    performance = sample_performance(0, 0, views=4, num_frames=5, fps=8, split="test")
    assert all(azimuth_in_split(float(camera.azimuth[0]), "test") for camera in performance.cameras)


def test_kinds_of_performances():
    still = sample_performance(0, 0, views=3, num_frames=5, fps=8, kind="static")
    for camera in still.cameras:
        assert torch.equal(camera.world_to_camera[0], camera.world_to_camera[-1])
    kinds = {sample_performance(0, index, views=1, num_frames=5, fps=8).kind for index in range(6)}
    assert kinds == {"static", "moving"}


def test_hand_views_look_at_the_hands():
    performance = sample_performance(0, 2, views=2, num_frames=5, fps=8)
    joints = performance.posed[0].joints
    for camera in performance.cameras:
        for side, fingers in enumerate((slice(25, 40), slice(40, 55))):
            view = hand_view(camera, joints, side, 64, 64, np.random.default_rng(0))
            pixels, _ = view.camera.project(joints[:, fingers], 100, 100)
            assert ((pixels > 0) & (pixels < 100)).float().mean() > 0.95
            positions = [torch.linalg.inv(c.world_to_camera)[:, :3, 3] for c in (view.camera, camera)]
            torch.testing.assert_close(*positions, atol=1e-4, rtol=0)  # turned and zoomed, not moved
            in_view, _ = camera.project(joints[:, fingers], 64, 64)
            low, high = view.box[:, None, :2], view.box[:, None, 2:]
            assert ((in_view > low) & (in_view < high)).float().mean() > 0.95


@pytest.mark.parametrize(
    ("change", "message"),
    [({"num_frames": 6}, "4n \\+ 1"), ({"views": 0}, "views"), ({"height": 63}, "even"), ({"samples": 3}, "samples"),
     ({"split": "all"}, "split"), ({"kind": "orbit"}, "kind"), ({"identities": 3}, "identities")],
)  # fmt: skip
def test_nonsense_is_refused_before_rendering(change, message):
    with pytest.raises(ValueError, match=message):
        RenderSettings(**(TINY | change))


def test_options_are_parsed():
    assert parse_size("480x848") == (480, 848) and parse_shard("3/8") == (3, 8)
    for parse, text in ((parse_size, "480"), (parse_shard, "8/8"), (parse_shard, "a/b")):
        with pytest.raises(Exception, match="expected"):
            parse(text)
    assert json.dumps(RenderSettings(**TINY).to_json())


def test_motions_from_a_bank_are_rendered_and_recorded(tmp_path):
    bank = build_bank(
        [(replace(sample_motion(np.random.default_rng(n), 40, 30.0), name=f"file{n}"), True) for n in range(8)], 30.0
    ).save(tmp_path / "bank.safetensors")
    command = ["render", "--views", "1", "--frames", "5", "--size", "32x32", "--fps", "8", "--hand-size", "0",
               "--clips", "2", "--out", str(tmp_path / "set"), "--motions", str(bank)]  # fmt: skip
    assert main(command) == 0
    assert all(record["motion"].startswith("file") for record in read_manifest(tmp_path / "set"))
    settings = json.loads((tmp_path / "set" / "dataset.json").read_text())["settings"]
    assert settings["motions"] == hashlib.sha256(bank.read_bytes()).hexdigest()
    assert main(command[:-2]) == 1  # the procedural library makes another set
    assert main([*command[:-1], str(tmp_path / "missing.safetensors")]) == 1


@pytest.mark.parametrize(("size", "hand"), [((64, 64), 24), ((128, 128), 48), ((256, 192), 72), ((480, 848), 112)])
def test_hand_views_grow_with_the_picture(size, hand):
    assert hand_size_for(*size) == hand
