"""The memory a recipe needs on each device, term by term, before anything is loaded or downloaded.

python -m training plan training/recipes/wan22_5b_24gb.yaml --fits 24
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .buckets import Shape
from .memory import GIB, make_plan, report
from .recipe import load_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="YAML file, see training/recipes")
    parser.add_argument("--backbone", type=Path, default=None, help="diffusers folder (default: published sizes)")
    parser.add_argument("--clip", type=parse_clip, default=None, metavar="FxHxW", help="largest clip, e.g. 121x480x832")
    parser.add_argument("--processes", type=int, default=1, help="devices that share the batch (%(default)s)")
    parser.add_argument("--parallel", choices=("ddp", "fsdp"), default="ddp", help="with many processes (%(default)s)")
    parser.add_argument("--fits", type=float, default=None, metavar="GIB", help="fail unless the peak is within this")


def run(arguments: argparse.Namespace) -> int:
    recipe = load_recipe(arguments.recipe)
    sharded = arguments.parallel == "fsdp" and arguments.processes > 1
    plan = make_plan(recipe, arguments.backbone, arguments.clip, arguments.processes, sharded)
    print(report(plan))
    if arguments.fits is None:
        return 0
    fits = plan.total <= arguments.fits * GIB
    print(f"\n{'fits' if fits else 'does not fit'} in {arguments.fits:g} GiB")
    return 0 if fits else 1


def parse_clip(text: str) -> Shape:
    """`121x480x832` → Shape. argparse turns the ValueError into its usual message."""
    try:
        frames, height, width = (int(part) for part in text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not FRAMESxHEIGHTxWIDTH, such as 121x480x832") from None
    return Shape(frames, height, width)
