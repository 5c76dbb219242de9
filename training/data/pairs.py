"""Which view drives and which view is the target: the kinds of pairs and their mixture in each stage.

3DiMo, section 3.4: stage 1 learns from single views, stage 2 from a balanced mixture, stage 3 from other views and
moving cameras only. A pair is drawn from (seed, step, sample), so a resumed run sees what an unbroken one sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import permutations

import numpy as np

from .manifest import Record

_TAG = 0x70616972


class PairKind(str, Enum):
    """How the target view differs from the driving view.

    SAME_VIEW: it is the driving view; MULTI_VIEW: another camera, both stand still; MOVING_CAMERA: another camera,
    and at least one of the two moves.
    """

    SAME_VIEW = "same_view"
    MULTI_VIEW = "multi_view"
    MOVING_CAMERA = "moving_camera"

    def __str__(self) -> str:
        return self.value


Mixture = dict[PairKind, float]

STAGE_MIXTURES: dict[int, Mixture] = {
    1: {PairKind.SAME_VIEW: 1.0},
    2: {PairKind.SAME_VIEW: 1 / 3, PairKind.MULTI_VIEW: 1 / 3, PairKind.MOVING_CAMERA: 1 / 3},
    3: {PairKind.MULTI_VIEW: 0.5, PairKind.MOVING_CAMERA: 0.5},
}


@dataclass(frozen=True)
class Pair:
    """One training pair: positions in the list of records, and of the two views in that record."""

    record: int
    driver: int
    target: int
    kind: PairKind


class PairSampler:
    """Draws pairs of a mixture from the records of a data set.

    cross_identity: also pair views of two people with the same motion (off: the paper's target shows the driver's
    own performer). Raises ValueError for a mixture that is empty, or asks for a kind that no record can give.
    """

    def __init__(self, records: list[Record], mixture: Mixture, seed: int, cross_identity: bool = False) -> None:
        weights = {PairKind(kind): float(weight) for kind, weight in mixture.items() if weight > 0}
        if not weights:
            raise ValueError(f"the mixture {mixture} has no kind with a weight above 0")
        self.seed = seed
        self._pairs = [possible_pairs(record, cross_identity) for record in records]
        self._kinds = list(weights)
        self._weights = np.array(list(weights.values())) / sum(weights.values())
        self._holders = {kind: [i for i, pairs in enumerate(self._pairs) if pairs[kind]] for kind in self._kinds}
        for kind, holders in self._holders.items():
            if not holders:
                raise ValueError(
                    f"none of the {len(records)} performances can give a {kind} pair; render a set with more "
                    "--views (and both kinds of cameras), or leave that kind out of the mixture"
                )

    def draw(self, step: int, sample: int) -> tuple[Pair, np.random.Generator]:
        """The pair of (step, sample), and the generator to draw the rest of the item from."""
        rng = np.random.default_rng([self.seed, step, sample, _TAG])
        kind = self._kinds[rng.choice(len(self._kinds), p=self._weights)]
        record = int(rng.choice(self._holders[kind]))
        choices = self._pairs[record][kind]
        driver, target = choices[rng.integers(len(choices))]
        return Pair(record, driver, target, kind), rng


def possible_pairs(record: Record, cross_identity: bool = False) -> dict[PairKind, list[tuple[int, int]]]:
    """Every (driver, target) of a record by kind."""
    views = record["views"]
    pairs: dict[PairKind, list[tuple[int, int]]] = {kind: [] for kind in PairKind}
    pairs[PairKind.SAME_VIEW] = [(view, view) for view in range(len(views))]
    for driver, target in permutations(range(len(views)), 2):
        first, second = views[driver], views[target]
        if first["camera"] == second["camera"]:
            continue
        if first["identity"] != second["identity"] and not cross_identity:
            continue
        kind = PairKind.MULTI_VIEW if first["still"] and second["still"] else PairKind.MOVING_CAMERA
        pairs[kind].append((driver, target))
    return pairs
