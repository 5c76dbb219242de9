"""Tensor files of this project: `.safetensors` with a JSON description, written whole, read with suspicion.

People share these files, so a reader trusts nothing: the header is checked before any tensor is touched
(size, JSON, duplicate names, types, shapes against byte ranges, ranges against the file's length), then the
values (expected names, shapes, dtypes; no NaN or infinity). Nothing here can run code: no pickle is opened.

The description is one JSON object under the metadata key ``threedimo``::

    {"kind": "motion_clip", "version": 1, ...the kind's own fields}
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .paths import PathError, atomic_path, resolve_inside

__all__ = [
    "PathError",
    "TensorFile",
    "TensorFileError",
    "TensorHeader",
    "TensorSpec",
    "atomic_path",
    "read_header",
    "read_tensor_file",
    "require_kind",
    "resolve_inside",
    "write_tensor_file",
]

METADATA_KEY = "threedimo"
MAX_HEADER_BYTES = 16 * 2**20  # 10 000 tensors take about 1 MB
MAX_DIMENSIONS = 8

Size = int | str | None

_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
_OTHER_FORMATS = (
    (b"PK\x03\x04", "a zip archive, as torch.save writes it (a pickle)"),
    (b"\x80", "a pickle"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the real file with `git lfs pull`"),
    (b"<", "a web page; the download link needs a login or is wrong"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
)


class TensorFileError(ValueError):
    """A tensor file that is damaged, foreign or of another kind; the message names file, fault and remedy."""


@dataclass(frozen=True)
class TensorSpec:
    """What a tensor must look like: each size a number, None for any, or a name for one common size."""

    shape: tuple[Size, ...]
    dtype: torch.dtype


@dataclass(frozen=True)
class TensorHeader:
    """A file's header: `info` is our JSON description ({} in files of others), `tensors` name → spec."""

    path: Path
    info: dict[str, Any]
    metadata: dict[str, str]
    tensors: dict[str, TensorSpec]


@dataclass(frozen=True)
class TensorFile:
    """The contents of a tensor file."""

    path: Path
    tensors: dict[str, Tensor]
    info: dict[str, Any] = field(default_factory=dict)


def write_tensor_file(
    path: str | os.PathLike[str],
    kind: str,
    version: int,
    tensors: Mapping[str, Tensor],
    info: Mapping[str, Any],
) -> Path:
    """Writes tensors and the JSON description `info` to one file that appears whole or not at all.

    Raises TensorFileError for NaN or infinite values, for a suffix other than .safetensors, and on a full disk.
    """
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise TensorFileError(f"{path.name}: the name must end in .safetensors")
    ready = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    for name, tensor in ready.items():
        _require_finite(path, name, tensor)
    description = json.dumps({"kind": kind, "version": version, **info}, allow_nan=False)
    with atomic_path(path) as draft:
        try:
            save_file(ready, draft, metadata={"format": "pt", METADATA_KEY: description})
        except SafetensorError as error:
            raise TensorFileError(f"{path}: the file could not be written: {error}") from error
    return path


def read_tensor_file(
    path: str | os.PathLike[str],
    kind: str,
    version: int,
    expected: Mapping[str, TensorSpec] | None = None,
    check_finite: bool = True,
) -> TensorFile:
    """Reads a file of `kind`, of format `version` or older; TensorFileError says what is wrong with others.

    expected: the exact set of tensors; None takes any (the caller then checks them against its modules).
    """
    header = read_header(path)
    require_kind(header, kind, version)
    if expected is not None:
        _require_tensors(header, expected)
    try:
        with safe_open(header.path, framework="pt", device="cpu") as file:
            # clone: a tensor that maps the file would forbid replacing the file on Windows.
            tensors = {name: file.get_tensor(name).clone() for name in header.tensors}
    except (SafetensorError, OSError, RuntimeError) as error:
        raise TensorFileError(f"{header.path}: cannot be read: {error}") from error
    if check_finite:
        for name, tensor in tensors.items():
            _require_finite(header.path, name, tensor)
    return TensorFile(path=header.path, tensors=tensors, info=header.info)


def read_header(path: str | os.PathLike[str]) -> TensorHeader:
    """The checked header of any safetensors file, ours or not; reads no tensor."""
    path = Path(path)
    if not path.is_file():
        raise TensorFileError(f"{path}: there is no such file" if not path.exists() else f"{path}: not a file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(32)
        length = _header_length(path, start, size)
        file.seek(8)
        raw = file.read(length)
    header = _parse_json(path, raw)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise TensorFileError(f"{path}: damaged: its metadata is not a table of texts")
    info = _parse_info(path, metadata)
    tensors = _parse_tensors(path, header, size - 8 - length)
    return TensorHeader(path=path, info=info, metadata=metadata, tensors=tensors)


# --- the header -------------------------------------------------------------------------------------------


def _header_length(path: Path, start: bytes, size: int) -> int:
    for magic, name in _OTHER_FORMATS:
        # A safetensors header begins at byte 8 with "{"; its length in bytes 0..7 may look like anything.
        if start.startswith(magic) and start[8:9] != b"{":
            raise TensorFileError(f"{path}: not a safetensors file but {name}. It was not opened.")
    if size < 10:
        raise TensorFileError(f"{path}: too short for a safetensors file ({size} bytes); the copy is incomplete")
    length = int.from_bytes(start[:8], "little")
    if start[8:9] != b"{":
        raise TensorFileError(f"{path}: not a safetensors file (no header at its start)")
    if length > size - 8:
        raise TensorFileError(
            f"{path}: cut off: the header wants {length} bytes, the file has {size - 8}; copy it again"
        )
    if length > MAX_HEADER_BYTES:
        raise TensorFileError(f"{path}: the header claims {length} bytes; no real file needs over 16 MiB")
    return length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} occurs twice")
    return table


