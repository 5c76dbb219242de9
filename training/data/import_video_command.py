"""Import videos: shots are found, cut into clips of 4n + 1 frames, checked for a person, resized, and still cameras
captioned by rule; the clips join the manifest as single views.

The same command continues a run that was stopped and imports files that are new. A file that cannot be read is
named and left out. Shards (--shard i/n, i from 0) share nothing but the folder.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from threedimo_core.video import VideoError

from .footage.people import NO_TRACKER, tracker_available
from .footage.settings import FootageSettings
from .footage.single import FileReport, import_file
from .footage.source import Source, find_videos, open_source
from .footage.source_log import SourceLog
from .manifest import ManifestWriter, Record, manifest_name, write_settings
from .render_command import parse_shard, parse_size

SECTION, MANIFEST, LOG = "video", "manifest-video", "sources-video"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data import-video`."""
    parser.add_argument("sources", type=Path, nargs="+", help="videos, or folders that hold some at any depth")
    add_clip_arguments(parser)
    parser.add_argument("--min-share", type=float, default=0.8, help="of the frames that show a person (%(default)s)")
    parser.add_argument(
        "--min-person", type=float, default=0.3, help="height of the person in shares of the clip's (%(default)s)"
    )
    parser.add_argument("--max-clips", type=int, default=1000, help="clips of one file at most (%(default)s)")
    parser.add_argument(
        "--shard",
        type=parse_shard,
        default=(0, 1),
        metavar="i/n",
        help="import every n-th file from the i-th on, i from 0 (0/1)",
    )


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say what clips look like."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set; may hold rendered clips too")
    parser.add_argument("--frames", type=int, default=17, help="frames of a clip, 4n + 1 (%(default)s)")
    parser.add_argument("--fps", type=float, default=16.0, help="frames per second of the clips (%(default)s)")
    parser.add_argument(
        "--size",
        type=parse_size,
        nargs="+",
        default=[(128, 128)],
        metavar="HxW",
        help="height x width of the clips; of several, each file takes the one nearest to its shape (128x128)",
    )
    parser.add_argument("--stride", type=int, help="frames from one clip to the next (default: --frames)")
    parser.add_argument("--hand-size", type=int, default=48, help="pixels of the hand views; 0: none (%(default)s)")
    parser.add_argument("--fit", default="crop", choices=("crop", "pad"), help="cut off or add black (%(default)s)")
    parser.add_argument("--test-share", type=float, default=0.0, help="of the files, for the split test (%(default)s)")


def clip_settings(arguments: argparse.Namespace) -> FootageSettings:
    """The settings that `add_clip_arguments` asked for. ValueError for values outside what they may be."""
    return FootageSettings(
        num_frames=arguments.frames,
        fps=arguments.fps,
        sizes=tuple(arguments.size),
        stride=arguments.frames if arguments.stride is None else arguments.stride,
        hand_size=arguments.hand_size,
        fit=arguments.fit,
        people=tracker_available(),
        test_share=arguments.test_share,
    )


def run(arguments: argparse.Namespace) -> int:
    """Import what is missing of this shard; status 1 when some files could not be read."""
    settings = replace(
        clip_settings(arguments),
        least_share=arguments.min_share,
        least_height=arguments.min_person,
        most_clips=arguments.max_clips,
    )
    number, count = arguments.shard
    files = find_videos(arguments.sources)[number::count]
    if not settings.people:
        print(NO_TRACKER, file=sys.stderr)
    return import_videos(arguments.out, files, settings, arguments.shard)


def import_videos(
    root: Path, files: list[tuple[Path, str]], settings: FootageSettings, shard: tuple[int, int] = (0, 1)
) -> int:
    """Import the clips of (path, name) files that are not in the set yet; status 1 when some cannot be read."""
    write_settings(root, settings.to_json(), SECTION)
    failed, left_out = 0, Counter[str]()
    log_path = root / manifest_name(shard, LOG)
    with ManifestWriter(root / manifest_name(shard, MANIFEST)) as manifest, SourceLog(root, log_path) as log:
        for path, name in tqdm(files, unit=" files", disable=None):
            try:
                for record in _clips(root, open_source(path, name), settings, log, left_out):
                    manifest.append(record)
            except VideoError as error:
                failed += 1
                print(f"left out: {error}", file=sys.stderr)
        print(summary(len(manifest.ids), root, left_out, failed))
    return 1 if failed else 0


def _clips(
    root: Path, source: Source, settings: FootageSettings, log: SourceLog, left_out: Counter[str]
) -> Iterator[Record]:
    """The records of a file: from the log when it was done before, else made now and logged."""
    known = log.records(source.key)
    if known is not None:
        yield from known
        return
    report = FileReport()
    yield from import_file(root, source, settings, report)
    left_out.update(report.left_out)
    log.append(source, report)


def summary(clips: int, root: Path, left_out: Counter[str], failed: int) -> str:
    """One line for people: what is in the set, and what was left out for which reason."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
    return (
        f"{clips} clips in {root}; clips left out this time: {sum(left_out.values())}"
        f"{f' ({reasons})' if reasons else ''}; files that could not be read: {failed}"
    )
