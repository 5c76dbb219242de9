"""Draw a run's curves from its log: `python -m training plot RUN` writes RUN/run.png."""

from __future__ import annotations

import argparse
from pathlib import Path

from .plotting import plot_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the --out folder of a training run")


def run(arguments: argparse.Namespace) -> int:
    path = plot_run(arguments.run)
    if path is None:
        raise ValueError(f"{arguments.run} has no log with a finished step; is it the --out folder of a training run?")
    print(path)
    return 0
