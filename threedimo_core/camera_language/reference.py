"""The tables of docs/camera_language.md. `python -m threedimo_core.camera_language.reference` writes them anew;
a test compares the page with the tables."""

from __future__ import annotations

import sys
from pathlib import Path

from .describing import MEANINGS, takes_angle
from .phrases import ELEVATION_PHRASES, FRAMING_PHRASES, MOVE_PHRASES, SPEED_WORDS
from .prompt import (
    AZIMUTH_DEGREES,
    CHANNELS,
    ELEVATION_DEGREES,
    FIXED_SPEED,
    STILL,
    CameraPrompt,
    Move,
    MoveKind,
    Speed,
    View,
)
from .writing import NUM_WORDINGS, write


def moves_table() -> str:
    """Every move: its name, what it does, its angle, speed, degrees of freedom and phrases."""
    rows = ["| Move | What the camera does | Angle (degrees) | Speed | Uses | Phrases |", "|---|---|---|---|---|---|"]
    for kind in MoveKind:
        uses = "everything" if kind in STILL else ", ".join(sorted(channel.value for channel in CHANNELS[kind]))
        speed = "no" if kind in FIXED_SPEED else "yes"
        phrases = "; ".join(dict.fromkeys(MOVE_PHRASES[kind]))
        rows.append(f"| `{kind}` | {MEANINGS[kind]} | {takes_angle(kind)} | {speed} | {uses} | {phrases} |")
    return "\n".join(rows)


def views_table() -> str:
    """Azimuths with their degrees, elevations and framings with their phrases."""
    rows = ["| Part | Name | Degrees | Phrases |", "|---|---|---|---|"]
    for name, degrees in AZIMUTH_DEGREES.items():
        rows.append(f"| azimuth | {name} | {degrees:+g} | {write(CameraPrompt(View(name)))} |")
    for name, degrees in ELEVATION_DEGREES.items():
        rows.append(f"| elevation | {name} | about {degrees:+g} | {'; '.join(ELEVATION_PHRASES[name])} |")
    for name, phrases in FRAMING_PHRASES.items():
        rows.append(f"| framing | {name} | | {'; '.join(phrases)} |")
    for speed, words in SPEED_WORDS.items():
        rows.append(f"| speed | {speed} | | {'; '.join(words)} |")
    return "\n".join(rows)


def wordings_table() -> str:
    """One prompt in all wordings."""
    moves = (Move(MoveKind.MOVE_UP), Move(MoveKind.ARC_RIGHT, Speed.SLOW, 45))
    prompt = CameraPrompt(View("front-right", "low angle"), moves)
    rows = ["| Wording | Text |", "|---|---|"]
    return "\n".join(rows + [f"| {wording} | {write(prompt, wording)} |" for wording in range(NUM_WORDINGS)])


TABLES = {"moves": moves_table, "views": views_table, "wordings": wordings_table}


def filled(page: str) -> str:
    """The page with every table between its two marks (`<!-- moves -->` … `<!-- end moves -->`) as it is now.

    Raises ValueError when a mark is missing.
    """
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page needs the marks {begin!r} and {end!r} once each")
        before, after = page.split(begin)[0], page.split(end)[1]
        page = f"{before}{begin}\n{table()}\n{end}{after}"
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/camera_language.md")
    path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
