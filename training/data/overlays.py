"""Overlay files: what is learnt about a published performance later, a line each, never changing what is there.

`read_manifest` lays them over the records in the order of their revisions. A new label file of a later revision gets
a name of its own, so whoever reads the set meanwhile finds either the old labels or the new ones.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from .manifest import OVERLAY_KEYS, ManifestWriter, Record, manifest_name, write_atomically


class OverlayWriter:
    """Appends to `overlay-<step>.jsonl` of a shard; safe to kill at any byte."""

    def __init__(self, root: Path, step: str, shard: tuple[int, int] = (0, 1)) -> None:
        self.root, self.step = root, step
        self._writer = ManifestWriter(root / manifest_name(shard, f"overlay-{step}"), OVERLAY_KEYS)

    def append(
        self,
        record: Record,
        changes: dict[str, Any] | None = None,
        views: list[dict[str, Any]] | None = None,
        files: dict[str, int] | None = None,
    ) -> None:
        """Publish changes: fields of the record, fields of each view, sizes of new files."""
        revision = next_revision(record)
        line: Record = {"id": f"{record['id']}:{self.step}:{revision}", "of": record["id"], "revision": revision}
        parts = {"record": changes, "views": views, "files": files}
        self._writer.append(line | {name: part for name, part in parts.items() if part})

    def close(self) -> None:
        self._writer.close()

    def __enter__(self) -> OverlayWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def next_revision(record: Record) -> int:
    """The number of the next overlay line of a record as read."""
    return int(record.get("revision", 0)) + 1


def add_file(root: Path, record: Record, name: str, content: bytes) -> dict[str, int]:
    """Write a new file into a performance's folder, whole or not at all; its entry for `files`."""
    write_atomically(root / record["path"] / name, content)
    return {name: len(content)}


def in_shard(records: list[Record], shard: tuple[int, int]) -> list[Record]:
    """Every count-th record from the number-th on."""
    number, count = shard
    return records[number::count]
