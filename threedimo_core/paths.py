"""Paths: files that appear whole or not at all, and names from users that stay inside their folder."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_WINDOWS_DEVICES = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*]')


class PathError(ValueError):
    """A file name that leaves its folder or that some system could not store."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a fresh path beside `path`, same suffix; at the end of the block it replaces `path`.

    Where the block raises, the half-written file is removed and an older file at `path` stays as it was.
    Missing parent folders are made.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    # A name of our own instead of tempfile's: mkstemp's mode 0600 would stay on the finished file. Of the stem only a
    # little, since 255 bytes may be full already, and a letter takes up to four.
    draft = final.with_name(f".{final.stem[:20]}.{secrets.token_hex(4)}.part{final.suffix}")
    try:
        draft.touch()
        mode = draft.stat().st_mode
        draft.unlink()
        yield draft
        os.chmod(draft, mode)  # safetensors writes files that only their owner may read; these are made to be shared
        with open(draft, "r+b") as written:
            os.fsync(written.fileno())
        os.replace(draft, final)
    finally:
        draft.unlink(missing_ok=True)


def resolve_inside(folder: str | os.PathLike[str], name: str, suffix: str | None = None) -> Path:
    """The path of `name` below `folder`, for names typed by users or found in shared workflows.

    Subfolders are allowed, with / or \\ (workflows travel between systems). Refused with `PathError`: empty
    and absolute names, drive letters, "..", characters or device names that Windows cannot store, and links
    that lead out of the folder. `suffix` (".safetensors") is added where the name lacks it. Creates nothing.
    """
    root = Path(folder).resolve()
    posix = PurePosixPath(str(name).strip().replace("\\", "/"))
    _check_parts(name, posix)
    if suffix and posix.suffix.lower() != suffix.lower():
        posix = posix.with_name(posix.name + suffix)
    path = root.joinpath(*posix.parts)
    # resolve() follows links in every part that exists, also where the file itself does not exist yet.
    if not path.resolve().is_relative_to(root):
        raise PathError(f"{name!r} leads through a link out of {root}; give a name inside that folder")
    return path


def _check_parts(name: str, posix: PurePosixPath) -> None:
    if not posix.parts:
        raise PathError("the file name is empty; give a name such as 'walk' or 'dances/spin'")
    if posix.is_absolute():
        raise PathError(f"{name!r} is an absolute path; give a name relative to the folder, such as 'walk'")
    for part in posix.parts:
        if part == "..":
            raise PathError(f"{name!r} climbs out of its folder with '..'; give a name inside the folder")
        if _FORBIDDEN.search(part) or part != part.rstrip(". ") or _WINDOWS_DEVICES.match(part):
            raise PathError(
                f"{name!r}: {part!r} cannot be a file name on every system; use letters, digits, '-' and '_'"
            )
        if len(part.encode()) > 200:
            raise PathError(f"a file name of {len(part.encode())} bytes is too long; use up to 200")
