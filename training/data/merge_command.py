"""Join the manifests and overlays of a set into one `manifest.jsonl`, ordered by index."""

from __future__ import annotations

import argparse
from pathlib import Path

from .manifest import dump_json, manifest_name, manifest_paths, overlay_paths, read_manifest, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data merge`."""
    parser.add_argument("folder", type=Path, help="folder of the data set; its shards must have ended")


def run(arguments: argparse.Namespace) -> int:
    """Write the joined manifest, then remove the shards' own."""
    folder = arguments.folder
    records, before = read_manifest(folder), [*manifest_paths(folder), *overlay_paths(folder)]
    joined = folder / manifest_name()
    write_atomically(joined, "".join(dump_json(record) + "\n" for record in records).encode())
    for path in before:
        if path != joined:
            path.unlink()
    print(f"{len(records)} performances of {len(before)} files are now in {joined}")
    return 0
