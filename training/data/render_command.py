"""Render performances: people in motion under several synchronous cameras, with captions and exact labels.

The same settings and seed give the same bytes. A run that was stopped continues with the same command; a larger
--clips extends the set. Shards (--shard i/n, i from 0) share nothing but the folder, or not even that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from .manifest import ManifestWriter, manifest_name, write_settings
from .performance import performance_id
from .publish import published_record
from .render_pool import make_performances
from .render_settings import RenderSettings, bank_hash, hand_size_for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data render`."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--clips", type=int, required=True, help="number of performances")
    parser.add_argument("--views", type=int, default=4, help="cameras of each performance (%(default)s)")
    parser.add_argument("--frames", type=int, default=17, help="frames, 4n + 1 (%(default)s)")
    parser.add_argument(
        "--size",
        type=parse_size,
        default=(128, 128),
        metavar="HxW",
        help="height x width in pixels, e.g. 64x64 or 480x848 (128x128)",
    )
    parser.add_argument("--fps", type=float, default=16.0, help="frames per second (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each (%(default)s)")
    parser.add_argument(
        "--samples",
        type=int,
        default=1,
        choices=(1, 2),
        help="rays along a pixel's side: 2 antialiases and costs four times as much (%(default)s)",
    )
    parser.add_argument(
        "--hand-size", type=int, help="pixels of the hand views; 0: none (3/8 of the picture's shorter side, 24 to 112)"
    )
    parser.add_argument(
        "--split",
        default="train",
        choices=("train", "test"),
        help="test holds out motions, bodies and azimuths (%(default)s)",
    )
    parser.add_argument(
        "--identities",
        type=int,
        default=1,
        choices=(1, 2),
        help="2 adds a second person with the same motion (%(default)s)",
    )
    parser.add_argument(
        "--kind", choices=("static", "moving"), help="only still cameras, or only moving ones (default: both)"
    )
    parser.add_argument(
        "--motions",
        type=Path,
        metavar="BANK.safetensors",
        help="draw movements from this bank (`data import-motions`) instead of the procedural library",
    )
    parser.add_argument("--plain", action="store_true", help="calm scenes, for models too small to paint busy ones")
    parser.add_argument(
        "--shard",
        type=parse_shard,
        default=(0, 1),
        metavar="i/n",
        help="render every n-th performance from the i-th on, i from 0 (0/1)",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Render what is missing of this shard."""
    if arguments.clips < 1:
        raise ValueError(f"--clips is {arguments.clips}, expected at least 1")
    height, width = arguments.size
    settings = RenderSettings(
        seed=arguments.seed,
        views=arguments.views,
        num_frames=arguments.frames,
        fps=arguments.fps,
        height=height,
        width=width,
        samples=arguments.samples,
        hand_size=hand_size_for(height, width) if arguments.hand_size is None else arguments.hand_size,
        split=arguments.split,
        identities=arguments.identities,
        kind=arguments.kind,
        plain=arguments.plain,
        motions=None if arguments.motions is None else bank_hash(arguments.motions),
    )
    number, count = arguments.shard
    indices = list(range(number, arguments.clips, count))
    published = render_set(
        arguments.out,
        settings,
        indices,
        arguments.workers,
        arguments.shard,
        arguments.device,
        bank=arguments.motions,
    )
    print(f"{published} performances of {settings.views * settings.identities} views in {arguments.out}")
    return 0


def render_set(
    root: Path,
    settings: RenderSettings,
    indices: list[int],
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
    device: str = "cpu",
    quiet: bool = False,
    bank: Path | None = None,
) -> int:
    """Render the performances of `indices` that are missing and list all of them; returns how many are listed.

    bank: of `data import-motions`, the one whose hash the settings record.
    """
    write_settings(root, settings.to_json())
    with ManifestWriter(root / manifest_name(shard)) as manifest:
        todo = [index for index in indices if _is_missing(root, settings, index, manifest)]
        with tqdm(total=len(todo) * settings.frames_each, unit=" frames", smoothing=0.1, disable=quiet) as progress:
            for record in make_performances(root, settings, todo, workers, device, bank):
                manifest.append(record)
                progress.update(settings.frames_each)
        return len(manifest.ids)


def _is_missing(root: Path, settings: RenderSettings, index: int, manifest: ManifestWriter) -> bool:
    """Not listed, or listed though its folder has been damaged or removed since."""
    listed = performance_id(settings.seed, settings.split, index) in manifest.ids
    return not listed or published_record(root, index) is None


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "HxW"."""
    height, cross, width = text.lower().partition("x")
    if not (cross and height.isdigit() and width.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no size, expected HEIGHTxWIDTH such as 128x128")
    return int(height), int(width)


def parse_shard(text: str) -> tuple[int, int]:
    """Number (from 0) and count of "i/n"."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdigit() and count.isdigit() and int(number) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is no shard, expected i/n with 0 <= i < n such as 0/4")
    return int(number), int(count)