def _no_constants(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _parse_json(path: Path, raw: bytes | str) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        table = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constants)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise TensorFileError(f"{path}: damaged: the header is no valid JSON: {reason}") from error
    if not isinstance(table, dict):
        raise TensorFileError(f"{path}: damaged: the header is a {type(table).__name__}, not a table")
    return table


def _parse_info(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    return _parse_json(path, metadata[METADATA_KEY]) if METADATA_KEY in metadata else {}


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48


def _parse_tensors(path: Path, header: dict[str, Any], data_bytes: int) -> dict[str, TensorSpec]:
    specs: dict[str, TensorSpec] = {}
    ranges: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise TensorFileError(f"{path}: damaged: the entry of tensor {name!r} is not dtype, shape, data_offsets")
        shape, offsets = entry["shape"], entry["data_offsets"]
        if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(map(_is_size, shape)):
            raise TensorFileError(f"{path}: damaged: tensor {name!r} has the impossible shape {str(shape)[:80]}")
        if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_size, offsets)):
            raise TensorFileError(f"{path}: damaged: tensor {name!r} has the byte range {str(offsets)[:80]}")
        dtype = _DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
        if dtype is None:
            raise TensorFileError(f"{path}: tensor {name!r} has the unknown type {str(entry['dtype'])[:40]}")
        if math.prod(shape) * dtype.itemsize != offsets[1] - offsets[0]:
            raise TensorFileError(
                f"{path}: damaged: tensor {name!r} of shape {shape} in {offsets[1] - offsets[0]} bytes"
            )
        specs[name] = TensorSpec(shape=tuple(shape), dtype=dtype)
        ranges.append((offsets[0], offsets[1], name))
    _require_gapless(path, sorted(ranges), data_bytes)
    return specs


def _require_gapless(path: Path, ranges: list[tuple[int, int, str]], data_bytes: int) -> None:
    position = 0
    for begin, end, name in ranges:
        if begin != position:
            raise TensorFileError(f"{path}: damaged: tensor {name!r} overlaps another or leaves a gap before it")
        position = end
    if position > data_bytes:
        raise TensorFileError(
            f"{path}: cut off: tensors want {position} bytes, the file has {data_bytes}; copy it again"
        )
    if position < data_bytes:
        raise TensorFileError(f"{path}: damaged: {data_bytes - position} bytes after the last tensor")


# --- what the caller expects ------------------------------------------------------------------------------


def require_kind(header: TensorHeader, kind: str, version: int) -> None:
    """TensorFileError unless the header is of `kind`, in format `version` or older."""
    found, found_version = header.info.get("kind"), header.info.get("version")
    if not header.info:
        raise TensorFileError(
            f"{header.path}: a safetensors file without 3DiMo's description; expected a 3DiMo {kind} file"
        )
    if found != kind:
        raise TensorFileError(f"{header.path}: holds a 3DiMo {found}; expected a 3DiMo {kind}")
    if not isinstance(found_version, int) or not _is_size(found_version) or found_version < 1:
        raise TensorFileError(f"{header.path}: damaged: the format version is {found_version!r}")
    if found_version > version:
        raise TensorFileError(
            f"{header.path}: a {kind} in format {found_version}; this program reads up to format {version}: "
            "update 3DiMo"
        )


def _require_tensors(header: TensorHeader, expected: Mapping[str, TensorSpec]) -> None:
    missing, extra = expected.keys() - header.tensors.keys(), header.tensors.keys() - expected.keys()
    if missing or extra:
        said = [f"lacks {_some(missing)}"] if missing else []
        said += [f"has unknown tensors {_some(extra)}"] if extra else []
        raise TensorFileError(f"{header.path}: {' and '.join(said)}; expected {_some(expected.keys())}")
    named: dict[str, int] = {}
    for name, spec in expected.items():
        found = header.tensors[name]
        if found.dtype != spec.dtype or not _fits(found.shape, spec.shape, named):
            wanted = ", ".join("any" if size is None else str(_known(size, named)) for size in spec.shape)
            raise TensorFileError(
                f"{header.path}: tensor {name!r} is {found.dtype} {list(found.shape)}; expected {spec.dtype} [{wanted}]"
            )


def _fits(shape: Sequence[Size], wanted: Sequence[Size], named: dict[str, int]) -> bool:
    """Whether a shape is as wanted; named sizes seen for the first time are entered into `named`."""
    if len(shape) != len(wanted):
        return False
    for size, want in zip(shape, wanted, strict=True):
        if isinstance(want, str) and isinstance(size, int):
            want = named.setdefault(want, size)
        if want is not None and size != want:
            return False
    return True


def _known(size: Size, named: dict[str, int]) -> Size:
    return named.get(size, size) if isinstance(size, str) else size


def _some(names: Set[str], most: int = 5) -> str:
    """A few names and how many more there are: an adapter has hundreds."""
    ordered = sorted(names)
    rest = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + rest


def _require_finite(path: Path, name: str, tensor: Tensor) -> None:
    if not tensor.is_floating_point():
        return
    values = tensor.float() if tensor.dtype.itemsize == 1 else tensor
    if not bool(torch.isfinite(values).all()):
        raise TensorFileError(f"{path}: tensor {name!r} holds NaN or infinite values; the run that made it failed")
