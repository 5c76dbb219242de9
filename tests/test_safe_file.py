"""Tensor files: they round-trip, appear whole or not at all, and every damaged or foreign file is named."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from threedimo_core.safe_file import (
    PathError,
    TensorFileError,
    TensorSpec,
    atomic_path,
    read_header,
    read_tensor_file,
    resolve_inside,
    write_tensor_file,
)

SPECS = {
    "body": TensorSpec(shape=("frames", 5, None), dtype=torch.float32),
    "present": TensorSpec(shape=("frames", 2), dtype=torch.bool),
}


def good_tensors(frames: int = 3) -> dict[str, torch.Tensor]:
    return {"body": torch.randn(frames, 5, 8), "present": torch.ones(frames, 2, dtype=torch.bool)}


def write_good(path: Path) -> Path:
    return write_tensor_file(path, "motion_clip", 1, good_tensors(), {"fps": 24.0})


def write_raw(path: Path, header: object, data: bytes = b"") -> Path:
    """A file with any header: a string as it stands, anything else as JSON."""
    text = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(struct.pack("<Q", len(text.encode())) + text.encode() + data)
    return path


def test_round_trip(tmp_path: Path) -> None:
    tensors = good_tensors()
    path = write_tensor_file(tmp_path / "deep" / "a.safetensors", "motion_clip", 1, tensors, {"fps": 24.0})
    file = read_tensor_file(path, "motion_clip", 1, SPECS)
    assert all(torch.equal(file.tensors[name], tensors[name]) for name in tensors)
    assert file.info == {"kind": "motion_clip", "version": 1, "fps": 24.0}
    assert read_header(path).tensors["body"].shape == (3, 5, 8)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("dtype", (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.uint8))
def test_other_dtypes_round_trip(tmp_path: Path, dtype: torch.dtype) -> None:
    value = torch.arange(6).reshape(2, 3).to(dtype)
    path = write_tensor_file(tmp_path / "a.safetensors", "adapter", 1, {"w": value, "empty": value[:0]}, {})
    read = read_tensor_file(path, "adapter", 1).tensors
    assert read["w"].dtype == dtype and torch.equal(read["w"].float(), value.float())
    assert read["empty"].shape == (0, 3)


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = write_good(tmp_path / "a.safetensors")
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="power cut"), atomic_path(path) as draft:
        draft.write_bytes(b"half")
        raise RuntimeError("power cut")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_as_readable_as_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    assert write_good(tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("value", (float("nan"), float("inf")))
def test_nan_and_infinity_are_refused_on_both_sides(tmp_path: Path, value: float) -> None:
    tensors = good_tensors()
    tensors["body"][1, 2, 3] = value
    with pytest.raises(TensorFileError, match="'body' holds NaN"):
        write_tensor_file(tmp_path / "a.safetensors", "motion_clip", 1, tensors, {})
    info = json.dumps({"kind": "motion_clip", "version": 1})
    save_file(tensors, tmp_path / "b.safetensors", metadata={"threedimo": info})
    with pytest.raises(TensorFileError, match="'body' holds NaN"):
        read_tensor_file(tmp_path / "b.safetensors", "motion_clip", 1, SPECS)


def test_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    cases: dict[str, bytes] = {
        "a pickle": pickle.dumps({"body": [1, 2, 3] * 20}),
        "web page": b"<!DOCTYPE html><html><body>Sign in to download this file</body></html>",
        "git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
        "no header": bytes(range(1, 200)),
        "too short": b"",
    }
    for words, content in cases.items():
        path.write_bytes(content)
        with pytest.raises(TensorFileError, match=words):
            read_header(path)
    torch.save(good_tensors(), path)
    with pytest.raises(TensorFileError, match=r"torch.save.*not opened"):
        read_header(path)
    with pytest.raises(TensorFileError, match="no such file"):
        read_header(tmp_path / "none.safetensors")
    with pytest.raises(TensorFileError, match="not a file"):
        read_header(tmp_path)


def test_a_renamed_pickle_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "a.safetensors").write_bytes(pickle.dumps(Trap(), protocol=protocol))
        with pytest.raises(TensorFileError):
            read_tensor_file(tmp_path / "a.safetensors", "motion_clip", 1)
    assert not (tmp_path / "sprung").exists()


def test_files_cut_off_anywhere(tmp_path: Path) -> None:
    whole = write_good(tmp_path / "a.safetensors").read_bytes()
    for length in (*range(60), len(whole) // 2, len(whole) - 1):
        (tmp_path / "b.safetensors").write_bytes(whole[:length])
        with pytest.raises(TensorFileError, match=r"too short|cut off|incomplete|damaged"):
            read_header(tmp_path / "b.safetensors")
    (tmp_path / "b.safetensors").write_bytes(whole + b"tail")
    with pytest.raises(TensorFileError, match="4 bytes after the last tensor"):
        read_header(tmp_path / "b.safetensors")


def entry(shape: object, offsets: object, dtype: object = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}}', "'a' occurs twice"),
        ('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,4]}}', "'shape' occurs twice"),
        ('{"a":NaN}', "NaN is not a number"),
        ('{"a":' + "[" * 100_000, "nested too deeply"),
        ('{"a"', "no valid JSON"),
        ({"a": [1, 2]}, "entry of tensor 'a'"),
        ({"a": entry([2**60], [0, 4])}, "impossible shape"),
        ({"a": entry([2**40, 2**40], [0, 4])}, "in 4 bytes"),
        ({"a": entry([-1], [0, 4])}, "impossible shape"),
        ({"a": entry([True], [0, 4])}, "impossible shape"),
        ({"a": entry([1] * 9, [0, 4])}, "impossible shape"),
        ({"a": entry([1], [4, 0])}, "bytes"),
        ({"a": entry([1], [0, 4], "PICKLE")}, "unknown type PICKLE"),
        ({"a": entry([1], [0, 4], None)}, "unknown type None"),
        ({"a": entry([1], [0, 4]), "b": entry([1], [0, 4])}, "overlaps"),
        ({"a": entry([1], [4, 8])}, "gap"),
        ({"a": entry([100], [0, 400])}, "cut off"),
        ({"__metadata__": {"a": 1}}, "not a table of texts"),
        ({"__metadata__": {"threedimo": "[]"}}, "not a table"),
        ({"__metadata__": {"threedimo": '{"kind":1,"kind":2}'}}, "'kind' occurs twice"),
    ],
)
def test_damaged_headers(tmp_path: Path, header: object, words: str) -> None:
    with pytest.raises(TensorFileError, match=words):
        read_header(write_raw(tmp_path / "a.safetensors", header, b"\0" * 8))


def test_absurd_header_length(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{" + b" " * 100)
    with pytest.raises(TensorFileError, match="cut off"):
        read_header(path)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 2**30) + b"{")
        file.truncate(2**31)
    with pytest.raises(TensorFileError, match="16 MiB"):
        read_header(path)


def test_wrong_contents(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(good_tensors(), path)
    with pytest.raises(TensorFileError, match="without 3DiMo's description; expected a 3DiMo motion_clip"):
        read_tensor_file(path, "motion_clip", 1)
    write_tensor_file(path, "adapter", 1, good_tensors(), {})
    with pytest.raises(TensorFileError, match="holds a 3DiMo adapter; expected a 3DiMo motion_clip"):
        read_tensor_file(path, "motion_clip", 1)
    write_tensor_file(path, "motion_clip", 7, good_tensors(), {})
    with pytest.raises(TensorFileError, match=r"format 7.*up to format 1.*update"):
        read_tensor_file(path, "motion_clip", 1)

    def refuse(words: str, **changed: torch.Tensor | None) -> None:
        tensors = {name: value for name, value in {**good_tensors(), **changed}.items() if value is not None}
        write_tensor_file(path, "motion_clip", 1, tensors, {})
        with pytest.raises(TensorFileError, match=words):
            read_tensor_file(path, "motion_clip", 1, SPECS)

    refuse("lacks present", present=None)
    refuse("unknown tensors more", more=torch.zeros(1))
    refuse(
        r"'body' is torch.float32 \[3, 4, 8\]; expected torch.float32 \[3, 5, any\]",
        body=torch.zeros(3, 4, 8),
    )
    refuse(r"'body' is torch.float16", body=torch.zeros(3, 5, 8).half())
    refuse(r"'present' is torch.bool \[4, 2\]; expected torch.bool \[3, 2\]", present=torch.ones(4, 2).bool())
    refuse(r"'body' is torch.float32 \[15\]", body=torch.zeros(15))
    with pytest.raises(TensorFileError, match=r"must end in \.safetensors"):
        write_tensor_file(tmp_path / "a.bin", "motion_clip", 1, good_tensors(), {})


def test_resolve_inside_takes_plain_names(tmp_path: Path) -> None:
    assert resolve_inside(tmp_path, "walk", ".safetensors") == tmp_path.resolve() / "walk.safetensors"
    assert resolve_inside(tmp_path, "walk.SAFETENSORS", ".safetensors").name == "walk.SAFETENSORS"
    assert resolve_inside(tmp_path, "dances\\spin.v2") == tmp_path.resolve() / "dances" / "spin.v2"
    assert resolve_inside(tmp_path, "tänze/øst 1") == tmp_path.resolve() / "tänze" / "øst 1"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "../a",
        "a/../../b",
        "a\\..\\..\\b",
        "/etc/passwd",
        "\\\\server\\share",
        "C:\\a",
        "C:a",
    ]
    + ["a\0b", "a\nb", "con", "aux.txt", "a.", "sub /a", "x" * 201, "a*b", "a|b", "file:stream", "~/../../x"],
)
def test_resolve_inside_refuses(tmp_path: Path, name: str) -> None:
    with pytest.raises(PathError):
        resolve_inside(tmp_path, name)


def test_resolve_inside_refuses_links_that_lead_out(tmp_path: Path) -> None:
    folder, outside = tmp_path / "motions", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "secret.safetensors").write_bytes(b"x")
    (folder / "way_out").symlink_to(outside)
    (folder / "leak.safetensors").symlink_to(outside / "secret.safetensors")
    (folder / "within").symlink_to(folder)
    for name in ("way_out/new", "way_out/secret", "leak"):
        with pytest.raises(PathError, match="link"):
            resolve_inside(folder, name, ".safetensors")
    assert resolve_inside(folder, "within/walk", ".safetensors").parent.name == "within"
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert resolve_inside(linked, "walk", ".safetensors") == folder.resolve() / "walk.safetensors"
