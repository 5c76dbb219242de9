"""The report as pictures, one a part: bars with their 95 % intervals, and retrieval over the gap of the views."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from threedimo_core.paths import atomic_path

from .report import Row, Section

_METRICS = {
    "probe": ("PA-MPJPE",),
    "camera": ("direction obeyed", "arc angle error, background", "arc angle error, person"),
    "quality": ("PSNR, box",),
    "leaks": ("azimuth error", "identity told", "relative turn, side told"),
    "depth": ("told apart",),
}
_COLOURS = {False: "tab:blue", True: "tab:gray"}


def draw_plots(folder: Path, sections: Iterable[Section]) -> list[Path]:
    """Write `<part>.png` for every section that has something to show; returns what was written."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    written = []
    for section in sections:
        panels = _panels(section)
        if not panels and not section.series:
            continue
        count = 1 if section.series else len(panels)
        height = 3.6 if section.series else sum(0.8 + 0.28 * len(rows) for _, rows in panels)
        figure = Figure(figsize=(8, height), layout="constrained")
        if section.series:
            _draw_lines(figure.subplots(), section.series)
        else:
            ratios = [0.8 + 0.28 * len(rows) for _, rows in panels]
            axes = figure.subplots(count, 1, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
            for axis, (metric, rows) in zip(axes, panels, strict=True):
                _draw_bars(axis, metric, rows)
        figure.suptitle(section.title, fontsize=10)
        path = folder / f"{section.part}.png"
        with atomic_path(path) as draft:
            figure.savefig(draft, dpi=110, format="png")
        written.append(path)
    return written


def _panels(section: Section) -> list[tuple[str, list[Row]]]:
    found = []
    for metric in _METRICS.get(section.part, ()):
        rows = [row for row in section.rows if row.metric == metric and " − " not in row.what]
        if rows:
            found.append((metric, rows))
    return found


def _draw_bars(axis: Any, metric: str, rows: Sequence[Row]) -> None:
    places = range(len(rows))
    values = [row.estimate.value for row in rows]
    spread = [
        [max(0.0, row.estimate.value - row.estimate.low) for row in rows],
        [max(0.0, row.estimate.high - row.estimate.value) for row in rows],
    ]
    axis.barh(places, values, xerr=spread, color=[_COLOURS[row.control] for row in rows], error_kw={"lw": 1})
    axis.set_yticks(places, [row.what for row in rows], fontsize=7)
    axis.invert_yaxis()
    unit = f" ({rows[0].unit})" if rows[0].unit else ""
    axis.set_title(metric + unit, fontsize=8, loc="left")
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(alpha=0.3, axis="x")


def _draw_lines(axis: Any, series: Sequence[dict[str, Any]]) -> None:
    for line in series:
        axis.plot(line["gap"], line["recall"], marker="o", ms=3, label=line["name"])
        axis.fill_between(line["gap"], line["low"], line["high"], alpha=0.15)
    axis.set_xlabel("azimuth gap (degrees)", fontsize=8)
    axis.set_ylabel("R@1, other appearance", fontsize=8)
    axis.set_ylim(-0.02, 1.02)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)
