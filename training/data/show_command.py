"""Draw contact sheets of a data set: frames with skeletons, hand views, captions, the cameras from above."""

from __future__ import annotations

import argparse
from pathlib import Path

from .check_command import spread
from .clip_store import ClipStore
from .contact_sheet import overview, performance_sheet, save_picture, save_sheet
from .manifest import read_manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data show`."""
    parser.add_argument("folder", type=Path, help="folder of the data set")
    parser.add_argument("--out", type=Path, help="folder of the sheets (default: sheets/ in the data set)")
    parser.add_argument("--count", type=int, default=8, help="performances, spread over the set (%(default)s)")
    parser.add_argument("--index", type=int, nargs="*", help="these performances instead")
    parser.add_argument("--overview", action="store_true", help="all of them small on one picture instead")
    parser.add_argument("--columns", type=int, default=5, help="frames of each view (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Write one PNG for each chosen performance, or one for all."""
    records = read_manifest(arguments.folder)
    if arguments.index:
        chosen = [record for record in records if record["index"] in set(arguments.index)]
        if not chosen:
            raise ValueError(
                f"{arguments.folder} has no performance of index {arguments.index}; it has {len(records)} performances"
            )
    else:
        chosen = spread(records, arguments.count)
    store, out = ClipStore(arguments.folder), arguments.out or arguments.folder / "sheets"
    if arguments.overview:
        save_picture(overview(store, chosen), out / "overview.png")
        print(out / "overview.png")
        return 0
    for record in chosen:
        path = out / f"{record['id']}.png"
        save_sheet(performance_sheet(store, record, arguments.columns), path)
        print(path)
    return 0
