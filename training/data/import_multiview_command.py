"""Import captures by synchronous cameras: a folder with one video for each camera, and its calibration if there is
one (Qualisys/pose2sim .qca.txt or .toml, EasyMocap intri.yml + extri.yml, plain JSON), becomes multi-view clips.

With a calibration the person is triangulated and captions name each camera's azimuth and elevation; without one each
view is captioned by rule, as a single video is. The files of a capture must begin at the same moment.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from threedimo_core.video import VideoError

from .footage.calibration import UPS, CalibrationError, find_calibration, read_calibration
from .footage.multiview import Capture, import_capture, open_capture
from .footage.people import NO_TRACKER
from .footage.settings import FootageSettings
from .footage.single import FileReport
from .footage.source import VIDEO_SUFFIXES
from .footage.source_log import SourceLog
from .import_video_command import add_clip_arguments, clip_settings, summary
from .manifest import ManifestWriter, Record, manifest_name, write_settings
from .render_command import parse_shard

SECTION, MANIFEST, LOG = "multiview", "manifest-multiview", "sources-multiview"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data import-multiview`."""
    parser.add_argument("captures", type=Path, nargs="+", help="folders of one capture each, or folders of such")
    add_clip_arguments(parser)
    parser.add_argument("--calibration", type=Path, help="of all captures (default: what lies in each one's folder)")
    parser.add_argument("--no-calibration", action="store_true", help="leave calibrations in the folders alone")
    parser.add_argument("--up", choices=UPS, help="axis of the calibration's world that points up (its format's)")
    parser.add_argument(
        "--shard",
        type=parse_shard,
        default=(0, 1),
        metavar="i/n",
        help="import every n-th capture from the i-th on, i from 0 (0/1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Import what is missing of this shard; status 1 when some captures could not be read."""
    settings = clip_settings(arguments)
    number, count = arguments.shard
    folders = find_captures(arguments.captures)[number::count]
    if not settings.people:
        print(f"{NO_TRACKER}; calibrations name no azimuth without a person", file=sys.stderr)
    write_settings(arguments.out, settings.to_json() | {"up": arguments.up}, SECTION)
    failed, left_out, root = 0, Counter[str](), arguments.out
    log_path = root / manifest_name(arguments.shard, LOG)
    with ManifestWriter(root / manifest_name(arguments.shard, MANIFEST)) as manifest, SourceLog(root, log_path) as log:
        for folder, name in tqdm(folders, unit=" captures", disable=None):
            try:
                for record in _clips(root, _open(folder, name, arguments), settings, log, left_out):
                    manifest.append(record)
            except (VideoError, CalibrationError) as error:
                failed += 1
                print(f"left out: {name}: {error}", file=sys.stderr)
        print(summary(len(manifest.ids), root, left_out, failed))
    return 1 if failed else 0


def find_captures(roots: list[Path]) -> list[tuple[Path, str]]:
    """Folders with at least two videos directly inside, at any depth, with their names. ValueError for none."""
    found = []
    for root in roots:
        inside = [root, *sorted(path for path in root.rglob("*") if path.is_dir())] if root.is_dir() else []
        for folder in inside:
            if len(_videos(folder)) >= 2:
                found.append((folder, folder.name if folder == root else folder.relative_to(root).as_posix()))
    if not found:
        raise ValueError(f"no folder with two or more videos in {', '.join(map(str, roots))}")
    return found


def _videos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file())


def _open(folder: Path, name: str, arguments: argparse.Namespace) -> Capture:
    path = None if arguments.no_calibration else arguments.calibration or find_calibration(folder)
    cameras = None if path is None else read_calibration(path, arguments.up)
    return open_capture(name, _videos(folder), cameras)


def _clips(
    root: Path, capture: Capture, settings: FootageSettings, log: SourceLog, left_out: Counter[str]
) -> Iterator[Record]:
    """The records of a capture: from the log when it was done before, else made now and logged."""
    known = log.records(capture.source.key)
    if known is not None:
        yield from known
        return
    report = FileReport()
    yield from import_capture(root, capture, settings, report)
    left_out.update(report.left_out)
    log.append(capture.source, report)
