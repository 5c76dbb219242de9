"""The manifest: readable at any moment, repaired after a kill, one recipe to a folder."""

from __future__ import annotations

import errno
import json
import os

import pytest

from training.data.manifest import (
    DiskFullError,
    ManifestError,
    ManifestWriter,
    manifest_name,
    performance_folder,
    raise_if_disk_full,
    read_manifest,
    write_settings,
)
from training.data.merge_command import run as merge
from training.data.publish import publish_folder, published_record, remove_unfinished


def record(index: int) -> dict:
    return {
        "id": f"train-0-{index:07d}", "index": index, "path": performance_folder(index), "num_frames": 5, "fps": 8.0,
        "height": 16, "width": 16, "views": [], "files": {"a.bin": 3},
    }  # fmt: skip


def fill(root, indices, shard=(0, 1)):
    write_settings(root, {"seed": 0})
    with ManifestWriter(root / manifest_name(shard)) as writer:
        for index in indices:
            writer.append(record(index))


def test_what_is_written_is_read(tmp_path):
    fill(tmp_path, [0, 1, 2])
    assert read_manifest(tmp_path) == [record(0), record(1), record(2)]


def test_readable_while_it_is_written_and_after_a_kill(tmp_path):
    fill(tmp_path, [0, 1])
    path = tmp_path / "manifest.jsonl"
    whole = path.read_bytes()
    line = json.dumps(record(2)).encode()
    for cut in (1, len(line) // 2, len(line)):  # killed inside the line, or just before its newline
        path.write_bytes(whole + line[:cut])
        assert [r["index"] for r in read_manifest(tmp_path)] == [0, 1]
        fill(tmp_path, [0, 1, 2])
        assert [r["index"] for r in read_manifest(tmp_path)] == [0, 1, 2]
        assert path.read_bytes().startswith(whole)


def test_appending_twice_changes_nothing(tmp_path):
    fill(tmp_path, [0, 1])
    before = (tmp_path / "manifest.jsonl").read_bytes()
    fill(tmp_path, [0, 1])
    assert (tmp_path / "manifest.jsonl").read_bytes() == before


def test_shards_are_joined_in_order_and_merged(tmp_path):
    fill(tmp_path, [1, 3], shard=(1, 2))
    fill(tmp_path, [0, 2], shard=(0, 2))
    assert [r["index"] for r in read_manifest(tmp_path)] == [0, 1, 2, 3]
    merge(type("Arguments", (), {"folder": tmp_path}))
    assert [path.name for path in tmp_path.glob("manifest*")] == ["manifest.jsonl"]
    assert [r["index"] for r in read_manifest(tmp_path)] == [0, 1, 2, 3]


def test_other_settings_are_refused_by_name(tmp_path):
    write_settings(tmp_path, {"seed": 0, "views": 2})
    write_settings(tmp_path, {"seed": 0, "views": 2})
    with pytest.raises(ManifestError, match=r"views: 2 there, 3 asked"):
        write_settings(tmp_path, {"seed": 0, "views": 3})


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{not json\n", "line 1 is not valid JSON"), (b'{"id": "x"}\n', "lacks index")],
)
def test_broken_lines_are_named(tmp_path, content, message):
    fill(tmp_path, [])
    (tmp_path / "manifest.jsonl").write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        read_manifest(tmp_path)


def test_no_data_set_and_other_versions_are_named(tmp_path):
    with pytest.raises(ManifestError, match="does not exist"):
        read_manifest(tmp_path)
    (tmp_path / "dataset.json").write_text('{"schema": "threedimo-dataset", "schema_version": 99}')
    with pytest.raises(ManifestError, match="version 99"):
        read_manifest(tmp_path)


def test_a_full_disk_is_named_and_leaves_whole_lines(tmp_path, monkeypatch):
    fill(tmp_path, [0])
    before = (tmp_path / "manifest.jsonl").read_bytes()
    write = os.write

    def write_until_full(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:100])

    with ManifestWriter(tmp_path / "manifest.jsonl") as writer:
        monkeypatch.setattr(os, "write", write_until_full)
        with pytest.raises(DiskFullError, match=r"manifest\.jsonl"):
            writer.append(record(1))
        assert (tmp_path / "manifest.jsonl").read_bytes() == before
        monkeypatch.undo()
        writer.append(record(1))
    assert [r["index"] for r in read_manifest(tmp_path)] == [0, 1]


def test_only_a_full_disk_becomes_that_error(tmp_path):
    with pytest.raises(DiskFullError, match="free some space"):
        raise_if_disk_full(OSError(errno.ENOSPC, "full"), tmp_path)
    raise_if_disk_full(OSError(errno.EACCES, "denied"), tmp_path)


def test_folders_appear_whole_or_not_at_all(tmp_path):
    publish_folder(tmp_path, record(7), {"a.bin": b"abc"})
    folder = tmp_path / performance_folder(7)
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "record.json"]
    assert published_record(tmp_path, 7) == record(7)
    publish_folder(tmp_path, record(7), {"a.bin": b"abc"})
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_damaged_folder_is_made_again(tmp_path):
    publish_folder(tmp_path, record(7), {"a.bin": b"abc"})
    (tmp_path / performance_folder(7) / "a.bin").write_bytes(b"a")
    assert published_record(tmp_path, 7) is None
    assert not (tmp_path / performance_folder(7)).exists()


def test_what_a_killed_writer_left_is_removed(tmp_path):
    folder = tmp_path / performance_folder(7)
    left = folder.with_name(f".unfinished-{folder.name}-123")
    left.mkdir(parents=True)
    (left / "a.bin").write_bytes(b"ab")
    remove_unfinished(tmp_path, 7)
    assert not left.exists()
