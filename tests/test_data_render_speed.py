"""`bench render`: the table, the same mesh for all, and what is said of renderers that are not installed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("warp")

from training.data.render_rivals import RivalMissing, open_rival
from training.data.render_speed import RIVALS, Figure, make_stage, table
from training.evaluation.bench import main


def test_the_own_renderer_is_measured_and_missing_ones_are_named(tmp_path, capsys, monkeypatch):
    def missing(name, meshes, height, width):
        raise RivalMissing(f"{name} is not installed (no module)")

    monkeypatch.setattr("training.data.render_speed.open_rival", missing)
    out, pictures = tmp_path / "speed.json", tmp_path / "pictures"
    command = ["render", "--size", "32x48", "--frames", "2", "--repeats", "1", "--out", str(out)]
    assert main([*command, "--pictures", str(pictures)]) == 0
    said = capsys.readouterr().out
    assert "| ours |" in said and "moderngl is not installed" in said and "pyrender is not installed" in said
    figures = json.loads(out.read_text())["figures"]
    assert [figure["name"] for figure in figures] == ["ours", "ours, 2 x 2 rays"]
    assert all(figure["fps"] > 0 and figure["cpu_fps"] > 0 and figure["size"] == [32, 48] for figure in figures)
    assert len(list(pictures.glob("*.png"))) == 2


def test_nonsense_is_refused(capsys):
    assert main(["render", "--frames", "0"]) == 1
    assert "--frames 0" in capsys.readouterr().err


def test_the_table_has_a_column_for_each_size():
    figures = [Figure("a", (64, 64), 10.0, 20.0), Figure("a", (480, 848), 1.0, 2.0), Figure("b", (480, 848), 3.0, 4.0)]
    assert table(figures).splitlines()[2:] == ["| a | 10.0 (20.0) | 1.0 (2.0) |", "| b | - | 3.0 (4.0) |"]


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_draw_the_same_person_in_the_same_place(name):
    """Where one is installed: its picture of the person covers the pixels that the own renderer's mask says."""
    from training.data.renderer import WarpRenderer

    stage = make_stage(0, 2)
    red = replace(stage.meshes, colours=np.tile(np.float32([0.9, 0.05, 0.05]), (len(stage.meshes.colours), 1)))
    try:
        rival = open_rival(name, red, 96, 128)
    except RivalMissing as error:
        pytest.skip(str(error))
    drawn = rival.draw(1).astype(int)
    rival.close()
    own = WarpRenderer().render(stage.posed, stage.body, stage.look, stage.scene, [stage.camera], 96, 128)
    mask = own[0].mask[1] > 0
    person = drawn[..., 0] > drawn[..., 1] + 25
    assert drawn.shape == (96, 128, 3) and mask.sum() > 300
    assert person[mask].mean() > 0.97 and person[~mask].mean() < 0.02
