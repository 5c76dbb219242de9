"""Training state on disk: written beside, synced, then published by rename; the newest few are kept.

Design decisions:
- The state is a flat dictionary of named tensors, written and read by `torch.distributed.checkpoint`: every process
  writes its own shards, and any number of processes can read them.
- `info.json` is written last and lists every file with its size and hash. A checkpoint with a damaged file is named
  and refused; it is never half loaded, and never quietly replaced by an older one.
- A checkpoint belongs to whoever trains: its index is a pickle, as torch writes it. What is made to be shared is the
  export, in safetensors.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException

FORMAT = 2
_NAME = re.compile(r"^step-(\d{8})$")
_CHUNK = 1 << 22


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or read; the message names the file and the last good one."""


def published(folder: Path) -> list[Path]:
    """All published checkpoints, oldest first."""
    return sorted(p for p in folder.glob("step-*") if _NAME.match(p.name)) if folder.exists() else []


def latest(folder: Path) -> Path | None:
    """The newest published checkpoint, or None."""
    found = published(folder)
    return found[-1] if found else None


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], info: Mapping[str, Any], keep: int = 2) -> Path:
    """Publish `folder/step-<n>`; older ones beyond `keep` go. Every process calls it.

    A checkpoint of this step that is already there is left as it is: the state is a function of the step.

    Raises:
        CheckpointError: it could not be written (disk full, say). Nothing of it is left, the others are intact.
    """
    final, beside = folder / f"step-{step:08d}", folder / f".step-{step:08d}.tmp"
    if final.exists():
        return final
    try:
        if _rank() == 0:
            _clear(folder)
            beside.mkdir(parents=True)
        _barrier()
        writer = dcp.FileSystemWriter(beside, sync_files=True)
        with _alone():
            dcp.save(dict(tensors), storage_writer=writer, no_dist=not _distributed())
        files = _digests(beside)
        if _rank() == 0:
            _publish(beside, final, {"format": FORMAT, "step": step, **info, "files": files})
    except (OSError, RuntimeError, CheckpointException) as error:
        if _rank() == 0:
            _clear(folder)
        raise CheckpointError(_not_written(folder, step, error)) from error
    _barrier()
    if _rank() == 0:
        for old in published(folder)[:-keep]:
            shutil.rmtree(old)
    return final


def load(path: Path, tensors: Mapping[str, Tensor]) -> int:
    """Read a published checkpoint into the given tensors, in place; returns its step. Every process calls it.

    Raises:
        CheckpointError: it cannot be read, or is of another model; the tensors are then as they were. Call
            `tensor_names` before, which verifies the files.
    """
    info = read_info(path)
    reader = dcp.FileSystemReader(path)
    _require_same_tensors(path, reader, tensors)
    try:
        with _alone():
            dcp.load(dict(tensors), storage_reader=reader, no_dist=not _distributed())
    except (OSError, RuntimeError, ValueError, CheckpointException) as error:
        raise CheckpointError(f"{path} cannot be read: {_reason(error)}") from error
    return int(info["step"])


def tensor_names(path: Path) -> list[str]:
    """Names of the tensors in a published checkpoint; CheckpointError when it is damaged."""
    _on_first_process(lambda: verify(path))
    return list(dcp.FileSystemReader(path).read_metadata().state_dict_metadata)


