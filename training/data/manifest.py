"""The manifest: which clips a data set holds, one JSON object a line, readable while it is being written.

Design decisions:
- A data set is a folder: `dataset.json` (schema version and the settings that made it), `manifest.jsonl` (one
  line per published performance) and one folder per performance with its videos and labels.
- A performance is first a complete folder, then a line: whoever reads the manifest finds the files it names.
- Lines are appended whole and synced. A reader leaves out a last line without its newline (a writer was just
  there, or was killed there); a writer cuts such a line off before it appends.
- Each shard of a run writes a manifest of its own (`manifest-2-of-8.jsonl`), so shards share no state; the reader
  joins them. The order is by index, so the same settings give the same bytes, whoever finished first.
- Each way of making performances (rendering, own videos, multi-view captures) keeps its settings in a section of
  `dataset.json` and its lines in a manifest of its own name, so one folder can hold all of them.
- What is learnt later about a performance (captions, poses) is appended to overlay files beside the manifests
  (`overlay-captions.jsonl`); lines already published never change.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SCHEMA = "threedimo-dataset"
SCHEMA_VERSION = 1
SETTINGS_NAME = "dataset.json"
RECORD_KEYS = ("id", "index", "path", "num_frames", "fps", "height", "width", "views", "files")
OVERLAY_KEYS = ("id", "of", "revision")
RENDER_SECTION = "settings"

Record = dict[str, Any]


class ManifestError(ValueError):
    """A data set that cannot be read or continued; the message says which file and how to mend it."""


class DiskFullError(OSError):
    """No space was left while the data set was written. What was published before remains valid."""


def raise_if_disk_full(error: OSError, path: Path) -> None:
    """Turn ENOSPC (and a full quota) into a DiskFullError that says what to do; other errors pass."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFullError(
            error.errno,
            f"no space left while writing {path}. Everything published before is intact: free some space, "
            "then run the same command again to continue",
        ) from error


def manifest_name(shard: tuple[int, int] = (0, 1), stem: str = "manifest") -> str:
    """File name of the manifest that shard (number, count) writes; number counts from 0."""
    number, count = shard
    return f"{stem}.jsonl" if count == 1 else f"{stem}-{number}-of-{count}.jsonl"


def performance_folder(index: int) -> str:
    """Folder of a performance inside the data set: a thousand to a folder keeps listings short."""
    return f"performances/{index // 1000:04d}/{index:07d}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside, sync, publish by rename. DiskFullError when there is no space."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise_if_disk_full(error, path)
        raise


