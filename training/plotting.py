"""A run as a picture: losses, learning rate, gradient norm, speed and what validation said, over steps, with stages.

`python -m training plot RUN` draws it at any time; a run draws it at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from threedimo_core.paths import atomic_path

from .tracking import read_log

PLOT = "run.png"
# What training logs, panel by panel; everything else with numbers comes from validation and shares one more.
_PANELS = (("flow",), ("pose",), ("norm",), ("lr", "geometric"), ("seconds",))
_TITLES = ("flow loss", "pose loss", "gradient norm", "learning rate, geometric weight", "seconds a step")
_LOGARITHMIC = ("pose", "norm")


def plot_run(out: Path) -> Path | None:
    """Draw `out/run.png` from the run's log; None when nothing was logged yet."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    records = read_log(out)
    steps = [record for record in records if "stage" in record]
    checks = [record for record in records if "stage" not in record]
    if not steps:
        return None
    names = sorted({name for record in checks for name, value in record.items() if _is_number(name, value)})
    panels = [p for p in _PANELS if any(name in record for record in (steps[0], steps[-1]) for name in p)] + (
        [tuple(names)] if names else []
    )
    titles = [_TITLES[_PANELS.index(p)] if p in _PANELS else "validation" for p in panels]
    figure = Figure(figsize=(9, 2.2 * len(panels)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(panels), 1, sharex=True))
    for axis, panel, title in zip(axes, panels, titles, strict=True):
        source = checks if title == "validation" else steps
        for name in panel:
            _draw(axis, source, name, smooth=source is steps)
        axis.set_title(title, fontsize=9, loc="left")
        axis.grid(alpha=0.3)
        _mark_stages(axis, steps)
        if len(panel) > 1:
            axis.legend(fontsize=7, ncols=4)
    axes[-1].set_xlabel("step")
    with atomic_path(out / PLOT) as draft:
        figure.savefig(draft, dpi=110, format="png")
    return out / PLOT


def _is_number(name: str, value: Any) -> bool:
    return name != "step" and isinstance(value, (int, float))


def _draw(axis: Any, records: Sequence[dict[str, Any]], name: str, smooth: bool) -> None:
    points = [(r["step"], r[name]) for r in records if isinstance(r.get(name), (int, float))]
    if not points:
        return
    step, value = (np.array(column, float) for column in zip(*points, strict=True))
    if not smooth or name in ("lr", "geometric"):
        axis.plot(step, value, label=name, marker="" if smooth else ".", lw=1)
        return
    axis.plot(step, value, color="C0", alpha=0.2, lw=0.5)
    axis.plot(step, running_median(value), color="C0", lw=1.2, label=name)
    if name in _LOGARITHMIC and (value > 0).all():
        axis.set_yscale("log")


def running_median(values: np.ndarray, most: int = 101) -> np.ndarray:
    """Median over a window of up to a tenth of the run: one outlier does not bend it. Same length as `values`."""
    window = min(most, max(1, len(values) // 10)) | 1
    padded = np.pad(values, window // 2, mode="edge")
    medians: np.ndarray = np.median(np.lib.stride_tricks.sliding_window_view(padded, window), axis=1)
    return medians


def _mark_stages(axis: Any, records: Sequence[dict[str, Any]]) -> None:
    for number, (name, group) in enumerate(groupby(records, key=lambda record: record["stage"])):
        first = next(group)["step"]
        if number:
            axis.axvline(first, color="0.6", lw=0.8, ls="--")
        axis.text(first, 1.0, f" {name}", transform=axis.get_xaxis_transform(), fontsize=7, va="bottom", color="0.4")
