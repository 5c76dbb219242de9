"""Counts and sizes that backbones take, against the figures of the paper and of the backbones."""

from __future__ import annotations

import math

import pytest

from threedimo_core import frame_grid
from threedimo_core.frame_grid import FrameGridError


def test_frame_counts() -> None:
    assert [frame_grid.frame_count(n) for n in (1, 2, 3, 4, 5, 6, 7, 120, 121)] == [1, 1, 5, 5, 5, 5, 9, 121, 121]
    assert [frame_grid.frame_count(n, "down") for n in (1, 4, 5, 8, 9)] == [1, 1, 5, 5, 9]
    assert [frame_grid.frame_count(n, "up") for n in (1, 2, 5, 6)] == [1, 5, 5, 9]
    assert frame_grid.latent_frame_count(121) == 31 and frame_grid.latent_frame_count(1) == 1
    assert frame_grid.require_frame_count(121) == 121
    with pytest.raises(FrameGridError, match=r"48 frames do not fit.*4n \+ 1: use 45 or 49"):
        frame_grid.require_frame_count(48)
    for count in (0, -3):
        with pytest.raises(FrameGridError, match="at least 1"):
            frame_grid.require_frame_count(count)
        with pytest.raises(FrameGridError, match="at least 1"):
            frame_grid.frame_count(count)
    with pytest.raises(FrameGridError, match="'nearest', 'down' or 'up'"):
        frame_grid.frame_count(5, "sideways")


@pytest.mark.parametrize(
    ("size", "multiple", "area", "expected"),
    [
        ((1080, 1920), 16, None, (480, 848)),
        ((1080, 1920), 32, None, (480, 832)),
        ((1920, 1080), 16, None, (848, 480)),
        ((1920, 1080), 32, None, (832, 480)),
        ((480, 854), 16, None, (480, 848)),
        ((512, 512), 16, None, (640, 640)),
        ((512, 512), 16, 128 * 128, (128, 128)),
        ((1, 1), 16, 128 * 128, (128, 128)),
        ((4320, 7680), 32, None, (480, 832)),
    ],
)
def test_fitted_sizes(size, multiple, area, expected) -> None:
    assert frame_grid.fit_size(*size, multiple, **({"target_area": area} if area else {})) == expected


@pytest.mark.parametrize("multiple", (8, 16, 32))
@pytest.mark.parametrize("area", (128 * 128, 480 * 854, 720 * 1280))
def test_fitted_sizes_keep_aspect_and_budget(multiple: int, area: int) -> None:
    for percent in range(26, 400, 7):
        height, width = frame_grid.fit_size(1000, 10 * percent, multiple, area)
        assert height % multiple == width % multiple == 0
        assert height * width <= 1.005 * area
        coarse = multiple / math.sqrt(area)  # one grid step, relative to a side
        assert abs(math.log(width / height / (percent / 100))) < 3 * coarse
        assert math.log(area / (height * width)) < 4 * coarse


def test_sizes_that_do_not_fit() -> None:
    assert frame_grid.require_size(480, 832, 32) == (480, 832)
    with pytest.raises(FrameGridError, match="multiples of 32: use 480 × 864"):
        frame_grid.require_size(480, 850, 32)
    with pytest.raises(FrameGridError, match="use 16 × 16"):
        frame_grid.require_size(1, 1, 16)
    with pytest.raises(FrameGridError, match="larger than any"):
        frame_grid.require_size(16, 16000, 16)
    with pytest.raises(FrameGridError, match="no pixels"):
        frame_grid.fit_size(0, 10, 16)
    with pytest.raises(FrameGridError, match="crop it around the person"):
        frame_grid.fit_size(10, 3000, 16)