def dump_json(value: Any) -> str:
    """JSON on one line with a fixed key order: the same content gives the same bytes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def write_settings(root: Path, settings: dict[str, Any], section: str = RENDER_SECTION) -> None:
    """Create `dataset.json`, or check that the set in `root` was made with the same settings.

    section: which part of the set they made. ManifestError names every setting that differs: a set made of two
    recipes would not be reproducible.
    """
    root.mkdir(parents=True, exist_ok=True)
    path = root / SETTINGS_NAME
    new: dict[str, Any] = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION}
    content = read_settings(root) if path.exists() else new
    if section not in content:
        content[section] = settings
        write_atomically(path, (json.dumps(content, sort_keys=True, indent=2) + "\n").encode())
        return
    present = content[section]
    keys = sorted(set(present) | set(settings))
    differing = [
        f"{k}: {present.get(k)!r} there, {settings.get(k)!r} asked" for k in keys if present.get(k) != settings.get(k)
    ]
    if differing:
        raise ManifestError(
            f"{root} already holds a data set made with other settings ({'; '.join(differing)}); "
            "use the same settings to continue it, or another folder"
        )


def read_settings(root: Path) -> dict[str, Any]:
    """The content of `dataset.json`. ManifestError when it is missing, broken or of another schema."""
    path = root / SETTINGS_NAME
    if not path.is_file():
        raise ManifestError(f"{path} does not exist, expected a data set folder made by `training data`")
    try:
        content = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise ManifestError(f"{path} is not valid JSON ({error}); restore it or make the set again") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ManifestError(f"{path} does not describe a {SCHEMA} data set; is {root} the right folder?")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise ManifestError(
            f"{path} has schema version {content.get('schema_version')}, this program reads version "
            f"{SCHEMA_VERSION}; use the program version that made the set, or make it again"
        )
    return content


def manifest_paths(root: Path) -> list[Path]:
    """Every manifest of the set, in the order of their names."""
    return sorted(root.glob("manifest*.jsonl"))


def overlay_paths(root: Path) -> list[Path]:
    """Every overlay of the set: what was learnt about its performances later."""
    return sorted(root.glob("overlay-*.jsonl"))


def read_manifest(root: Path | str) -> list[Record]:
    """All published performances of a set, by index; may be called while the set is being written.

    An index that two shardings both published appears once; overlays are laid over their records. ManifestError
    when the folder is no data set or a complete line is not a valid record.
    """
    root = Path(root)
    read_settings(root)
    by_id: dict[str, Record] = {}
    for path in manifest_paths(root):
        for record in iter_lines(path):
            by_id.setdefault(record["id"], record)
    for overlay in sorted(_read_overlays(root), key=lambda line: (line["revision"], line["id"])):
        if overlay["of"] in by_id:
            _lay_over(by_id[overlay["of"]], overlay)
    return sorted(by_id.values(), key=lambda record: (record["index"], record["id"]))


def _read_overlays(root: Path) -> Iterator[Record]:
    for path in overlay_paths(root):
        yield from iter_lines(path, OVERLAY_KEYS)


def _lay_over(record: Record, overlay: Record) -> None:
    """Put what an overlay line says into its record: `record` at the top, `files` added, `views` one by one."""
    record.update(overlay.get("record", {}), revision=overlay["revision"])
    record["files"] = record["files"] | overlay.get("files", {})
    for view, changes in zip(record["views"], overlay.get("views", []), strict=False):
        view.update(changes)


def iter_lines(path: Path, required: tuple[str, ...] = RECORD_KEYS) -> Iterator[Record]:
    """The complete records of one manifest file, in file order; each has the `required` keys."""
    complete, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(complete.split(b"\n"), start=1):
        if line.strip():
            yield _parse_line(line, path, number, required)


def _parse_line(line: bytes, path: Path, number: int, required: tuple[str, ...]) -> Record:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{path} line {number} is not valid JSON ({error}); delete that line and run "
            "the command that wrote the file again with the same settings"
        ) from error
    missing = [key for key in required if not isinstance(record, dict) or key not in record]
    if missing:
        raise ManifestError(f"{path} line {number} lacks {', '.join(missing)}; was it written by hand?")
    return record


class ManifestWriter:
    """Appends records to one manifest file (or other lines, whose `required` keys include an id); safe to kill.

    Opening cuts off an unfinished last line. `append` writes one whole line and syncs it; when the disk is full
    it restores the file to its last whole line and raises DiskFullError.
    """

    def __init__(self, path: Path, required: tuple[str, ...] = RECORD_KEYS) -> None:
        self.path = path
        # Unbuffered: after a full disk nothing may linger in memory and be written later.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by close / the context manager)
        self._cut_unfinished_line()
        self.ids = {record["id"] for record in iter_lines(path, required)}

    def _cut_unfinished_line(self) -> None:
        content = self.path.read_bytes()
        self._file.truncate(content.rfind(b"\n") + 1)

    def append(self, record: Record) -> None:
        """Publish one performance. A record whose id is already there is left out (idempotent)."""
        if record["id"] in self.ids:
            return
        whole = os.fstat(self._file.fileno()).st_size
        try:
            self._write_all((dump_json(record) + "\n").encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(whole)
            raise_if_disk_full(error, self.path)
            raise
        self.ids.add(record["id"])

    def _write_all(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file.fileno(), data) :]

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> ManifestWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