def read_info(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself."""
    if not (path / "info.json").is_file():
        raise CheckpointError(_damaged(path, "info.json is missing"))
    try:
        info: dict[str, Any] = json.loads((path / "info.json").read_text())
    except ValueError as error:
        raise CheckpointError(_damaged(path, f"info.json is not valid JSON ({error})")) from error
    if info.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} was written by another version of the trainer (format {info.get('format', 1)}, this one reads "
            f"{FORMAT}): begin a new run from the exported model, with --init, in another --out"
        )
    return info


def verify(path: Path) -> None:
    """CheckpointError unless every file of the checkpoint is there with the bytes that were written."""
    for name, written in read_info(path)["files"].items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(_damaged(path, f"{name} is missing"))
        if file.stat().st_size != written["bytes"]:
            raise CheckpointError(_damaged(path, f"{name} has {file.stat().st_size} bytes, not {written['bytes']}"))
        if _digest(file) != written["blake2b"]:
            raise CheckpointError(_damaged(path, f"{name} is not what was written"))


def _clear(folder: Path) -> None:
    """What a killed process was writing, at whatever step."""
    for unfinished in folder.glob(".step-*.tmp"):
        shutil.rmtree(unfinished, ignore_errors=True)


def _publish(beside: Path, final: Path, info: dict[str, Any]) -> None:
    with open(beside / "info.json", "w") as file:
        json.dump(info, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(beside)
    os.replace(beside, final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    """Make names durable; systems whose folders cannot be opened (Windows) do so by themselves."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and hash of every file in the folder; each process reads the shards it has written."""
    mine = {p.name: p for p in sorted(folder.iterdir()) if _is_mine(p.name)}
    found = {name: {"bytes": p.stat().st_size, "blake2b": _digest(p)} for name, p in mine.items()}
    if not _distributed():
        return found
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, found)
    return {name: entry for part in gathered for name, entry in part.items()}


def _is_mine(name: str) -> bool:
    shard = re.match(r"^__(\d+)_", name)
    return int(shard[1]) == _rank() if shard else _rank() == 0


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _require_same_tensors(path: Path, reader: dcp.FileSystemReader, tensors: Mapping[str, Tensor]) -> None:
    found: dict[str, Any] = reader.read_metadata().state_dict_metadata
    saved = {name: tuple(getattr(meta, "size", ())) for name, meta in found.items()}
    wanted = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(name for name in saved.keys() | wanted.keys() if saved.get(name) != wanted.get(name))
    if wrong:
        shown = "; ".join(f"{n}: {saved.get(n, 'not')} there, {wanted.get(n, 'not')} here" for n in wrong[:3])
        raise CheckpointError(
            f"{path} is of another model or recipe: {len(wrong)} tensors differ ({shown}). Use the recipe that the "
            "run began with, or another --out"
        )


# --- processes --------------------------------------------------------------------------------------------


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _rank() -> int:
    return dist.get_rank() if _distributed() else 0


@contextmanager
def _alone() -> Iterator[None]:
    """torch warns whenever it is told that there is only one process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _barrier() -> None:
    if _distributed():
        dist.barrier()


def _on_first_process(check: Any) -> None:
    """Run a check once and let its CheckpointError reach every process."""
    failure: list[Any] = [None]
    if _rank() == 0:
        try:
            check()
        except CheckpointError as error:
            failure = [str(error)]
    if _distributed():
        dist.broadcast_object_list(failure, src=0)
    if failure[0]:
        raise CheckpointError(failure[0])


# --- words ------------------------------------------------------------------------------------------------


def _damaged(path: Path, what: str) -> str:
    older = [p for p in published(path.parent) if p != path]
    rest = f"move it away to go on from {older[-1]}" if older else "there is no older one to go on from"
    return f"the checkpoint {path} is damaged: {what}; {rest}"


def _not_written(folder: Path, step: int, error: BaseException) -> str:
    good = latest(folder)
    kept = f"the last good checkpoint is {good}" if good else "there is no earlier checkpoint"
    return f"the state of step {step} could not be saved in {folder}: {_reason(error)}; {kept}"


def _reason(error: BaseException) -> str:
    """One line; a full disk is told as such, whatever torch made of it."""
    if isinstance(error, CheckpointException):
        causes = [wrapped[0] for wrapped in error.failures.values()]
        return _reason(causes[0]) if causes else str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return "no space left on the disk: free some and run the same command again"
        cause = cause.__cause__ or cause.__context__
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
