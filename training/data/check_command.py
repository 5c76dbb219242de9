"""Verify a data set: files and sizes, videos, captions against cameras, labels re-projected on the pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from .checking import Findings, check_record
from .manifest import read_manifest

_MOST_PROBLEMS_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data check`."""
    parser.add_argument("folder", type=Path, help="folder of the data set")
    parser.add_argument("--limit", type=int, help="look at this many performances, spread over the set")
    parser.add_argument("--no-videos", action="store_true", help="do not decode the videos")


def run(arguments: argparse.Namespace) -> int:
    """Print what was seen; status 1 when anything is wrong."""
    records = spread(read_manifest(arguments.folder), arguments.limit)
    findings = Findings()
    for record in tqdm(records, unit=" performances"):
        check_record(arguments.folder, record, findings, with_videos=not arguments.no_videos)
    findings.finish()
    print(
        f"{findings.performances} performances, {findings.views} views, {findings.frames} frames decoded, "
        f"{findings.captions} captions parsed"
    )
    print(f"{findings.joints} visible joints, {findings.share_inside:.2%} of them on the person")
    for problem in findings.problems[:_MOST_PROBLEMS_SHOWN]:
        print(f"problem: {problem}")
    if len(findings.problems) > _MOST_PROBLEMS_SHOWN:
        print(f"... and {len(findings.problems) - _MOST_PROBLEMS_SHOWN} more")
    print("no problems" if not findings.problems else f"{len(findings.problems)} problems")
    return 1 if findings.problems else 0


def spread(records: list, limit: int | None) -> list:
    """At most `limit` records, evenly spread over the list."""
    if limit is None or limit >= len(records):
        return records
    return [records[i * len(records) // limit] for i in range(limit)]
