"""Cross-view pairs for training: a driving view, a target view of the same motion, its caption and the pose labels.

The reference image is the first frame of the target (3DiMo, section 3.4), so the motion has to align itself with
the way the subject faces there. Items are keyed by (step, sample): the order of loading, the number of workers
and of processes do not change what a step sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from .clip_store import ClipStore
from .manifest import ManifestError, Record, read_manifest
from .pairs import Mixture, PairSampler

Key = tuple[int, int]
Bucket = tuple[int, int, int]
LatentSource = Callable[[Record, int], Tensor]
NUM_POSE_JOINTS = 51


def buckets(records: list[Record]) -> Counter[Bucket]:
    """How many records there are of each (frames, height, width); a batch holds one such shape."""
    return Counter((record["num_frames"], record["height"], record["width"]) for record in records)


class PairDataset(Dataset[dict[str, Any]]):
    """Pairs of views as dictionaries that `default_collate` can stack.

    Key (step, sample) to:
        driver [T, 3, H, W] uint8; hands [T, 2, 3, h, w] uint8 and hand_present [T, 2] bool (left, right; all False
        and black of size `hand_size` when the set has no hand views); reference [3, H, W] uint8 and
        target [T, 3, H, W] uint8, or target_latents when `latents` is given, or neither without `with_target` (who
        needs none saves a third of the decoding); target_mask [T, H, W] bool on demand; caption str (of the target
        view, in a random wording); pose [T, 51, 3, 3] float32 and pose_mask [T, 51] bool (False where nothing is
        known); kind, id str; driver_view, target_view, step, sample int.
    Pictures stay uint8 until `to_float` or the augmentation: a quarter of the memory and of the traffic.
    """

    def __init__(
        self,
        root: Path | str,
        mixture: Mixture,
        seed: int,
        bucket: Bucket | None = None,
        split: str | None = None,
        latents: LatentSource | None = None,
        with_target: bool = True,
        with_mask: bool = False,
        hand_size: int = 48,
        cache_bytes: int = 0,
        cross_identity: bool = False,
    ) -> None:
        records = [record for record in read_manifest(root) if split in (None, record["split"])]
        self.records = _of_one_shape(records, bucket, Path(root))
        self.store = ClipStore(root, cache_bytes)
        self.pairs = PairSampler(self.records, mixture, seed, cross_identity)
        self.latents = latents
        self.with_target = with_target
        self.with_mask = with_mask
        self.hand_size = hand_size

    def __len__(self) -> int:
        """Views in the set: the length of a nominal epoch; keys are unlimited."""
        return sum(len(record["views"]) for record in self.records)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        step, sample = key
        pair, rng = self.pairs.draw(step, sample)
        record = self.records[pair.record]
        captions = record["views"][pair.target]["captions"]
        return {
            "driver": self.store.frames(record, pair.driver),
            **self._hands(record, pair.driver),
            **self._target(record, pair.target),
            **self._pose(record),
            "caption": captions[rng.integers(len(captions))],
            "kind": str(pair.kind),
            "id": record["id"],
            "driver_view": pair.driver,
            "target_view": pair.target,
            "step": step,
            "sample": sample,
        }

    def _target(self, record: Record, view: int) -> dict[str, Tensor]:
        item: dict[str, Tensor] = {}
        if self.latents is not None:
            item["target_latents"] = self.latents(record, view)
        elif self.with_target:
            frames = self.store.frames(record, view)
            item |= {"target": frames, "reference": frames[0]}
        if self.with_mask:
            item["target_mask"] = torch.from_numpy(self.store.mask(record, view))
        return item

    def _hands(self, record: Record, view: int) -> dict[str, Tensor]:
        hands, frames = self.store.hands(record, view), record["num_frames"]
        if hands is None:
            nothing = torch.zeros(frames, 2, 3, self.hand_size, self.hand_size, dtype=torch.uint8)
            return {"hands": nothing, "hand_present": torch.zeros(frames, 2, dtype=torch.bool)}
        present = self.store.labels(record, "hand_present")["hand_present"][view].bool()
        return {"hands": hands, "hand_present": present}

    def _pose(self, record: Record) -> dict[str, Tensor]:
        shape = (record["num_frames"], NUM_POSE_JOINTS)
        names = ("pose", "pose_mask") if record.get("has_pose_mask") else ("pose",)
        labels = self.store.labels(record, *names)
        if not labels:
            return {
                "pose": torch.eye(3).expand(*shape, 3, 3).clone(),
                "pose_mask": torch.zeros(shape, dtype=torch.bool),
            }
        mask = labels.get("pose_mask", torch.ones(shape))
        return {"pose": labels["pose"].float(), "pose_mask": mask.bool()}


def _of_one_shape(records: list[Record], bucket: Bucket | None, root: Path) -> list[Record]:
    counts = buckets(records)
    if not counts:
        raise ManifestError(f"{root} lists no performances of that split; run `training data render` first")
    if bucket is None and len(counts) > 1:
        raise ManifestError(f"{root} holds several shapes, {dict(counts)}; choose one by `bucket=(T, H, W)`")
    chosen = bucket or next(iter(counts))
    if chosen not in counts:
        raise ManifestError(f"{root} holds no clips of shape {chosen}; it has {dict(counts)}")
    return [r for r in records if (r["num_frames"], r["height"], r["width"]) == chosen]


class StepSampler(Sampler[list[Key]]):
    """The keys of each step's batch, this process's share of it: a `batch_sampler` for a DataLoader.

    batch: samples of a step over all processes, divisible by world_size. A resumed run starts at `start`.
    """

    def __init__(self, start: int, stop: int, batch: int, rank: int = 0, world_size: int = 1) -> None:
        if batch % world_size:
            raise ValueError(f"a batch of {batch} cannot be shared by {world_size} processes; use a multiple")
        self.start, self.stop, self.batch, self.rank, self.world_size = start, stop, batch, rank, world_size

    def __len__(self) -> int:
        return max(0, self.stop - self.start)

    def __iter__(self) -> Iterator[list[Key]]:
        for step in range(self.start, self.stop):
            yield [(step, sample) for sample in range(self.rank, self.batch, self.world_size)]
