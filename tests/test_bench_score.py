"""The whole benchmark at its smallest: a random model, a few renders, every part, the files and the refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_models

from threedimo_core.backbones.loading import save_backbone
from threedimo_core.checkpoint import save_adapter
from training.data.clip_store import ClipStore
from training.data.manifest import read_manifest
from training.evaluation import scoring
from training.evaluation.bench import main
from training.evaluation.heldout import SIZES, HeldOut, Pictures, Size
from training.evaluation.parts import ENCODER_PARTS, PARTS
from training.evaluation.scoring import score
from training.evaluation.system import Take

TINY = Size("tiny", motions=4, views=3, moves=3, fit=4, few_views=2, cases=2, probe_steps=4, reader_steps=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    backbone = tiny_models.wan_backbone()
    save_backbone(backbone, folder)
    save_adapter(folder / "adapter.safetensors", tiny_models.adapter_for(backbone))
    return folder


@pytest.fixture(scope="module")
def heldout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("heldout")


@pytest.fixture(scope="module")
def out(model: Path, heldout: Path) -> Path:
    """The report of one run of all parts."""
    folder = heldout / "report"
    patch = pytest.MonkeyPatch()
    patch.setitem(SIZES, "smoke", TINY)
    words = ["--model", model, "--heldout", heldout, "--size", "smoke", "--out", folder, "--plain"]
    assert main([str(w) for w in [*words, "--markdown", folder / "docs" / "table.md"]]) == 0
    patch.undo()
    return folder


def test_every_part_is_reported_with_what_made_it(out: Path) -> None:
    document = json.loads((out / "report.json").read_text())
    assert [section["part"] for section in document["sections"]] == list(PARTS)
    rows = [row for section in document["sections"] for row in section["rows"]]
    made_by = document["made_by"]
    assert len(made_by["checkpoint"]) == 12 and made_by["seed"] == 0 and made_by["commit"]
    for row in rows:
        assert row["made_by"] == made_by
        assert row["low"] <= row["value"] + 1e-9 and row["value"] <= row["high"] + 1e-9, row
        assert row["clusters"] <= row["samples"]
    figure = document["figures"]["probe | mean pose | PA-MPJPE"]
    assert 0 < figure["value"] < 1000


def test_controls_are_there_and_marked(out: Path) -> None:
    document = json.loads((out / "report.json").read_text())
    control = {row["what"]: row["control"] for section in document["sections"] for row in section["rows"]}
    for what in ("mean pose", "tokens with shuffled labels, ridge", "true renders", "prompt shuffled", "static prompt",
                 "another clip's tokens", "null tokens", "frozen reference", "VAE round trip", "pixels", "2D joints",
                 "untrained encoder", "true 3D joints"):  # fmt: skip
        assert control[what], what
    assert not control["right tokens"] and not control["right prompt"] and not control["tokens, MLP"]


def test_tables_plots_and_sheets_are_written(out: Path) -> None:
    table = (out / "docs" / "table.md").read_text()
    assert "## b. Pose probe" in table and "bench" in table and "*mean pose*" in table
    assert (out / "report.md").read_text().count("seed 0") > 50
    for name in ("retrieval", "probe", "quality", "leaks", "camera"):
        assert (out / f"{name}.png").stat().st_size > 2000


@pytest.mark.slow
def test_same_seed_same_figures(model: Path, heldout: Path, out: Path) -> None:
    document = json.loads((out / "report.json").read_text())
    again = score(model, heldout, ["probe", "quality"], TINY, plain=True)
    for name, figure in again["figures"].items():
        assert figure == pytest.approx(document["figures"][name], rel=1e-4), name


def test_an_adapter_alone_is_scored_by_the_parts_of_the_encoder(model: Path, heldout: Path, out: Path) -> None:
    document = score(model / "adapter.safetensors", heldout, ["retrieval"], TINY, plain=True)
    assert [s["part"] for s in document["sections"]] == ["retrieval"]
    assert set(ENCODER_PARTS) == {"retrieval", "probe", "leaks", "depth"}
    with pytest.raises(ValueError, match="needs a generator"):
        score(model / "adapter.safetensors", heldout, ["quality"], TINY, plain=True)


def test_a_heldout_folder_of_other_settings_is_refused_and_kept(heldout: Path, out: Path) -> None:
    before = (heldout / "views" / "dataset.json").read_bytes()
    other = Pictures(height=32, width=32, num_frames=9, fps=10.0, hand_size=16, plain=True)
    with pytest.raises(ValueError, match="other settings"):
        HeldOut(heldout).complete(TINY, other, seed=0)
    assert (heldout / "views" / "dataset.json").read_bytes() == before


def test_a_set_that_is_there_keeps_its_size_and_clips_are_scaled_to_the_model(heldout: Path, out: Path) -> None:
    larger = Pictures(height=48, width=64, num_frames=9, fps=12.0, hand_size=24, plain=True)
    found = HeldOut(heldout).shape(larger)
    assert (found.height, found.width, found.hand_size) == (32, 32, 16)
    assert HeldOut(heldout).shape(larger, (80, 96)).width == 96
    record = read_manifest(heldout / "views")[0]
    take = Take(ClipStore(heldout / "views"), record, 0, (48, 64))
    assert take.frames().shape == (9, 3, 48, 64) and take.mask().shape == (9, 48, 64)
    share, scaled = (t.mask().float().mean().item() for t in (Take(take.store, record, 0), take))
    assert scaled == pytest.approx(share, abs=0.02) and share > 0.02


def test_the_sets_are_disjoint_from_training(heldout: Path, out: Path) -> None:
    splits = {}
    for name in ("views", "moves", "fit"):
        lines = (heldout / name / "manifest.jsonl").read_text().splitlines()
        splits[name] = {json.loads(line)["split"] for line in lines}
    assert splits == {"views": {"test"}, "moves": {"test"}, "fit": {"train"}}


def test_unknown_names_are_told_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part poses is unknown; choose of retrieval"):
        score(tmp_path, tmp_path, ["poses"])
    with pytest.raises(ValueError, match="size 'huge' is unknown; choose one of smoke"):
        score(tmp_path, tmp_path, size="huge")
    assert not list(tmp_path.iterdir())


def test_a_part_can_be_asked_for_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = {}

    def record(model, heldout, parts, size, **options):
        asked.update(parts=parts, size=size, **options)
        return {"made_by": {}, "size": ""}

    monkeypatch.setattr("training.evaluation.score_command.score", record)
    assert main(["leaks", "--model", str(tmp_path), "--heldout", str(tmp_path), "--cases", "5", "--seed", "3"]) == 0
    assert asked["parts"] == ["leaks"] and asked["size"].cases == 5 and asked["seed"] == 3
    assert "cases=5" in asked["size"].name
    assert scoring.PARTS.keys() == PARTS.keys()


def test_too_few_cases_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["all", "--model", str(tmp_path), "--heldout", str(tmp_path), "--cases", "1"]) == 1
    assert "--cases is 1; an interval needs 2" in capsys.readouterr().err
