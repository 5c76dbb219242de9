"""Score a model on held-out renders: all parts of the benchmark, or those that are named.

    python -m training bench all --model MODEL --heldout FOLDER --size full --plain --markdown docs/benchmark_results.md

The held-out set is rendered into FOLDER when it is not there (a stopped run continues), from a seed: motions, bodies
and azimuth bins that no training set holds. MODEL is a diffusers folder with adapter.safetensors beside it, or an
adapter file alone for the parts that need no generator (retrieval, probe, leaks, depth).
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ..data.render_command import parse_size
from .heldout import SIZES
from .lpips import load_lpips
from .parts import PARTS
from .provenance import MadeBy
from .report import Section, write_markdown
from .scoring import score, with_cases
from .system import Sampling


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="model folder, or an adapter file")
    parser.add_argument("--heldout", type=Path, required=True, help="folder of the held-out set, rendered on demand")
    parser.add_argument("--size", choices=sorted(SIZES), default="full", help="(%(default)s)")
    parser.add_argument(
        "--parts", nargs="+", choices=list(PARTS), default=None, help="(default: all that MODEL allows)"
    )
    parser.add_argument("--out", type=Path, default=None, help="folder for report.json, report.md, plots and sheets")
    parser.add_argument("--markdown", type=Path, default=None, help="also write the tables to this file")
    parser.add_argument("--cases", type=int, default=None, help="generated clips of a part (default: the size's)")
    parser.add_argument("--motions", type=int, default=None, help="held-out motions (default: the size's)")
    parser.add_argument("--plain", action="store_true", help="calm scenes, for models that were trained on them")
    parser.add_argument("--render", type=parse_size, default=None, metavar="HxW",
                        help="size of the renders (default: of the set that is there, else the model's)")  # fmt: skip
    parser.add_argument("--steps", type=int, default=None, help="sampling steps (default: the adapter's)")
    parser.add_argument("--text-scale", type=float, default=None, help="text guidance (default: the adapter's)")
    parser.add_argument("--motion-scale", type=float, default=None, help="motion guidance (default: the adapter's)")
    parser.add_argument("--reader-data", type=Path, default=None,
                        help="renders that the camera reader learns from (default: the fitting set)")  # fmt: skip
    parser.add_argument("--lpips", type=Path, default=None, metavar="FOLDER",
                        help="folder with the two LPIPS weight files; without it LPIPS is left out")  # fmt: skip
    parser.add_argument(
        "--seed", type=int, default=0, help="of the held-out set, the noise and the probes (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=1, help="rendering processes (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    for name in ("cases", "motions"):
        value = getattr(arguments, name)
        if value is not None and value < 2:
            raise ValueError(f"--{name} is {value}; an interval needs 2 at least")
    sections: list[Section] = []

    def tell(section: Section) -> None:
        sections.append(section)
        print(_text_of(section), flush=True)

    document = score(
        arguments.model,
        arguments.heldout,
        arguments.parts,
        with_cases(SIZES[arguments.size], arguments.cases, arguments.motions),
        plain=arguments.plain,
        render=arguments.render,
        seed=arguments.seed,
        out=arguments.out,
        sampling=Sampling(arguments.steps, arguments.text_scale, arguments.motion_scale),
        perceptual=load_lpips(arguments.lpips) if arguments.lpips else None,
        reader_data=arguments.reader_data,
        workers=arguments.workers,
        progress=tell,
    )
    if arguments.markdown:
        command = shlex.join(["python", "-m", "training", "bench", *sys.argv[2:]])
        write_markdown(arguments.markdown, sections, MadeBy(**document["made_by"]), document["size"], command)
    return 0


def _text_of(section: Section) -> str:
    """A section for the terminal."""
    lines = [f"\n{section.title}", *section.remarks]
    width = max((len(row.what) for row in section.rows), default=0)
    wide = max((len(row.metric) for row in section.rows), default=0)
    lines += [f"  {row.what:{width}}  {row.metric:{wide}}  {row.text()}  {row.aim}".rstrip() for row in section.rows]
    return "\n".join(lines)
