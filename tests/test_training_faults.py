"""What goes wrong while a run trains: killed processes, full disks, damaged files, data that is not finite."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch

pytest.importorskip("warp")

from diffusers import AutoencoderKLWan
from safetensors.torch import load_file, save_file
from training_runs import log, tiny_recipe, trainer_for

from training import checkpointing
from training.caches import CacheError, LatentCache, vae_id
from training.checkpointing import CheckpointError
from training.data.manifest import read_manifest
from training.trainer import RunSettings, Trainer, TrainingStopped

pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, data, vae) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    trainer_for(tiny_recipe(), data, vae, out).run()
    return out


@pytest.fixture
def begun(data, vae, tmp_path) -> Trainer:
    """A run with one checkpoint, one step further."""
    trainer = trainer_for(tiny_recipe(), data, vae, tmp_path)
    trainer.tracking.log(trainer.train_step())
    trainer.save()
    trainer.tracking.log(trainer.train_step())
    return trainer


def checkpoints(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").iterdir())


# --- killed -----------------------------------------------------------------------------------------------


def _killed_while_saving(data: Path, vae: AutoencoderKLWan, out: Path, moment: str) -> None:
    """In a process of its own: dies by SIGKILL at a moment of the second save."""
    trainer = trainer_for(tiny_recipe(), data, vae, out)
    trainer.tracking.log(trainer.train_step())
    trainer.save()
    trainer.tracking.log(trainer.train_step())
    setattr(checkpointing, moment, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    trainer.save()


@pytest.mark.parametrize("moment", ["_digests", "_sync_folder"])
def test_sigkill_in_the_middle_of_a_save_loses_only_the_steps_since_the_last(moment, unbroken, data, vae, tmp_path):
    child = multiprocessing.get_context("fork").Process(target=_killed_while_saving, args=(data, vae, tmp_path, moment))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert checkpoints(tmp_path) == [".step-00000002.tmp", "step-00000001"], "the second never was published"
    resumed = trainer_for(tiny_recipe(), data, vae, tmp_path)
    assert resumed.step == 1
    resumed.run()
    assert log(tmp_path) == log(unbroken)
    assert checkpoints(tmp_path) == ["step-00000001", "step-00000004"], "what was half written is gone"


def test_a_line_of_the_log_that_was_cut_off_does_not_stop_a_resume(unbroken, begun, data, vae):
    with open(begun.out / "log.jsonl", "a") as file:
        file.write('{"step": 3, "sta')
    trainer_for(tiny_recipe(), data, vae, begun.out).run()
    assert log(begun.out) == log(unbroken)


# --- full disks -------------------------------------------------------------------------------------------


def test_a_full_disk_stops_by_name_and_leaves_the_last_checkpoint(begun, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"step 2 could not be saved.*no space left.*last good.*step-00000001"):
        begun.save()
    monkeypatch.undo()
    assert checkpoints(begun.out) == ["step-00000001"]
    checkpointing.verify(begun.out / "checkpoints" / "step-00000001")
    begun.save()
    assert checkpoints(begun.out) == ["step-00000001", "step-00000002"], "with room again it goes on"


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 3 MB; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_really_full(tiny_disk, data, vae):
    trainer = trainer_for(tiny_recipe(), data, vae, tiny_disk, settings=RunSettings(keep=9))
    with pytest.raises(CheckpointError, match="no space left"):
        for _ in range(4):
            trainer.train_step()
            trainer.save()
    assert all(name.startswith("step-") for name in checkpoints(tiny_disk))
    for name in checkpoints(tiny_disk):
        checkpointing.verify(tiny_disk / "checkpoints" / name)


# --- damaged files ----------------------------------------------------------------------------------------


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_flip, "is not what was written"),
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), r"has \d+ bytes, not \d+"),
        (Path.unlink, "is missing"),
    ],
)
def test_a_damaged_shard_is_named_and_never_half_loaded(damage, told, begun, data, vae):
    begun.save()
    newest = begun.out / "checkpoints" / "step-00000002"
    damage(next(newest.glob("*.distcp")))
    with pytest.raises(CheckpointError, match=rf"step-00000002 is damaged: __0_0\.distcp {told}.*step-00000001"):
        trainer_for(tiny_recipe(), data, vae, begun.out)
    newest.rename(begun.out / "aside")
    assert trainer_for(tiny_recipe(), data, vae, begun.out).step == 1


def test_a_checkpoint_without_its_list_of_files(begun, data, vae):
    (begun.out / "checkpoints" / "step-00000001" / "info.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"info\.json is not valid JSON.*no older one"):
        trainer_for(tiny_recipe(), data, vae, begun.out)


def _own_set(data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "set"))


def _latents(root: Path, vae: AutoencoderKLWan) -> Path:
    return LatentCache(root, vae_id(vae)).path(read_manifest(root)[0])


def test_damaged_and_missing_latents_name_the_file_and_the_command(data, vae, tmp_path):
    root = _own_set(data, tmp_path)
    path = _latents(root, vae)
    path.write_bytes(path.read_bytes()[:-100])
    trainer = trainer_for(tiny_recipe(), root, vae, tmp_path / "out")
    with pytest.raises(CacheError, match=rf"{path.name} is damaged.*training precompute"):
        for _ in range(4):
            trainer.train_step()
    path.unlink()
    with pytest.raises(CacheError, match=r"1 clips of .* have no latents.*training precompute"):
        trainer_for(tiny_recipe(), root, vae, tmp_path / "other")


def test_latents_that_are_not_finite_stop_the_run_and_name_the_clip(data, vae, tmp_path):
    root = _own_set(data, tmp_path)
    trainer = trainer_for(tiny_recipe(), root, vae, tmp_path / "out")
    trainer.train_step()
    trainer.save()
    for record in read_manifest(root):
        path = LatentCache(root, vae_id(vae)).path(record)
        save_file({name: torch.full_like(t, float("nan")) for name, t in load_file(path).items()}, path)
    fresh = trainer_for(tiny_recipe(), root, vae, tmp_path / "out")
    with pytest.raises(TrainingStopped, match=r"step 1 is not finite.*losses: flow nan.*clips.*step-00000001"):
        fresh.run()
    assert checkpoints(tmp_path / "out") == ["step-00000001"]
