"""Pickles and joblib files of strangers: arrays, tensors and plain containers are read, everything else is refused.

A pickle may name any function of any module and have it called. Here the names that data needs are a short list, each
bound to a function that only makes data; another name ends the reading before anything is called. joblib (which
4D-Humans, WHAM and PromptHMR use) writes the bytes of arrays in between the pickle's own; that is read here too, so
joblib itself, which would call whatever a file names, is not needed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from .track import PoseFileError

_MOST_BYTES = 8 << 30  # unpacked
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"\x5d\x00": lzma.open,
}


def read_pickle(path: Path) -> Any:
    """The content of a pickle or joblib file, compressed or not. PoseFileError when it is damaged or asks for more
    than data."""
    try:
        return _Reader(path, io.BytesIO(_content(path))).load()
    except PoseFileError:
        raise
    except FileNotFoundError:
        raise PoseFileError(path, "does not exist") from None
    except Exception as error:  # a damaged pickle may fail in any way
        reason = str(error).strip() or type(error).__name__
        raise PoseFileError(path, f"cannot be read as a pickle ({reason}); the file is cut off or damaged") from error


def _content(path: Path) -> bytes:
    """The bytes of the file, unpacked; joblib packs with zlib, gzip, bz2, lzma or xz."""
    with open(path, "rb") as file:
        start = file.read(8)
        file.seek(0)
        if start[:1] == b"\x78":
            return _unzlib(path, file.read())
        for magic, opener in _OPENERS.items():
            if start.startswith(magic):
                with opener(path, "rb") as packed:
                    return _limited(path, packed.read(_MOST_BYTES + 1))
        return _limited(path, file.read(_MOST_BYTES + 1))


def _unzlib(path: Path, packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(packed, _MOST_BYTES + 1)
    if not unpacker.eof and len(content) <= _MOST_BYTES:
        raise PoseFileError(path, "its packed content is cut off; copy the file again")
    return _limited(path, content)


def _limited(path: Path, content: bytes) -> bytes:
    if len(content) > _MOST_BYTES:
        raise PoseFileError(path, f"it holds more than {_MOST_BYTES} bytes, which no file of poses needs")
    return content


# --- what a file may name -----------------------------------------------------------------------------------------


class _Wrapped:
    """Stands in for joblib's NumpyArrayWrapper: says what array the bytes after it are."""

    shape: tuple[int, ...]
    dtype: np.dtype
    order: str = "C"
    numpy_array_alignment_bytes: int | None = None


class _ArrayName:
    """Stands in for numpy.ndarray, which files name and never need to call."""


def _empty_array(*_: Any) -> np.ndarray:
    """numpy's `_reconstruct`, which a BUILD then fills: always of no elements, whatever shape is asked for."""
    return np.ndarray((0,), np.uint8)


def _scalar(dtype: np.dtype, data: bytes = b"") -> Any:
    return np.frombuffer(data, dtype=dtype, count=1)[0]


def _from_buffer(buffer: Any, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if order == "F" else "C").copy()


def _dtype(name: Any, *_: Any) -> np.dtype:
    return np.dtype(name, align=False, copy=True)  # a copy: a BUILD changes it


def _storage(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> torch.Tensor:
    flat = torch.tensor([], dtype=storage.dtype).set_(storage._untyped_storage)
    return flat.as_strided(size, stride, offset).clone()  # raises where it would reach beyond the storage


def _dict_with_default(*_: Any) -> dict[Any, Any]:
    return {}


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """How protocol 2 writes bytes."""
    return text.encode("latin1" if encoding in ("latin1", "latin-1") else "utf-8")


def _table() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "defaultdict"): _dict_with_default,
        ("_codecs", "encode"): _encode,
        ("numpy", "ndarray"): _ArrayName,
        ("numpy", "dtype"): _dtype,
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Wrapped,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch.storage", "_load_from_bytes"): _storage,
        ("pathlib", "PosixPath"): lambda *parts: "/".join(parts),
    }
    for core in ("core", "_core"):
        table[f"numpy.{core}.multiarray", "_reconstruct"] = _empty_array
        table[f"numpy.{core}.multiarray", "scalar"] = _scalar
        table[f"numpy.{core}.numeric", "_frombuffer"] = _from_buffer
    for module in ("builtins", "__builtin__"):
        for kind in (dict, list, set, frozenset, tuple, int, float, bool):
            table[module, kind.__name__] = kind
    return table


_Plain: Any = pickle._Unpickler


class _Reader(_Plain):  # pickle in Python, whose steps can be followed and replaced
    """Reads data alone; `dispatch` is pickle's with a BUILD that also takes joblib's arrays."""

    dispatch: ClassVar[dict[int, Any]] = dict(_Plain.dispatch)

    def __init__(self, path: Path, file: io.BytesIO) -> None:
        super().__init__(file)
        self.path, self.file, self.known = path, file, _table()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise PoseFileError(
                self.path,
                f"it asks for {module}.{name}, which poses do not need; opening it could run any program, so it is "
                "not opened. Export the poses again, as numbers alone",
            )
        return self.known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise PoseFileError(self.path, "it refers to objects outside of itself; save it by torch.save as GVHMR does")

    def load_build(self) -> None:
        target = self.stack[-2]
        if isinstance(target, np.dtype | np.ndarray):
            filled: Any = target
            filled.__setstate__(self.stack.pop())
        elif isinstance(target, _Wrapped):
            state = self.stack.pop()
            for name in ("shape", "dtype", "order", "numpy_array_alignment_bytes"):
                if name in state:
                    setattr(target, name, state[name])
            self.stack[-1] = self._array(target)
        elif isinstance(target, OrderedDict) and isinstance(self.stack[-1], dict):
            self.stack.pop()  # attributes that tensors carry
        else:
            raise PoseFileError(self.path, f"it fills a {type(target).__name__} in a way that data does not need")

    dispatch[pickle.BUILD[0]] = load_build

    def _array(self, wrapped: _Wrapped) -> np.ndarray:
        """The bytes that joblib wrote after the wrapper."""
        dtype, shape = wrapped.dtype, tuple(int(side) for side in wrapped.shape)
        if dtype.hasobject:
            raise PoseFileError(self.path, "it holds an array of objects; expected arrays of numbers")
        if wrapped.numpy_array_alignment_bytes is not None:
            self.file.read(self.file.read(1)[0])
        size = math.prod(shape) * dtype.itemsize
        if size < 0 or size > _MOST_BYTES:
            raise PoseFileError(self.path, f"it announces an array of shape {list(shape)}, which no poses need")
        data = self.file.read(size)
        if len(data) < size:
            raise EOFError("an array ends early")
        flat = np.frombuffer(data, dtype=dtype)
        return flat.reshape(shape[::-1]).T.copy() if wrapped.order == "F" else flat.reshape(shape).copy()
