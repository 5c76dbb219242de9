"""Which files are done: a line for each, so that the same command skips them and a person can see what became of it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from ..manifest import ManifestWriter, Record, iter_lines
from ..publish import record_in
from .single import FileReport
from .source import Source

LOG_KEYS = ("id", "file", "folders")


class SourceLog:
    """Lines {id: key of the file, file, shots, folders of its clips, left_out} in `path`, safe to kill."""

    def __init__(self, root: Path, path: Path) -> None:
        self.root = root
        self._writer = ManifestWriter(path, LOG_KEYS)
        self._folders: dict[str, list[str]] = {line["id"]: line["folders"] for line in iter_lines(path, LOG_KEYS)}

    def records(self, key: str) -> list[Record] | None:
        """The records of a file that was done before; None when it was not, or when its clips are damaged since."""
        if key not in self._folders:
            return None
        records = [record_in(self.root / folder) for folder in self._folders[key]]
        whole = [record for record in records if record is not None]
        return whole if len(whole) == len(records) else None

    def append(self, source: Source, report: FileReport) -> None:
        """Remember that a file is done."""
        self._folders[source.key] = report.folders
        self._writer.append(
            {
                "id": source.key,
                "file": source.name,
                "shots": report.shots,
                "folders": report.folders,
                "left_out": dict(sorted(report.left_out.items())),
            }
        )

    def __enter__(self) -> SourceLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
