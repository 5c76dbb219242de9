"""Means, ratios and paired differences with 95 % intervals: cluster bootstrap by motion.

The frames, views and appearances of one motion are not independent, so whole motions are drawn with replacement.
Failures are values like others: whoever measures gives them their worst value, never a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
DRAWS = 2000
_TAG = 0x626F6F74


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval: over `samples` values of `clusters` motions."""

    value: float
    low: float
    high: float
    samples: int
    clusters: int


def mean(values: ArrayLike, clusters: ArrayLike) -> Estimate:
    """Mean of values [N] whose motions are `clusters` [N] (any labels). ValueError for none, or for NaN."""
    return _estimate([_checked(values)], clusters, lambda sums, counts: sums[0] / counts)


def ratio(numerator: ArrayLike, denominator: ArrayLike, clusters: ArrayLike) -> Estimate:
    """Mean of the first over the mean of the second, paired [N]."""
    return _estimate(
        [_checked(numerator), _checked(denominator)],
        clusters,
        lambda sums, counts: sums[0] / np.maximum(sums[1], 1e-12),
    )


def difference(first: ArrayLike, second: ArrayLike, clusters: ArrayLike) -> Estimate:
    """Mean of first − second, paired [N]: the same case, the same noise."""
    return mean(_checked(first) - _checked(second), clusters)


def _checked(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"values have shape {list(array.shape)}; expected a list of at least one number")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{int((~np.isfinite(array)).sum())} of {len(array)} values are not finite; a failure must be counted "
            "with its worst value"
        )
    return array


def _estimate(values: list[Array], clusters: ArrayLike, figure: Callable[[list[Array], Array], Array]) -> Estimate:
    labels = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
    if any(len(v) != len(labels) for v in values):
        raise ValueError(f"{[len(v) for v in values]} values for {len(labels)} cluster labels; expected as many")
    number = int(labels.max()) + 1
    counts = np.bincount(labels, minlength=number).astype(np.float64)
    sums = [np.asarray(np.bincount(labels, weights=v, minlength=number), np.float64) for v in values]
    ones = np.ones((1, number))
    drawn = np.random.default_rng([_TAG, number]).multinomial(number, np.full(number, 1 / number), size=DRAWS)
    whole = figure([ones @ s for s in sums], ones @ counts)[0]
    resampled = figure([drawn @ s for s in sums], drawn @ counts)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(float(whole), float(low), float(high), len(labels), number)
