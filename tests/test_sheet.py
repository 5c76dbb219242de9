"""Contact sheets: every strip shows the frames it should, text stays inside, bad input is named."""

from __future__ import annotations

import numpy as np
import pytest

from threedimo_core.sheet import MARGIN, MAX_WIDTH, PAPER, SheetRow, contact_sheet


def strip(count: int, height: int = 64, width: int = 64, base: int = 0) -> np.ndarray:
    """Frame k is an even colour that tells k."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = base
    frames[..., 1] = (np.arange(count) * 10)[:, None, None]
    return frames


def colours(sheet: np.ndarray) -> set[tuple[int, ...]]:
    packed = np.unique(sheet.reshape(-1, 3).astype(np.int64) @ [65536, 256, 1])
    return {(int(value) >> 16, int(value) >> 8 & 255, int(value) & 255) for value in packed}


def test_frames_are_spread_from_first_to_last() -> None:
    sheet = contact_sheet([SheetRow("driving video", strip(21))], columns=5)
    assert {(0, 10 * k, 0) for k in (0, 5, 10, 15, 20)} <= colours(sheet)
    assert (0, 10, 0) not in colours(sheet)


@pytest.mark.parametrize("count", (1, 2, 6, 7))
def test_few_frames_are_all_shown(count: int) -> None:
    sheet = contact_sheet([SheetRow("a", strip(count, base=200))], columns=7)
    assert {(200, 10 * k, 0) for k in range(count)} <= colours(sheet)


def test_rows_of_different_sizes_and_a_reference() -> None:
    rows = [
        SheetRow("reference", strip(1, 300, 200, 50)),
        SheetRow("driving", strip(9, 1280, 720, 100)),
        SheetRow("output", strip(17, 128, 128, 150), "The camera arcs left 45 degrees slowly."),
        SheetRow("wide", strip(5, 20, 4000, 200)),
        SheetRow("dot", strip(2, 1, 1, 250)),
    ]
    sheet = contact_sheet(rows, title="One motion", subtitle="mini model", fps=16)
    found = colours(sheet)
    assert all((50 * (k + 1), 0, 0) in found for k in range(5))
    assert sheet.dtype == np.uint8 and sheet.shape[1] < 2600
    border = np.concatenate([sheet[: MARGIN // 2].reshape(-1, 3), sheet[:, : MARGIN // 2].reshape(-1, 3)])
    border = np.concatenate([border, sheet[-MARGIN // 2 :].reshape(-1, 3), sheet[:, -MARGIN // 2 :].reshape(-1, 3)])
    assert (border == PAPER).all()


def test_long_text_is_wrapped_and_makes_room() -> None:
    plain = contact_sheet([SheetRow("a", strip(3), "")])
    wordy = contact_sheet([SheetRow("a", strip(3), "the camera rises while it arcs to the left " * 12 + "x" * 200)])
    assert wordy.shape[0] > plain.shape[0] and wordy.shape[1] == plain.shape[1]
    labels = wordy[:, MARGIN + 210 - 8 : MARGIN + 210]
    assert (labels == PAPER).all()


def test_a_sheet_has_a_greatest_width() -> None:
    assert contact_sheet([SheetRow("a", strip(25, 64, 128))], columns=25, cell_height=2000).shape[1] <= MAX_WIDTH


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([])
    for frames in (strip(0), strip(2).astype(np.float32), strip(2)[0], strip(2)[..., :1]):
        with pytest.raises(ValueError, match="frames of 'output' are"):
            contact_sheet([SheetRow("output", frames)])
    with pytest.raises(ValueError, match="columns is 0"):
        contact_sheet([SheetRow("a", strip(2))], columns=0)
