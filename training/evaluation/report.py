"""The results of the benchmark: rows with intervals, as JSON and as a markdown table.

Every row says what produced it, so that a figure copied into a paper or an issue can be traced and made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from threedimo_core.paths import atomic_path

from .intervals import Estimate
from .provenance import MadeBy


@dataclass(frozen=True)
class Row:
    """One figure. part: of the benchmark; what: the system or control; metric with its unit; aim: what is wished.

    control: whether `what` is a control that only gives the figure its meaning.
    """

    part: str
    what: str
    metric: str
    estimate: Estimate
    unit: str = ""
    aim: str = ""
    control: bool = False

    def text(self) -> str:
        """Value and interval with digits that suit the size of the value."""
        e = self.estimate
        digits = 1 if self.unit in ("°", "mm") or abs(e.value) >= 100 else 2 if abs(e.value) >= 1 else 3
        unit = f" {self.unit}" if self.unit not in ("", "°") else self.unit
        return f"{e.value:.{digits}f}{unit} [{e.low:.{digits}f}, {e.high:.{digits}f}]"


@dataclass(frozen=True)
class Section:
    """What one part of the benchmark found: rows, remarks in words, and lines for a plot (plain lists)."""

    part: str
    title: str
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    series: tuple[dict[str, Any], ...] = ()


def document_of(sections: Iterable[Section], made_by: MadeBy, size: str) -> dict[str, Any]:
    """The report as plain values; `figures` finds a row's estimate by "part | what | metric"."""
    sections = list(sections)
    return {
        "made_by": asdict(made_by),
        "size": size,
        "sections": [
            {
                "part": section.part,
                "title": section.title,
                "remarks": list(section.remarks),
                "rows": [row_document(row, made_by) for row in section.rows],
                "series": list(section.series),
            }
            for section in sections
        ],
        "figures": {
            f"{row.part} | {row.what} | {row.metric}": asdict(row.estimate)
            for section in sections
            for row in section.rows
        },
    }


def write_report(folder: Path, sections: Iterable[Section], made_by: MadeBy, size: str) -> Path:
    """`report.json` and `report.md` in `folder`; returns the path of the markdown."""
    sections = list(sections)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", document_of(sections, made_by, size))
    write_markdown(folder / "report.md", sections, made_by, size)
    return folder / "report.md"


def write_json(path: Path, document: dict[str, Any]) -> None:
    with atomic_path(path) as draft:
        draft.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_markdown(path: Path, sections: Iterable[Section], made_by: MadeBy, size: str, command: str = "") -> None:
    """The tables; `command`: what made them, to be printed above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as draft:
        draft.write_text(markdown(list(sections), made_by, size, command), encoding="utf-8")


def row_document(row: Row, made_by: MadeBy) -> dict[str, Any]:
    """A row as plain values, with what produced it."""
    plain = asdict(row)
    estimate = plain.pop("estimate")
    return plain | estimate | {"made_by": asdict(made_by)}


def markdown(sections: list[Section], made_by: MadeBy, size: str, command: str = "") -> str:
    """One table a part. Intervals are 95 %, over `n` values of so many motions."""
    lines = [f"# Benchmark, size {size}", ""]
    if command:
        lines += ["```", command, "```", ""]
    lines += [
        f"Held-out set {made_by.data}. Intervals: 95 %, cluster bootstrap by motion. *Controls in italics.*",
    ]
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        lines += [f"{remark}" + "\n" for remark in section.remarks]
        lines += ["| | | figure | aim | n (motions) | made by |", "|---|---|---|---|---|---|"]
        for what, rows in groupby(section.rows, key=lambda row: (row.what, row.control)):
            name = f"*{what[0]}*" if what[1] else what[0]
            for row in rows:
                e = row.estimate
                lines.append(
                    f"| {name} | {row.metric} | {row.text()} | {row.aim} | {e.samples} ({e.clusters}) | {made_by} |"
                )
    return "\n".join(lines) + "\n"
