"""The parts of the benchmark, and what each needs: one function a part, all with the same bench to work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..data.clip_store import ClipStore
from ..data.manifest import read_manifest
from . import camera_obedience, depth, image_quality, leaks, probes, retrieval
from .camera_training import reader_for
from .features import (
    JOINTS_2D,
    JOINTS_3D,
    PIXELS,
    ROTATIONS,
    Representation,
    remembered,
    token_representation,
)
from .heldout import HeldOut, Size
from .image_metrics import Perceptual
from .report import Section
from .system import System, Take
from .viewset import ViewSet, load_views

_CACHE_BYTES = 2**30
_STILL_CLIPS = 48


@dataclass
class Bench:
    """A system and a held-out set; what several parts need is made once.

    reader_data: renders that the camera reader learns from (default: the fitting set). sheets: folder for pictures.
    """

    system: System
    heldout: HeldOut
    size: Size
    seed: int
    perceptual: Perceptual | None = None
    reader_data: Path | None = None
    sheets: Path | None = None
    tokens: Representation = field(init=False)
    untrained: Representation = field(init=False)
    pixels: Representation = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = remembered(token_representation("tokens", self.system.encode))
        self.untrained = remembered(token_representation("untrained encoder", self.system.chance, control=True))
        self.pixels = remembered(PIXELS)

    @cached_property
    def views(self) -> ViewSet:
        return load_views(self.heldout.views, self.size.motions, _CACHE_BYTES)

    @cached_property
    def fit(self) -> ViewSet:
        return load_views(self.heldout.fit, self.size.fit, _CACHE_BYTES)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what the system makes."""
        return self.system.pictures.height, self.system.pictures.width

    @property
    def controls(self) -> tuple[Representation, ...]:
        return (self.pixels, self.untrained, JOINTS_2D, JOINTS_3D)


def _retrieval(bench: Bench) -> Section:
    return retrieval.measure((bench.tokens, *bench.controls), bench.views, bench.fit)


def _probe(bench: Bench) -> Section:
    return probes.measure(bench.tokens, bench.controls, bench.views, bench.fit, bench.seed, bench.size.probe_steps)


def _camera(bench: Bench) -> Section:
    held, size = bench.heldout, bench.size
    reader = reader_for(held.root, bench.reader_data or held.fit, size.reader_steps, bench.seed)
    stills = ClipStore(held.views)
    records = read_manifest(held.views)[: size.motions]
    takes = [Take(stills, record, n % len(record["views"]), bench.shape) for n, record in enumerate(records)]
    moves = ClipStore(held.moves, _CACHE_BYTES)
    return camera_obedience.measure(
        reader, moves, read_manifest(held.moves)[: size.moves], takes[:_STILL_CLIPS], bench.system, size.cases,
        bench.seed,
    )  # fmt: skip


def _quality(bench: Bench) -> Section:
    store = ClipStore(bench.heldout.views, _CACHE_BYTES)
    records = read_manifest(bench.heldout.views)[: bench.size.motions]
    cases = image_quality.choose_cases(store, records, bench.size.cases, bench.seed, bench.shape)
    sheet = None if bench.sheets is None else bench.sheets / "quality.png"
    return image_quality.measure(bench.system, cases, bench.seed, bench.perceptual, sheet)


def _leaks(bench: Bench) -> Section:
    return leaks.measure(
        bench.tokens, (*bench.controls, ROTATIONS), bench.views, bench.fit, bench.seed, bench.size.probe_steps
    )


def _depth(bench: Bench) -> Section:
    which = (bench.tokens, *bench.controls)
    return depth.measure(which, bench.views, bench.fit, bench.seed, bench.size.probe_steps)


PARTS: dict[str, Callable[[Bench], Section]] = {
    retrieval.PART: _retrieval,
    probes.PART: _probe,
    camera_obedience.PART: _camera,
    image_quality.PART: _quality,
    leaks.PART: _leaks,
    depth.PART: _depth,
}
NEEDS_GENERATOR = frozenset({image_quality.PART})
USES_GENERATOR = frozenset({camera_obedience.PART, image_quality.PART})
ENCODER_PARTS = tuple(part for part in PARTS if part not in USES_GENERATOR)
