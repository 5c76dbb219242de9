"""Contact sheets: a labelled strip of frames for each video, all at the same moments, since people look first.

Text is set in the typeface inside Pillow (Aileron), so that a sheet looks alike on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .images import Pixels, fit_frames

PAPER, INK, SOFT, RULE = (252, 252, 250), (28, 30, 34), (118, 122, 130), (226, 227, 229)
MARGIN, GAP, ROW_GAP = 28, 6, 18
LABEL_SIZE, NOTE_SIZE, TITLE_SIZE = 19, 14, 27
MAX_WIDTH = 8000  # pixels; wider sheets open in no browser


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One strip. frames: uint8 [T, H, W, 3]; one frame makes a single picture (a reference).

    label: what it is ("driving video", "output"); note: the rest, such as the camera prompt, set smaller below.
    """

    label: str
    frames: Pixels
    note: str = ""


def contact_sheet(
    rows: Sequence[SheetRow],
    title: str = "",
    subtitle: str = "",
    columns: int = 6,
    cell_height: int = 180,
    label_width: int = 210,
    fps: float | None = None,
) -> Pixels:
    """Rows of up to `columns` frames → uint8 [height, width, 3].

    Frames are spread evenly from each video's first to its last; fps writes the first longer video's times above
    them. Videos of different sizes share the cell height, or the width of the widest ordinary aspect.
    Raises ValueError for no rows, empty or misshapen frames.
    """
    _require(rows, columns, cell_height)
    cell_width = _cell_width(rows, columns, cell_height, label_width)
    shown = min(columns, max(len(row.frames) for row in rows))
    width = 2 * MARGIN + label_width + shown * (cell_width + GAP) - GAP
    width = max(width, 2 * MARGIN + label_width + 3 * (cell_width + GAP))
    heights = [max(_drawn_height(row, cell_width, cell_height), _label_height(row, label_width)) for row in rows]
    head = _head_height(title, subtitle, width - 2 * MARGIN)
    times = _times(rows, shown, fps)
    axis = NOTE_SIZE + 8 if times else 0
    total = MARGIN + head + axis + sum(heights) + ROW_GAP * (len(rows) - 1) + MARGIN
    page = Image.new("RGB", (width, total), PAPER)
    pen = ImageDraw.Draw(page)
    top = MARGIN + _draw_head(pen, title, subtitle, width - 2 * MARGIN)
    left = MARGIN + label_width
    for column, text in enumerate(times):
        pen.text((left + column * (cell_width + GAP), top), text, fill=SOFT, font=_font(NOTE_SIZE))
    top += axis
    for index, (row, height) in enumerate(zip(rows, heights, strict=True)):
        if index:
            pen.line([(MARGIN, top - ROW_GAP // 2), (width - MARGIN, top - ROW_GAP // 2)], fill=RULE, width=1)
        _draw_label(pen, row, top, label_width)
        for column, frame in enumerate(_picked(row, shown)):
            picture = _scaled(frame, cell_width, cell_height)
            # Left in its cell, under its time, also where another row is wider.
            page.paste(Image.fromarray(picture), (left + column * (cell_width + GAP), top))
        top += height + ROW_GAP
    return np.asarray(page).copy()


# --- measures ---------------------------------------------------------------------------------------------


def _require(rows: Sequence[SheetRow], columns: int, cell_height: int) -> None:
    if not rows:
        raise ValueError("a contact sheet needs at least one row of frames")
    if columns < 1 or cell_height < 16:
        raise ValueError(f"columns is {columns}, cell_height {cell_height}; expected at least 1 and 16")
    for row in rows:
        if row.frames.dtype != np.uint8 or row.frames.ndim != 4 or row.frames.shape[3] != 3 or not row.frames.size:
            raise ValueError(
                f"the frames of {row.label!r} are {row.frames.dtype} {list(row.frames.shape)}; expected uint8 "
                "[T, H, W, 3] with at least one frame"
            )


def _cell_width(rows: Sequence[SheetRow], columns: int, cell_height: int, label_width: int) -> int:
    """Room for the widest video at full height, but no wider than 2 : 1 and within the sheet."""
    widest = max(row.frames.shape[2] / row.frames.shape[1] for row in rows)
    room = (MAX_WIDTH - 2 * MARGIN - label_width) // columns - GAP
    return max(16, min(round(cell_height * min(widest, 2.0)), room))


def _size(row: SheetRow, cell_width: int, cell_height: int) -> tuple[int, int]:
    height, width = row.frames.shape[1:3]
    scale = min(cell_height / height, cell_width / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _drawn_height(row: SheetRow, cell_width: int, cell_height: int) -> int:
    return _size(row, cell_width, cell_height)[0]


def _scaled(frame: Pixels, cell_width: int, cell_height: int) -> Pixels:
    return fit_frames(frame, *_size(SheetRow("", frame[None]), cell_width, cell_height), fit="stretch")


def _picked(row: SheetRow, columns: int) -> Pixels:
    count = len(row.frames)
    if count <= columns:
        return row.frames
    return row.frames[np.linspace(0, count - 1, columns).round().astype(int)]


def _times(rows: Sequence[SheetRow], columns: int, fps: float | None) -> list[str]:
    longer = next((row for row in rows if len(row.frames) > 1), None)
    if not fps or longer is None:
        return []
    count = len(longer.frames)
    picked = np.linspace(0, count - 1, columns) if count > columns else np.arange(count)
    return [f"{index / fps:.2f} s" for index in picked.round()]


# --- text -------------------------------------------------------------------------------------------------


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _wrapped(text: str, size: int, width: int) -> list[str]:
    """Lines no wider than `width`; a word that is wider alone is cut."""
    font, lines = _font(size), [""]
    for word in text.split():
        while font.getlength(word) > width and len(word) > 1:
            fits = max(1, next(n for n in range(len(word), 0, -1) if n == 1 or font.getlength(word[:n]) <= width))
            lines, word = [*lines, word[:fits]], word[fits:]
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line]


def _line_height(size: int) -> int:
    return round(size * 1.3)


def _label_height(row: SheetRow, width: int) -> int:
    return sum(
        len(_wrapped(text, size, width - 24)) * _line_height(size)
        for text, size in ((row.label, LABEL_SIZE), (row.note, NOTE_SIZE))
    )


def _draw_lines(pen: ImageDraw.ImageDraw, text: str, size: int, at: tuple[int, int], width: int, fill: tuple) -> int:
    """Draws wrapped text; returns the height it took."""
    lines = _wrapped(text, size, width)
    for number, line in enumerate(lines):
        pen.text((at[0], at[1] + number * _line_height(size)), line, fill=fill, font=_font(size))
    return len(lines) * _line_height(size)


def _draw_label(pen: ImageDraw.ImageDraw, row: SheetRow, top: int, width: int) -> None:
    used = _draw_lines(pen, row.label, LABEL_SIZE, (MARGIN, top - 3), width - 24, INK)
    _draw_lines(pen, row.note, NOTE_SIZE, (MARGIN, top + used), width - 24, SOFT)


def _head_height(title: str, subtitle: str, width: int) -> int:
    height = len(_wrapped(title, TITLE_SIZE, width)) * _line_height(TITLE_SIZE)
    height += len(_wrapped(subtitle, NOTE_SIZE, width)) * _line_height(NOTE_SIZE)
    return height + (14 if height else 0)


def _draw_head(pen: ImageDraw.ImageDraw, title: str, subtitle: str, width: int) -> int:
    used = _draw_lines(pen, title, TITLE_SIZE, (MARGIN, MARGIN - 6), width, INK)
    _draw_lines(pen, subtitle, NOTE_SIZE, (MARGIN, MARGIN + used), width, SOFT)
    return _head_height(title, subtitle, width)
