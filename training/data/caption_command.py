"""Caption own footage: Qwen2.5-VL, from a local folder, describes view and camera move of views without a caption.

Its answer is kept as `caption_raw`; what the camera-language parser understands of it becomes the captions. Captions
from a renderer or a calibration are exact and are never touched. Answers go into an overlay beside the manifest; the
same command continues a run that was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .clip_store import ClipStore
from .footage.describer import Answer, Describer, without_contradiction
from .footage.rules import UNKNOWN, Caption
from .manifest import Record, read_manifest
from .overlays import OverlayWriter, in_shard
from .render_command import parse_shard

STEP = "captions"
_EXACT = ("calibration",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `data caption`."""
    parser.add_argument("folder", type=Path, help="folder of the data set")
    parser.add_argument("--model", type=Path, required=True, help="folder of Qwen2.5-VL")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--shown", type=int, default=6, help="frames of a clip that the model sees (%(default)s)")
    parser.add_argument("--all", action="store_true", help="describe again what rules or the model described before")
    parser.add_argument(
        "--shard",
        type=parse_shard,
        default=(0, 1),
        metavar="i/n",
        help="caption every n-th clip from the i-th on, i from 0 (0/1)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Caption what has no caption in this shard."""
    if arguments.shown < 1:
        raise ValueError(f"--shown is {arguments.shown}, expected at least 1 frame")
    records = in_shard(read_manifest(arguments.folder), arguments.shard)
    todo = [record for record in records if any(_is_open(record, view, arguments.all) for view in record["views"])]
    if not todo:
        print(f"all {len(records)} clips of this shard have captions")
        return 0
    describer = Describer.load(arguments.model, arguments.device, arguments.shown)
    store, understood, views = ClipStore(arguments.folder), 0, 0
    with OverlayWriter(arguments.folder, STEP, arguments.shard) as overlay:
        for record in tqdm(todo, unit=" clips", disable=None):
            changes = [
                _described(describer, store, record, number) if _is_open(record, view, arguments.all) else {}
                for number, view in enumerate(record["views"])
            ]
            overlay.append(record, views=changes)
            views += sum(map(bool, changes))
            understood += sum(change.get("prompt") is not None for change in changes)
    print(f"{views} views of {len(todo)} clips described, {understood} answers understood")
    return 0


def _is_open(record: Record, view: dict[str, Any], again: bool) -> bool:
    if record["source"] == "render" or view.get("caption_source") in _EXACT:
        return False
    return again or (view.get("caption_source") is None and view.get("caption_raw") is None)


def _described(describer: Describer, store: ClipStore, record: Record, number: int) -> dict[str, Any]:
    frames = store.frames(record, number).permute(0, 2, 3, 1).numpy()
    return caption_fields(describer.describe(frames, record["fps"]), record["views"][number]["still"])


def caption_fields(answer: Answer, still: bool | None) -> dict[str, Any]:
    """The fields of a view that an answer gives; `still`: whether the background was measured to stand still."""
    doubt, prompt = None, answer.prompt
    if prompt is not None:
        prompt, doubt = without_contradiction(prompt, still)
    caption = UNKNOWN if prompt is None else Caption(prompt, "model")
    fields = caption.fields() | {"caption_raw": answer.raw}
    if answer.not_understood:
        fields["caption_not_understood"] = list(answer.not_understood)
    return fields | ({"caption_doubt": doubt} if doubt else {})
