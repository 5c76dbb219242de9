"""Import what a pose estimator found in your videos as the pose labels of their clips: 21 body and 15 + 15 hand
rotations, masked where the estimator knows nothing.

RESULTS is a file of the estimator, or a folder below which results are named after their videos. The videos' own
frames are counted, so run the estimator on the same files that were imported. Body and hands may come from two
estimators: run the command for each; later imports replace earlier ones where they know something. Pickles are read
without running anything in them. A result that cannot be used is named and left out.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from .clip_store import ClipStore
from .footage.records import empty_pose
from .footage.source import content_key
from .manifest import Record, read_manifest
from .overlays import OverlayWriter, add_file, in_shard, next_revision
from .poses.finding import Estimator, estimators, result_of, results_below
from .poses.readers import read_mean_hands
from .poses.timing import at_times, averaged, choose_track
from .poses.track import PoseFile, PoseFileError
from .render_command import parse_shard

STEP = "poses"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data import-poses`."""
    parser.add_argument("folder", type=Path, help="folder of the data set")
    parser.add_argument("results", type=Path, help="a result, or a folder of results named after their videos")
    parser.add_argument("--estimator", required=True, choices=tuple(estimators()), help="whose files these are")
    parser.add_argument("--video", help="only clips of this video (its name as in the manifest, or the end of it)")
    parser.add_argument("--person", help="the estimator's name of the person (default: who is there most, the largest)")
    parser.add_argument("--fps", type=float, help="frames per second the estimator counted in (default: the video's)")
    parser.add_argument(
        "--first-frame",
        type=int,
        help="number of the video's first frame in names of files, for a file each frame (SMPLer-X 1, CameraHMR 0)",
    )
    parser.add_argument(
        "--smplx-model",
        type=Path,
        help="SMPLX_NEUTRAL.npz: the mean hand that SMPLer-X counts from; without it its hands stay unknown",
    )
    parser.add_argument(
        "--shard", type=parse_shard, default=(0, 1), metavar="i/n", help="every n-th clip from the i-th on (0/1)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Label the clips of this shard; status 1 when some results could not be used."""
    if arguments.fps is not None and not 0 < arguments.fps <= 1000:
        raise ValueError(f"--fps is {arguments.fps}, expected a number above 0, at most 1000")
    mean_hands = None if arguments.smplx_model is None else read_mean_hands(arguments.smplx_model)
    estimator = estimators(mean_hands, arguments.first_frame)[arguments.estimator]
    results = Results(estimator, arguments.results, results_below(arguments.results, estimator))
    every = [
        record
        for record in read_manifest(arguments.folder)
        if record["source"] != "render" and (arguments.video is None or _files_of(record, arguments.video))
    ]
    if not every:
        raise ValueError(f"{arguments.folder} holds no clips of own footage{_of_video(arguments.video)}")
    _check_single(every, results, arguments.video)
    records = in_shard(every, arguments.shard)
    importer = _Importer(arguments, results)
    with OverlayWriter(arguments.folder, STEP, arguments.shard) as overlay:
        for record in tqdm(records, unit=" clips", disable=None):
            importer.label(record, overlay)
    print(importer.summary(len(records)))
    return 1 if results.failed else 0


@dataclass
class Results:
    """The results below a folder, each read once; those that cannot be used are named once."""

    estimator: Estimator
    root: Path
    paths: list[Path]
    failed: dict[Path, str] = field(default_factory=dict)
    _last: tuple[Path, PoseFile, str] | None = None

    def of_video(self, video: str) -> tuple[PoseFile, str] | None:
        """The result of a video and a key of its content, or None."""
        path = result_of(video, self.root, self.paths)
        if path is None or path in self.failed:
            return None
        if self._last is None or self._last[0] != path:  # clips of one video follow each other
            try:
                files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
                self._last = (path, self.estimator.read(path), content_key(files))
            except PoseFileError as error:
                self.failed[path] = str(error)
                print(f"left out: {error}", file=sys.stderr)
                return None
        return self._last[1], self._last[2]


@dataclass
class _Importer:
    """Labels clip by clip and counts."""

    arguments: argparse.Namespace
    results: Results
    labelled: int = 0
    known: int = 0
    without: int = 0
    before: int = 0

    def label(self, record: Record, overlay: OverlayWriter) -> None:
        """Put what the results know of a clip into a new label file and publish it by an overlay line."""
        found, keys = self._estimates(record)
        if not found:
            self.without += 1
            return
        name = self.arguments.estimator
        if record.get("pose_sources", {}).get(name) == keys:
            self.before += 1
            return
        rotations, known = averaged(found)
        labels = merged(ClipStore(self.arguments.folder).labels(record), record["num_frames"], rotations, known)
        file = f"labels-{next_revision(record)}.safetensors"
        content = save({key: value.contiguous() for key, value in sorted(labels.items())})
        files = add_file(self.arguments.folder, record, file, content)
        sources: dict[str, Any] = record.get("pose_sources", {}) | {name: keys}
        overlay.append(record, {"labels": file, "has_pose_mask": True, "pose_sources": sources}, files=files)
        self.labelled += 1
        self.known += int(known.sum())

    def _estimates(self, record: Record) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[str]]:
        """What the result of each of the clip's videos says at the clip's times, where somebody is there."""
        estimates, keys = [], []
        seconds = record["origin"]["start"] + np.arange(record["num_frames"]) / record["fps"]
        for video in _videos_of(record):
            result = self.results.of_video(video)
            if result is None or not (self.arguments.video is None or video.endswith(self.arguments.video)):
                continue
            file, key = result
            positions = seconds * (self.arguments.fps or file.fps or record["origin"]["source_fps"])
            track = choose_track(file, positions, self.arguments.person)
            if track is not None:
                rotations, known = at_times(track, positions)
                if known.any():
                    estimates.append((rotations, known))
                    keys.append(f"{key}:{track.name}")
        return estimates, keys

    def summary(self, clips: int) -> str:
        """One line for people."""
        each = self.known / max(1, self.labelled)
        return (
            f"{self.labelled} of {clips} clips labelled, {each:.0f} rotations known in each; {self.before} had these "
            f"labels before, {self.without} have no result; results that could not be used: {len(self.results.failed)}"
        )


