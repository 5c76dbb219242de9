"""What can be told about the files of a command before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def require_file(path: Path) -> None:
    """ValueError unless `path` is a file."""
    if path.is_dir():
        raise ValueError(f"{path}: this is a folder; name a file")
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")


def require_writable(out: Path, suffixes: tuple[str, ...], kind: str) -> None:
    """ValueError unless a file can be written to `out`, in the words of --out. Makes nothing.

    kind: what is written, in the plural ("videos").
    """
    if out.suffix.lower() not in suffixes:
        raise ValueError(f"--out {out}: {kind} are written as {', '.join(suffixes)}; change the suffix")
    if out.is_dir():
        raise ValueError(f"--out {out}: this is a folder; name a file in it")
    require_writable_folder(out, out.parent)


def require_writable_folder(out: Path, folder: Path) -> None:
    """ValueError unless files can be written to `folder`, which need not exist yet."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise ValueError(f"--out {out}: {there} is a file, not a folder; name another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"--out {out}: the folder {there} may not be written to; name another place")


def require_apart(outs: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """ValueError where a result would replace what it is made from."""
    taken = {path.resolve() for path in inputs if path is not None}
    for out in outs:
        if out.resolve() in taken:
            raise ValueError(f"--out: {out} is one of the inputs and would be overwritten; name another file")
