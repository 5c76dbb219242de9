"""Which clips train together: one size and length a batch, and a plain account of what is left out.

Design decisions:
- A bucket is one shape (frames, height, width) of one data set. Sizes keep a clip's own aspect and lie on the
  backbone's grid, near the recipe's area (paper: 480 × 854); a clip is used at the longest of the recipe's lengths
  that it fills.
- A step draws its bucket from (seed, step), each in proportion to what it can give to the stage's mixture: every
  clip of a kind is then as likely as any other, whatever its bucket, and the kinds keep their shares.
- The first step of a stage runs the largest bucket, so that a shortage of memory shows at once and not after a day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from threedimo_core.backbones import Backbone
from threedimo_core.frame_grid import FrameGridError, fit_size

from .data.manifest import ManifestError, Record, read_manifest
from .data.pairs import Mixture, PairKind, possible_pairs
from .recipe import ClipShapes

_TAG = 0x6275636B
_EXAMPLES = 3


@dataclass(frozen=True, order=True)
class Shape:
    """Frames, height and width of the clips of one batch."""

    frames: int
    height: int
    width: int

    @classmethod
    def of(cls, record: Record) -> Shape:
        return cls(record["num_frames"], record["height"], record["width"])

    @property
    def pixels(self) -> int:
        return self.frames * self.height * self.width

    def __str__(self) -> str:
        return f"{self.frames} × {self.height} × {self.width}"


@dataclass(frozen=True, eq=False)
class Bucket:
    """Records of the data set in `root` that are used at `shape`."""

    root: Path
    shape: Shape
    records: tuple[Record, ...]


@dataclass
class SortedClips:
    """`buckets`: largest first. `dropped`: reason → ids. `cut`: ids of clips of which only the beginning is used."""

    buckets: list[Bucket] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    cut: list[str] = field(default_factory=list)

    def report(self) -> str:
        """What trains, and what does not and why, as lines of text."""
        clips = sum(len(bucket.records) for bucket in self.buckets)
        lines = [f"data: {clips} clips in {len(self.buckets)} buckets (frames × height × width), the largest first"]
        for bucket in self.buckets:
            counts = kind_counts(bucket.records)
            pairs = ", ".join(f"{counts[kind]} {kind}" for kind in PairKind if counts[kind])
            lines.append(f"  {bucket.shape}: {len(bucket.records)} clips of {bucket.root} ({pairs})")
        if self.cut:
            lines.append(f"  cut: of {len(self.cut)} clips only the beginning is used ({_examples(self.cut)})")
        for reason, ids in sorted(self.dropped.items(), key=lambda entry: -len(entry[1])):
            lines.append(f"  left out: {len(ids)} clips, {reason} ({_examples(ids)})")
        return "\n".join(lines)


def _examples(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _EXAMPLES} more" if len(ids) > _EXAMPLES else ""
    return ", ".join(ids[:_EXAMPLES]) + more


def kind_counts(records: Iterable[Record]) -> dict[PairKind, int]:
    """How many records can give a pair of each kind."""
    counts = dict.fromkeys(PairKind, 0)
    for record in records:
        for kind, pairs in possible_pairs(record).items():
            counts[kind] += bool(pairs)
    return counts


def sort_clips(roots: Sequence[Path], shapes: ClipShapes, backbone: Backbone, split: str | None) -> SortedClips:
    """Sort the clips of these data sets into buckets for a backbone.

    split: only records of that split (None: all). Raises ManifestError when nothing at all is left, with the account
    of why.
    """
    found = SortedClips()
    for root in roots:
        grouped: dict[Shape, list[Record]] = defaultdict(list)
        for record in read_manifest(root):
            shape = _place(record, shapes, backbone, split, found)
            if shape is not None:
                grouped[shape].append(record)
        found.buckets += [Bucket(root, shape, tuple(records)) for shape, records in grouped.items()]
    found.buckets.sort(key=lambda bucket: (-bucket.shape.pixels, bucket.shape, str(bucket.root)))
    if not found.buckets:
        named = ", ".join(map(str, roots))
        raise ManifestError(f"no clip of {named} can be used\n{found.report()}")
    return found


def _place(
    record: Record, shapes: ClipShapes, backbone: Backbone, split: str | None, found: SortedClips
) -> Shape | None:
    """The shape a record is used at; None, with the reason noted, where it cannot be."""
    try:
        shape = _shape(record, shapes, backbone, split)
    except _LeftOut as reason:
        found.dropped[str(reason)].append(record["id"])
        return None
    if shape.frames < record["num_frames"]:
        found.cut.append(record["id"])
    return shape


class _LeftOut(Exception):
    """Why a record does not train."""


def _shape(record: Record, shapes: ClipShapes, backbone: Backbone, split: str | None) -> Shape:
    if split is not None and record.get("split", split) != split:
        raise _LeftOut(f"of the {record['split']} split")
    if shapes.fps is not None and abs(record["fps"] - shapes.fps) > 0.01:
        raise _LeftOut(f"at {record['fps']:g} frames/s; data.fps is {shapes.fps:g}")
    if not all(view["captions"] for view in record["views"]):
        raise _LeftOut("a view has no caption")
    shape = Shape(_frames(record, shapes, backbone), *_size(record, shapes, backbone))
    try:
        backbone.latent_shape(shape.frames, shape.height, shape.width)
    except ValueError as error:
        raise _LeftOut(f"{shape}: {error}") from error
    return shape


def _frames(record: Record, shapes: ClipShapes, backbone: Backbone) -> int:
    count: int = record["num_frames"]
    if shapes.frames is None:
        if (count - 1) % backbone.frames_per_latent:
            raise _LeftOut(f"{count} frames, not {backbone.frames_per_latent}n + 1; name the lengths in data.frames")
        return count
    for length in shapes.frames:
        if length <= count:
            return length
    raise _LeftOut(f"shorter than {shapes.frames[-1]} frames")


def _size(record: Record, shapes: ClipShapes, backbone: Backbone) -> tuple[int, int]:
    height, width, multiple = record["height"], record["width"], backbone.size_multiple
    if shapes.area is None:
        if height % multiple or width % multiple:
            raise _LeftOut(f"{height} × {width} px, not multiples of {multiple}; name data.area to have clips resized")
        return height, width
    try:
        size = fit_size(height, width, multiple, shapes.area)
    except FrameGridError as error:
        raise _LeftOut(str(error).partition(" px,")[2].partition(";")[0].strip() or "no such size") from error
    growth = max(size[0] / height, size[1] / width)
    if growth > shapes.enlarge:
        raise _LeftOut(f"would have to grow more than {shapes.enlarge:g} times to {shapes.area} px")
    return size


class StageDraw:
    """Draws the bucket of each step of a stage, and says what mixture of pairs to draw from it.

    Raises ValueError where no bucket can give a kind of pair that the mixture asks for.
    """

    def __init__(self, buckets: Sequence[Bucket], mixture: Mixture, seed: int, stage: str) -> None:
        self.buckets, self.seed = buckets, seed
        wanted = {kind: weight for kind, weight in mixture.items() if weight > 0}
        counts = [kind_counts(bucket.records) for bucket in buckets]
        totals = {kind: sum(count[kind] for count in counts) for kind in wanted}
        for kind, total in totals.items():
            if not total:
                raise ValueError(
                    f"stage {stage}: none of the clips can give a {kind} pair; add a data set with more views (and "
                    "both kinds of cameras), or leave that kind out of the stage's mixture"
                )
        self.mixtures: list[Mixture] = [
            {kind: weight * count[kind] / totals[kind] for kind, weight in wanted.items() if count[kind]}
            for count in counts
        ]
        shares = np.array([sum(mixture.values()) for mixture in self.mixtures])
        self.shares = shares / shares.sum()

    def bucket_at(self, step: int, first: bool) -> int:
        """The bucket of a global step; of the stage's `first` step, the largest that serves it."""
        if first or len(self.buckets) == 1:
            return int(np.flatnonzero(self.shares)[0])
        rng = np.random.default_rng([self.seed, step, _TAG])
        return int(rng.choice(len(self.buckets), p=self.shares))
