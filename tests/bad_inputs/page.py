"""docs/bad_inputs.md: the tables of this package as a page."""

from __future__ import annotations

from pathlib import Path

from . import of_files, of_words
from .case import Case
from .of_calls import CALLS, Call
from .of_machines import EVENTS

PAGE = Path(__file__).parents[2] / "docs" / "bad_inputs.md"
GROUPS = (*of_files.GROUPS, *of_words.GROUPS)

HEAD = """# Bad inputs

What people give a program by mistake, and what each gets. `tests/test_bad_inputs.py` tries every row, with a tiny model
of the real classes (9 frames of 32 × 32 px at 12 frames a second), and compares this page with its own table; after a
change, `PYTHONPATH=tests python -m bad_inputs` writes the page anew. In a message, … stands for what differs from one
machine to the next.

On the command line a refusal is exit status 2, the message on standard error behind the command's name, and nothing
else: no traceback (`--debug` shows it), no half-written file, nothing changed. {refused} of the {count} rows below are
refusals; the others work, and say so where they did not take all that was given.
"""


def text() -> str:
    """The whole page."""
    cases = [case for group in GROUPS for case in group.cases]
    refused = sum(case.shape is None for case in cases) + sum(bool(call.says) for call in CALLS)
    parts = [HEAD.format(count=len(cases) + len(CALLS), refused=refused)]
    for group in GROUPS:
        parts.append(f"\n## {group.title}\n\n`threedimo {group.line.replace('{}', '…')}`\n\n")
        parts.append("| What is given | Typed at … | What it gets |\n|---|---|---|\n")
        parts += [_row(case.given, _code(case.typed), _result(case)) for case in group.cases]
    parts.append("\n## The machine\n\n| What happens | What comes of it |\n|---|---|\n")
    parts += [_row(*event) for event in EVENTS.values()]
    parts.append(
        "\n## In Python\n\nRefusals are `ValueError`s.\n\n| Function | What is given | What it gets |\n|---|---|---|\n"
    )
    parts += [_row(f"`{call.function}`", call.given, _answer(call)) for call in CALLS]
    return "".join(parts)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _code(typed: str) -> str:
    return f"`{typed}`" if typed else ""


def _result(case: Case) -> str:
    says = "<br>".join(f"`{line.strip()}`" for line in case.says.replace("`", "'").split("\n") if line)
    if case.shape is None:
        return f"refused: {says}"
    frames, height, width = case.shape
    made = f"a video: {frames} × {height} × {width}"
    return f"{made}; told: {says}" if says else made


def _answer(call: Call) -> str:
    return f"refused: `{call.says}`" if call.says else "works"