def merged(labels: dict[str, Tensor], num_frames: int, rotations: np.ndarray, known: np.ndarray) -> dict[str, Tensor]:
    """The labels of a clip with new rotations [T, 51, 3, 3] where they are known [T, 51], else as they were."""
    labels = {**empty_pose(num_frames), **labels}
    there = torch.from_numpy(known)
    pose = torch.where(there[..., None, None], torch.from_numpy(rotations).float(), labels["pose"].float())
    return labels | {"pose": pose.half(), "pose_mask": (labels["pose_mask"].bool() | there).to(torch.uint8)}


def _videos_of(record: Record) -> list[str]:
    """Names of the files that a clip was cut from; those of a capture with its folder's name."""
    folder = record["motion"].rpartition("@")[0]
    files = record["origin"]["files"]
    return files if record["source"] == "video" else [f"{folder}/{name}" for name in files]


def _files_of(record: Record, video: str) -> list[str]:
    return [name for name in _videos_of(record) if name.endswith(video)]


def _of_video(video: str | None) -> str:
    return "" if video is None else f" from a video named {video!r}"


def _check_single(records: list[Record], results: Results, video: str | None) -> None:
    """A result that was named outright must not be laid over clips of several videos."""
    names = {name for record in records for name in (_files_of(record, video) if video else _videos_of(record))}
    if results.paths == [results.root] and len(names) > 1:
        raise ValueError(
            f"{results.root} is one result and the set holds clips of {len(names)} videos; say by --video which it "
            f"belongs to: {', '.join(sorted(names)[:6])}{' ...' if len(names) > 6 else ''}"
        )
