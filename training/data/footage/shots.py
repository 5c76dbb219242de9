"""Where one shot ends and the next begins: hard cuts, dissolves and fades, from small pictures of every frame.

Design decisions:
- Everything is measured on thumbnails at the frame rate of the clips, so an hour of video takes some 100 MB and a
  boundary lies exactly between two frames of the clips' own grid.
- A hard cut changes the picture at once and for good: far more than the frames around it do (a dancer or a moving
  camera changes every frame), in place and in colour; a flash changes it back.
- A dissolve or a fade is a mixture: the frame in the middle is the mean of both ends. Movement is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THUMBNAIL_SIDE = 64  # pixels of the longer side
_LEAST_CHANGE = 8.0  # mean absolute difference of a cut, of 255
_LEAST_COLOUR_CHANGE = 0.12  # share of the pixels of a quarter that change to another colour bin
_TIMES_AROUND = 2.5  # how much more a cut changes than the frames around it
_AROUND = 5  # frames to each side
_FLASH = 3  # frames that a flash lasts at most
_MIXTURE_SPANS = (4, 8, 16)  # frames from before a dissolve to after it
_LEAST_MIXTURE = 14.0  # mean absolute difference between both ends
_MOST_RESIDUAL = 0.22  # of the middle frame against the mean of both ends, in shares of that difference
_BINS = 8


@dataclass(frozen=True)
class Shot:
    """Frames start .. stop - 1 of a file, on the grid of the clips' frame rate."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


def find_shots(thumbnails: np.ndarray) -> list[Shot]:
    """The shots of a video from thumbnails uint8 [T, h, w, 3]; frames inside a dissolve belong to none."""
    if len(thumbnails) == 0:
        return []
    inside: np.ndarray = np.ones(len(thumbnails), bool)
    for start, stop in _mixtures(thumbnails):
        inside[start + 1 : stop] = False
    begins = inside & ~np.concatenate([[False], inside[:-1]])
    begins[find_cuts(thumbnails)] = True
    starts: list[int] = np.flatnonzero(begins & inside).tolist()
    shots = []
    for number, start in enumerate(starts):
        limit = starts[number + 1] if number + 1 < len(starts) else len(thumbnails)
        outside = np.flatnonzero(~inside[start:limit])
        shots.append(Shot(start, start + int(outside[0]) if len(outside) else limit))
    return shots


def find_cuts(thumbnails: np.ndarray) -> np.ndarray:
    """Numbers of the frames that begin after a hard cut."""
    if len(thumbnails) < 2:
        return np.zeros(0, int)
    change = _differences(thumbnails, 1)
    colour = _colour_change(thumbnails)
    around = _median_around(change)
    jump = (change > _LEAST_CHANGE) & (colour > _LEAST_COLOUR_CHANGE) & (change > _TIMES_AROUND * around)
    return np.array([t + 1 for t in np.flatnonzero(jump) if not _changes_back(thumbnails, int(t), change)], int)


def _differences(thumbnails: np.ndarray, step: int) -> np.ndarray:
    """Mean absolute difference [T - step] of each frame and the one `step` later, of 255."""
    out = np.empty(len(thumbnails) - step)
    for t in range(len(out)):
        out[t] = np.abs(thumbnails[t].astype(np.int16) - thumbnails[t + step]).mean()
    return out


def _colour_change(thumbnails: np.ndarray) -> np.ndarray:
    """[T - 1] in 0..1: how much the colours of the quarters of the picture change; blind to movement within one."""
    histograms = np.stack([_histograms(frame) for frame in thumbnails])
    return np.abs(histograms[1:] - histograms[:-1]).sum(axis=-1).mean(axis=-1) / 2


def _histograms(frame: np.ndarray) -> np.ndarray:
    """[4 quarters x 3 channels, bins], each summing to 1; neighbouring bins share a value, so noise moves little."""
    halves = (frame.shape[0] // 2, frame.shape[1] // 2)
    quarters = [part for half in np.split(frame, [halves[0]]) for part in np.split(half, [halves[1]], axis=1)]
    rows = []
    for quarter in quarters:
        for channel in range(3):
            position = quarter[..., channel].ravel() * ((_BINS - 1) / 255)
            low = position.astype(int)
            share = position - low
            row = np.bincount(low, 1 - share, _BINS + 1) + np.bincount(low + 1, share, _BINS + 1)
            rows.append(row / max(len(position), 1))
    return np.stack(rows)


def _median_around(change: np.ndarray) -> np.ndarray:
    """Median of the changes up to five frames before and after, the frame's own left out."""
    padded = np.pad(change, _AROUND, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1).copy()
    windows[:, _AROUND] = np.nan
    if windows.shape[0] == 1:
        return np.zeros(1)
    return np.nanmedian(windows, axis=1)


def _changes_back(thumbnails: np.ndarray, before: int, change: np.ndarray) -> bool:
    """Whether frame `before` comes back within a few frames: a flash begins or ends here."""
    this = thumbnails[before].astype(np.int16)
    after = thumbnails[before + 2 : before + 2 + _FLASH]
    if any(np.abs(this - frame).mean() < 0.35 * change[before] for frame in after):
        return True
    this = thumbnails[before + 1].astype(np.int16)
    earlier = thumbnails[max(0, before - _FLASH) : before]
    return any(np.abs(this - frame).mean() < 0.35 * change[before] for frame in earlier)


def _mixtures(thumbnails: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) pairs between which the picture goes from one to another as a mixture of both."""
    found = []
    for span in _MIXTURE_SPANS:
        if len(thumbnails) <= span:
            continue
        whole = _differences(thumbnails, span)
        for t in np.flatnonzero(whole > _LEAST_MIXTURE):
            ends = (thumbnails[t].astype(np.float32) + thumbnails[t + span]) / 2
            if np.abs(thumbnails[t + span // 2] - ends).mean() < _MOST_RESIDUAL * whole[t]:
                found.append((int(t), int(t + span)))
    return found
