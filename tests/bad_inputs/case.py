"""One bad input and what it gets: a row of docs/bad_inputs.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One thing that people do: in words, as typed, and the message (of the refusal, or told beside the result).

    In a message "…" stands for what differs from one machine to the next. shape: (frames, height, width) of the video
    where the command works; None where it is refused.
    """

    given: str
    typed: str
    says: str = ""
    shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Group:
    """Cases of one command, in whose line {} stands for what is typed."""

    title: str
    line: str
    cases: tuple[Case, ...]


def works(given: str, typed: str, says: str = "", shape: tuple[int, int, int] = (9, 32, 32)) -> Case:
    return Case(given, typed, says, shape)
