"""A sheet of cases: one block a case, one line a video with its name, a few frames across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from threedimo_core.images import tensor_to_frames, write_image
from threedimo_core.sheet import SheetRow, contact_sheet


def save_strips(cases: Sequence[Mapping[str, Tensor]], path: Path, height: int = 96) -> None:
    """Write the videos [T, 3, H, W] in [0, 1] of each case; NaN is shown black."""
    rows = [
        SheetRow(name, tensor_to_frames(torch.nan_to_num(video)), f"case {number + 1}")
        for number, case in enumerate(cases)
        for name, video in case.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, contact_sheet(rows, "Held-out cases, drawn and not picked", cell_height=height))
