"""Reads the pictures and labels of a data set, and keeps decoded clips in memory up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from .labels import read_labels, unpack_mask
from .manifest import ManifestError, Record
from .video_file import decode_video

_MOST_LABELS = 20_000  # entries; a pose of 17 frames is 16 kB


class ClipStore:
    """Frames, hand views and labels of the records of one data set folder.

    cache_bytes: how much decoded video to keep (least recently used goes first); 0 decodes every time. Small sets
    fit whole: 1 000 performances of 4 views, 17 frames of 64 px with hand views of 48 px, are 1.8 GB.
    """

    def __init__(self, root: Path | str, cache_bytes: int = 0) -> None:
        self.root = Path(root)
        self.cache_bytes = cache_bytes
        self._cache: OrderedDict[str, Tensor] = OrderedDict()
        self._labels: OrderedDict[tuple[str, tuple[str, ...]], dict[str, Tensor]] = OrderedDict()
        self._used = 0

    def path(self, record: Record, name: str) -> Path:
        """Where a file of a record is. ManifestError for a name that leads out of the data set."""
        path = (self.root / record["path"] / name).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ManifestError(f"record {record['id']} names {record['path']}/{name}, outside of {self.root}")
        return path

    def frames(self, record: Record, view: int) -> Tensor:
        """uint8 [T, 3, H, W] of one view."""
        return self._clip(record, record["views"][view]["video"], lambda x: rearrange(x, "t h w c -> t c h w"))

    def hands(self, record: Record, view: int) -> Tensor | None:
        """uint8 [T, 2, 3, h, w], left then right; None when the view has no hand views."""
        name = record["views"][view]["hands"]
        if name is None:
            return None
        return self._clip(record, name, lambda x: rearrange(x, "t h (side w) c -> t side c h w", side=2))

    def labels(self, record: Record, *names: str) -> dict[str, Tensor]:
        """The named label tensors; an empty dictionary when the record has no labels (own footage)."""
        if record.get("labels") is None:
            return {}
        if not self.cache_bytes:
            return read_labels(self.path(record, record["labels"]), names or None)
        key = (record["path"], names)
        if key not in self._labels:
            self._labels[key] = read_labels(self.path(record, record["labels"]), names or None)
            if len(self._labels) > _MOST_LABELS:
                self._labels.popitem(last=False)
        return dict(self._labels[key])

    def mask(self, record: Record, view: int) -> np.ndarray:
        """bool [T, H, W]: where the person is."""
        packed = self.labels(record, f"mask_{view}")[f"mask_{view}"]
        return unpack_mask(packed, record["num_frames"], record["height"], record["width"])

    def _clip(self, record: Record, name: str, arrange: Callable[[np.ndarray], np.ndarray]) -> Tensor:
        key = f"{record['path']}/{name}"
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        decoded = decode_video(self.path(record, name))
        if len(decoded) != record["num_frames"]:
            raise ManifestError(
                f"{self.path(record, name)} has {len(decoded)} frames, its record says {record['num_frames']}; "
                "run `training data check` on the set"
            )
        clip = torch.from_numpy(np.ascontiguousarray(arrange(decoded)))
        self._keep(key, clip)
        return clip

    def _keep(self, key: str, clip: Tensor) -> None:
        if clip.nbytes > self.cache_bytes:
            return
        self._cache[key] = clip
        self._used += clip.nbytes
        while self._used > self.cache_bytes:
            _, dropped = self._cache.popitem(last=False)
            self._used -= dropped.nbytes
