"""Part a: cross-view retrieval. Does the code of a view find the same motion seen from elsewhere, worn by another?

A query is a view of one person; the gallery holds one view of every held-out motion by the *other* person, all from
about the azimuth of the right answer, so that neither clothes nor viewpoint can help. A frame is compared with the
frame of the same time: cosine similarity of standardised features, averaged over the clip.

Hard negatives change the right answer's time or side only: later by a quarter of the clip, reversed, mirrored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import intervals
from .features import Representation, Scaler
from .report import Row, Section
from .viewset import Floats, ViewSet, angle_between

PART = "retrieval"
GAPS = (0, 30, 60, 90, 180)
_TOLERANCE = 15.0
AIM_GAP = 90
NEGATIVES = ("later", "reversed", "mirrored")


def measure(representations: Sequence[Representation], views: ViewSet, fit: ViewSet) -> Section:
    """Rows for every representation; tokens first, controls after."""
    rows: list[Row] = []
    series = []
    gallery = len(views.records)
    for representation in representations:
        scaler = Scaler.of(representation.represent(fit, False))
        plain = scaler(representation.represent(views, False))
        mirrored = scaler(representation.represent(views, True))
        by_gap = retrieve(plain, views)
        found = {gap: values for gap, values in by_gap.items() if len(values)}
        for gap, values in found.items():
            rows += _gap_rows(representation, gap, values, gallery)
        rows += _negative_rows(representation, plain, mirrored, views)
        series.append(_series(representation.name, found))
    remarks = (
        f"Gallery {gallery}: one view of each motion by the other person, at the azimuth of the right answer. "
        f"Chance R@1 {1 / gallery:.3f}; a gap of 0° is the same camera. Hard negatives: the right answer against "
        "itself shifted in time by a quarter of the clip, reversed and mirrored (chance 0.25).",
    )
    return Section(PART, "a. Cross-view retrieval", tuple(rows), remarks, tuple(series))


def _gap_rows(representation: Representation, gap: int, values: np.ndarray, gallery: int) -> list[Row]:
    first = intervals.mean(values["rank"] == 1, values["motion"])
    reciprocal = intervals.mean(1 / values["rank"], values["motion"])
    aim = "≥ 0.90" if gap == AIM_GAP and not representation.control else ""
    name = f"{representation.name}, gap {gap}°"
    return [
        Row(PART, name, "R@1", first, aim=aim, control=representation.control),
        Row(PART, name, "MRR", reciprocal, control=representation.control),
    ]


def _series(name: str, found: dict[int, np.ndarray]) -> dict[str, object]:
    estimates = [intervals.mean(v["rank"] == 1, v["motion"]) for v in found.values()]
    return {
        "name": name,
        "gap": list(found),
        "recall": [e.value for e in estimates],
        "low": [e.low for e in estimates],
        "high": [e.high for e in estimates],
    }


def descriptors(features: Floats) -> Floats:
    """[N, T, D] → [N, T · D] whose inner products are cosine similarities averaged over time."""
    unit = features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-9)
    flat: Floats = (unit / np.sqrt(features.shape[1])).reshape(len(features), -1)
    return flat


def retrieve(features: Floats, views: ViewSet, gaps: Sequence[int] = GAPS) -> dict[int, np.ndarray]:
    """For each gap a record array of `motion` and `rank` (1 = found; ties count against)."""
    found = descriptors(features)
    similarity = found @ found.T
    azimuth = views.azimuth[:, 0]
    return {gap: _ranks(similarity, azimuth, views, gap) for gap in gaps}


def _ranks(similarity: np.ndarray, azimuth: np.ndarray, views: ViewSet, gap: int) -> np.ndarray:
    rows = []
    for query in range(len(views)):
        other = views.identity != views.identity[query]
        own = np.flatnonzero(other & (views.motion == views.motion[query]))
        # A gap of 0 is the same camera; at 30 degrees and more no camera is its own neighbour.
        miss = np.abs(angle_between(azimuth[own], azimuth[query]) - gap)
        if not len(own) or miss.min() > (1e-3 if gap == 0 else _TOLERANCE):
            continue
        target = own[miss.argmin()]
        rivals = _at_azimuth(azimuth, views, other & (views.motion != views.motion[query]), azimuth[target])
        rank = 1 + int((similarity[query, rivals] >= similarity[query, target]).sum())
        rows.append((int(views.motion[query]), rank))
    return np.array(rows, dtype=[("motion", np.int64), ("rank", np.int64)])


def _at_azimuth(azimuth: np.ndarray, views: ViewSet, among: np.ndarray, wanted: float) -> np.ndarray:
    """Of each motion the view nearest to an azimuth."""
    candidates = np.flatnonzero(among)
    order = candidates[np.argsort(angle_between(azimuth[candidates], wanted), kind="stable")]
    _, first = np.unique(views.motion[order], return_index=True)
    return order[first]


def _negative_rows(representation: Representation, plain: Floats, mirrored: Floats, views: ViewSet) -> list[Row]:
    wins, motions = hard_negatives(plain, mirrored, views)
    rows = []
    for name, won in [("all three", np.logical_and.reduce(list(wins.values()))), *wins.items()]:
        label = f"{representation.name}, against {name}"
        rows.append(Row(PART, label, "accuracy", intervals.mean(won, motions), control=representation.control))
    return rows


def hard_negatives(plain: Floats, mirrored: Floats, views: ViewSet) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Which pairs prefer the right clip to each negative, bool [P], and the motions [P] of the pairs.

    A pair is a query and a view of the same motion from another camera by the other person.
    """
    shift = max(1, plain.shape[1] // 4)
    length = plain.shape[1] - shift
    query = descriptors(plain[:, :length])
    answers = {
        "right": descriptors(plain[:, :length]),
        "later": descriptors(plain[:, shift:]),
        "reversed": descriptors(plain[:, :length][:, ::-1]),
        "mirrored": descriptors(mirrored[:, :length]),
    }
    first, second = np.nonzero(
        (views.motion[:, None] == views.motion[None])
        & (views.camera[:, None] != views.camera[None])
        & (views.identity[:, None] != views.identity[None])
    )
    scores = {name: np.einsum("pd,pd->p", query[first], value[second]) for name, value in answers.items()}
    return {name: scores["right"] > scores[name] for name in NEGATIVES}, views.motion[first]
