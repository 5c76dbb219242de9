"""Folders that appear whole: written as a hidden neighbour, then renamed.

A folder under its real name is complete; one that was published just before a kill, and so has no line in the
manifest yet, is found again by the copy of its record inside.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from .manifest import Record, dump_json, performance_folder, raise_if_disk_full

RECORD_NAME = "record.json"
_UNFINISHED = ".unfinished-"


def publish_folder(root: Path, record: Record, contents: dict[str, bytes]) -> None:
    """Write a record's files and the record itself into its folder under `root`, all of them or none.

    A folder that is already there stays (it has the same bytes). DiskFullError when no space is left.
    """
    folder = root / record["path"]
    contents = contents | {RECORD_NAME: (dump_json(record) + "\n").encode()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f"{_UNFINISHED}{folder.name}-{os.getpid()}")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        for name, data in contents.items():
            (beside / name).write_bytes(data)
        if not folder.exists():
            os.rename(beside, folder)
    except OSError as error:
        raise_if_disk_full(error, folder)
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def published_record(root: Path, index: int) -> Record | None:
    """The record of performance `index` when its folder is published and whole, else None."""
    return record_in(root / performance_folder(index))


def record_in(folder: Path) -> Record | None:
    """The record of a performance folder when it is published and whole, else None.

    A folder with a missing or shortened file (a crash of the machine, not of the program) is removed, so that it
    is made again.
    """
    if not folder.is_dir():
        return None
    try:
        record = json.loads((folder / RECORD_NAME).read_text("utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in record["files"].items())
    except (OSError, ValueError, KeyError):
        whole = False
    if not whole:
        shutil.rmtree(folder)
        return None
    return record


def remove_unfinished(root: Path, index: int) -> None:
    """Remove what a killed writer left of performance `index`."""
    remove_unfinished_at(root / performance_folder(index))


def remove_unfinished_at(folder: Path) -> None:
    """Remove what a killed writer left beside a performance folder."""
    for left in folder.parent.glob(f"{_UNFINISHED}{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
