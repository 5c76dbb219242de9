"""Distances between two sets of features: Fréchet (FID, FVD, RF-FD) and KID, with what their size alone explains.

Each clip brings one row of features or several; intervals come from leaving out clips by tenths (jackknife), since a
bootstrap repeats rows and so inflates a Fréchet distance. The floor is the distance of two halves of the real clips:
with 150 clips most of an FVD is that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .intervals import Array, Estimate
from .viewset import Floats

_FOLDS = 10
_KID_SUBSETS, _KID_SIZE = 100, 1000
Distance = Callable[[Floats, Floats], float]


def frechet_distance(first: Floats, second: Floats) -> float:
    """Between Gaussians fitted to the rows [N, D] and [M, D]; 2 rows at least on each side."""
    (mean_a, cov_a), (mean_b, cov_b) = _moments(first), _moments(second)
    root = _root(cov_a)
    # tr √(A B) = tr √(√A B √A): symmetric, so its eigenvalues are real and not below 0.
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


def _moments(rows: Floats) -> tuple[Array, Array]:
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"features have shape {list(rows.shape)}; a distance needs at least 2 rows on each side")
    values = rows.astype(np.float64)
    return values.mean(0), np.atleast_2d(np.cov(values, rowvar=False))


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def kernel_distance(first: Floats, second: Floats, seed: int = 0) -> float:
    """KID: unbiased MMD² with the kernel (x·y / D + 1)³, over random subsets as its authors do."""
    rng = np.random.default_rng([seed, 0x6B6964])
    size = min(_KID_SIZE, len(first), len(second))
    if size < 2:
        raise ValueError(f"{size} rows of features; KID needs at least 2 on each side")
    whole = size == len(first) == len(second)
    found = []
    for _ in range(1 if whole else _KID_SUBSETS):
        a, b = (rows[rng.choice(len(rows), size, replace=False)].astype(np.float64) for rows in (first, second))
        found.append(_mmd(a, b))
    return float(np.mean(found))


def _mmd(a: Array, b: Array) -> float:
    dim, count = a.shape[1], len(a)
    aa, bb, ab = ((x @ y.T / dim + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    within = (aa.sum() - np.trace(aa) + bb.sum() - np.trace(bb)) / (count * (count - 1))
    return float(within - 2 * ab.mean())


def estimate(distance: Distance, real: Sequence[Floats], generated: Sequence[Floats]) -> Estimate:
    """The distance of two lists of clips' features [n_i, D], with a jackknife interval over clips."""
    value = distance(np.concatenate(real), np.concatenate(generated))
    folds = min(_FOLDS, len(real), len(generated))
    if folds < 3:
        return Estimate(value, value, value, len(generated), len(generated))
    left_out = np.array(
        [
            distance(*(np.concatenate(_without(clips, fold, folds)) for clips in (real, generated)))
            for fold in range(folds)
        ]
    )
    spread = 1.96 * float(np.sqrt((folds - 1) / folds * ((left_out - left_out.mean()) ** 2).sum()))
    return Estimate(value, value - spread, value + spread, len(generated), len(generated))


def _without(clips: Sequence[Floats], fold: int, folds: int) -> list[Floats]:
    return [clip for number, clip in enumerate(clips) if number % folds != fold]


def floor(distance: Distance, real: Sequence[Floats], seed: int = 0) -> Estimate:
    """The distance of one half of the real clips to the other: what a perfect generator would get at half the size."""
    if len(real) < 4:
        raise ValueError(f"{len(real)} real clips; two halves of at least 2 are needed")
    order = np.random.default_rng([seed, 0x666C6F]).permutation(len(real))
    half = len(real) // 2
    return estimate(distance, [real[i] for i in order[:half]], [real[i] for i in order[half : 2 * half]])
