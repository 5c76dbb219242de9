"""Part d: cross-view image quality. Is the generated person where, and as, the true render of that view shows them?

A driving view steers the first frame of another view of the same performance, with that view's caption. Compared with
the true render, under the same noise:
- right tokens; the same by another person with the same motion (the driver's appearance swapped); the target's own view
  as driver (the same-view gap is what the change of view costs);
- controls: another clip's tokens, null tokens, the reference standing still, the VAE's round trip (the ceiling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..data.clip_store import ClipStore
from ..data.manifest import Record
from . import intervals
from .image_metrics import Perceptual, Regions, image_scores
from .report import Row, Section
from .strips import save_strips
from .system import System, Take

PART = "quality"
_TAG = 0x637673
RIGHT, SWAPPED, OWN, WRONG = (
    "right tokens",
    "right tokens, another person",
    "own view's tokens",
    "another clip's tokens",
)
NULL, FROZEN, ROUND_TRIP = "null tokens", "frozen reference", "VAE round trip"
CONTROLS = frozenset({WRONG, NULL, FROZEN, ROUND_TRIP})
_SHOWN = 8  # cases on the sheet: the first ones drawn, never picked
# first − second, on which regions' PSNR, and what is wished of it.
DIFFERENCES = (
    (RIGHT, WRONG, "≥ +3 dB"), (ROUND_TRIP, RIGHT, "≤ 6 dB"), (OWN, RIGHT, "≤ 0.5 dB"), (RIGHT, NULL, ""),
    (RIGHT, FROZEN, ""), (RIGHT, SWAPPED, ""),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A target view, the view that drives it, the same by the other person, and a clip whose motion is another."""

    target: Take
    driver: Take
    swapped: Take
    wrong: Take
    motion: int


def choose_cases(
    store: ClipStore, records: Sequence[Record], count: int, seed: int, size: tuple[int, int] | None = None
) -> list[Case]:
    """One case a performance, drawn: two still views of one person; the wrong motion is the next performance's."""
    if len(records) < 2:
        raise ValueError(f"{len(records)} performances are held out; image quality needs 2 at least")
    rng = np.random.default_rng([seed, _TAG])
    order = rng.permutation(len(records))[:count] if count < len(records) else rng.permutation(len(records))
    cases = []
    for place, number in enumerate(order):
        record, wrong = records[number], records[order[(place + 1) % len(order)]]
        if len(order) == 1:
            wrong = records[(number + 1) % len(records)]
        person = int(rng.integers(2))
        views = [(i, v["camera"]) for i, v in enumerate(record["views"]) if v["identity"] == person]
        (target, _), (driver, camera) = (views[i] for i in rng.permutation(len(views))[:2])
        other = next(i for i, v in enumerate(record["views"]) if v["identity"] != person and v["camera"] == camera)
        cases.append(
            Case(
                Take(store, record, target, size), Take(store, record, driver, size), Take(store, record, other, size),
                Take(store, wrong, int(rng.integers(len(wrong["views"]))), size), int(number),
            )
        )  # fmt: skip
    return cases


def measure(
    system: System, cases: Sequence[Case], seed: int, perceptual: Perceptual | None, sheet: Path | None
) -> Section:
    """Rows of every condition, then paired differences. sheet: a picture of the first cases."""
    if system.make is None:
        raise ValueError("image quality needs a generator; this is an encoder alone: give a model folder")
    scores: dict[str, list[dict[str, float]]] = {}
    strips: list[dict[str, Tensor]] = []
    failures = 0
    for number, case in enumerate(tqdm(cases, desc="image quality", leave=False)):
        true = case.target.frames()
        regions = Regions.of(case.target.mask())
        videos = outcomes(system, case, true, seed + number)
        for what, video in videos.items():
            failures += not bool(torch.isfinite(video).all())
            scores.setdefault(what, []).append(image_scores(video, true, regions, perceptual))
        if sheet is not None and len(strips) < _SHOWN:
            strips.append({"driver": case.driver.frames(), "true": true, **videos})
    if sheet is not None:
        save_strips(strips, sheet)
    motions = [case.motion for case in cases]
    rows = [row for what, values in scores.items() for row in _score_rows(what, values, motions)]
    rows += _difference_rows(scores, motions)
    remarks = (
        f"{len(cases)} cases of {len(set(motions))} motions, still cameras, one noise a case for all rows; frame 0 is "
        f"the reference and does not count; {failures} videos failed (NaN) and got the worst values. Box: around the "
        "person's true mask, a tenth larger.",
    )
    return Section(PART, "d. Cross-view image quality", tuple(rows), remarks)


def outcomes(system: System, case: Case, true: Tensor, seed: int) -> dict[str, Tensor]:
    """The video of every condition, [T, 3, H, W]."""
    make, frames = system.make, len(true)
    assert make is not None

    def video(driver: Take | None) -> Tensor:
        return make(true[0], driver, case.target.caption, frames, seed)

    found = {
        RIGHT: video(case.driver),
        SWAPPED: video(case.swapped),
        OWN: video(case.target),
        WRONG: video(case.wrong),
        NULL: video(None),
        FROZEN: true[:1].expand_as(true),
    }
    return found if system.round_trip is None else found | {ROUND_TRIP: system.round_trip(true)}


def _score_rows(what: str, values: Sequence[dict[str, float]], motions: Sequence[int]) -> list[Row]:
    return [
        Row(
            PART,
            what,
            metric,
            intervals.mean([v[metric] for v in values], motions),
            _unit(metric),
            "",
            what in CONTROLS,
        )
        for metric in values[0]
    ]


def _unit(metric: str) -> str:
    return "dB" if metric.startswith("PSNR") else ""


def _difference_rows(scores: dict[str, list[dict[str, float]]], motions: Sequence[int]) -> list[Row]:
    rows = []
    for first, second, aim in DIFFERENCES:
        if first not in scores or second not in scores:
            continue
        for metric in scores[first][0]:
            one, other = ([case[metric] for case in scores[what]] for what in (first, second))
            estimate = intervals.difference(one, other, motions)
            wished = aim if metric == "PSNR, box" else ""
            rows.append(Row(PART, f"{first} − {second}", metric, estimate, _unit(metric), wished))
    return rows
