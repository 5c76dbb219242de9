"""The bank of imported motions: built, saved, read, drawn from."""

import argparse
from dataclasses import replace

import numpy as np
import pytest
import torch
from motion_files import write_amass, write_bvh

from threedimo_core.safe_file import TensorFileError, write_tensor_file
from training.data import import_motions_command
from training.data.motion import Motion
from training.data.motion_bank import KIND, VERSION, MotionBank, build_bank, load_bank
from training.data.motion_library import sample_motion


def motion(name: str, seed: int = 0, frames: int = 91) -> Motion:
    return replace(sample_motion(np.random.default_rng(seed), frames, 30.0, lower="walk"), name=name)


@pytest.fixture(scope="module")
def bank() -> MotionBank:
    return build_bank([(motion(f"clip{n}", n), n % 2 == 0) for n in range(12)], 30.0, "somebody's")


def test_saved_bank_comes_back(bank, tmp_path):
    back = load_bank(bank.save(tmp_path / "bank.safetensors"))
    assert back.entries == bank.entries and back.credit == "somebody's" and back.fps == 30.0
    first = back.motion(back.entries[3])
    assert torch.allclose(first.pose, motion("clip3", 3).pose, atol=1e-5)


def test_samples_are_windows_in_both_splits(bank):
    names = {"train": set(), "test": set()}
    for seed in range(60):
        for split, seen in names.items():
            drawn = bank.sample(np.random.default_rng([seed, 1]), 17, 12.0, split)
            assert drawn.num_frames == 17 and drawn.fps == 12.0
            assert drawn.transl[0, 0] == drawn.transl[0, 2] == 0
            seen.add(drawn.name.split("@")[0])
    assert names["train"] and names["test"] and not names["train"] & names["test"]
    twice = [bank.sample(np.random.default_rng(5), 17, 12.0) for _ in range(2)]
    assert torch.equal(twice[0].pose, twice[1].pose) and twice[0].name == twice[1].name


def test_what_cannot_be_is_refused(bank, tmp_path):
    with pytest.raises(ValueError, match="longer motions"):
        bank.sample(np.random.default_rng(0), 400, 12.0)
    with pytest.raises(ValueError, match="two motions"):
        build_bank([(motion("same"), True)] * 2, 30.0)
    wrong = {"fps": 30.0, "entries": [["a", 5, 3, True]]}
    tensors = {"rotations": torch.zeros(3, 52, 3), "transl": torch.zeros(3, 3)}
    path = write_tensor_file(tmp_path / "wrong.safetensors", KIND, VERSION, tensors, wrong)
    with pytest.raises(TensorFileError, match="damaged"):
        load_bank(path)


def test_command_imports_what_it_can(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    write_bvh(folder / "walk.bvh", motion("walk"))
    write_amass(folder / "amass.npz", motion("amass", 1))
    (folder / "broken.bvh").write_text("HIERARCHY\nROOT Hips\n{\n")
    parser = argparse.ArgumentParser()
    import_motions_command.add_arguments(parser)
    out = tmp_path / "bank.safetensors"
    status = import_motions_command.run(parser.parse_args([str(folder), "--out", str(out), "--credit", "me"]))
    said = capsys.readouterr()
    assert status == 1 and "broken.bvh, line 3" in said.err and "2 motions" in said.out
    entries = {entry.name: entry for entry in load_bank(out).entries}
    assert set(entries) == {"walk", "amass"} and entries["amass"].fingers and not entries["walk"].fingers
