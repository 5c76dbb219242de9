"""Intervals of the benchmark: they cover what they should, and refuse what would hide a failure."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation import intervals


def clustered(rng: np.random.Generator, motions: int = 40, each: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Values with mean 3 whose motions differ more than the views of one motion do."""
    labels = np.repeat(np.arange(motions), each)
    return 3 + rng.normal(size=motions)[labels] + 0.3 * rng.normal(size=len(labels)), labels


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    found = [intervals.mean(*clustered(rng)) for _ in range(200)]
    covered = np.mean([e.low <= 3 <= e.high for e in found])
    assert 0.90 <= covered <= 0.99


def test_views_of_one_motion_are_not_counted_as_independent() -> None:
    values, labels = clustered(np.random.default_rng(1))
    by_motion, as_if_free = intervals.mean(values, labels), intervals.mean(values, np.arange(len(values)))
    assert by_motion.high - by_motion.low > 2 * (as_if_free.high - as_if_free.low)
    assert (by_motion.samples, by_motion.clusters) == (320, 40)


def test_paired_differences_are_sharper_than_two_means() -> None:
    rng = np.random.default_rng(2)
    values, labels = clustered(rng)
    better = values + 0.2 + 0.05 * rng.normal(size=len(values))
    gain = intervals.difference(better, values, labels)
    assert gain.value == pytest.approx(0.2, abs=0.02) and gain.low > 0
    assert intervals.mean(better, labels).low < intervals.mean(values, labels).high


def test_ratio_of_means() -> None:
    values, labels = clustered(np.random.default_rng(3))
    ratio = intervals.ratio(values * 1.5, values, labels)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1.5, 1.5, 1.5))


def test_the_same_values_give_the_same_interval() -> None:
    values, labels = clustered(np.random.default_rng(4))
    assert intervals.mean(values, labels) == intervals.mean(values, [f"motion {n:03d}" for n in labels])


@pytest.mark.parametrize(
    ("values", "clusters", "told"),
    [
        ([1.0, float("nan")], [0, 1], "1 of 2 values are not finite; a failure must be counted"),
        ([], [], "at least one number"),
        ([1.0, 2.0], [0, 1, 2], "for 3 cluster labels"),
    ],
)
def test_gaps_and_mismatches_are_refused(values, clusters, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        intervals.mean(values, clusters)
