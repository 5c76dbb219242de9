"""What the commands say while they work: plain lines, a progress bar on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from ..camera_language import ParsedPrompt, describe_move, describe_view


def say(message: str) -> None:
    """One line for the user; standard error, since standard output is for results."""
    print(plain(message), file=sys.stderr, flush=True)


def plain(text: str) -> str:
    """The text without control characters: names and notes from strangers' files could steer a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[..., None]]:
    """A bar that is moved by callbacks (done, in all, ...); silent where the output is not a terminal."""
    with tqdm(desc=what, unit=unit, leave=False, disable=None) as bar:

        def move(done: int, total: int, *_: Any) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield move


@contextmanager
def quiet_native_code() -> Iterator[None]:
    """Keep back what C++ libraries print for their own developers (mediapipe logs past every setting it has)."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def camera_report(parsed: ParsedPrompt) -> str:
    """One line: the view and the moves that were read from a camera text."""
    parts = [f"{describe_view(parsed.prompt.view)} view"] if parsed.prompt.view else []
    parts += [describe_move(move) for move in parsed.prompt.moves]
    return "; ".join(parts) or "as the text says, no word of the camera language in it"
