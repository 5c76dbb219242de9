"""Contact sheets: frames of every view with the skeleton drawn in, hands, captions and the cameras from above."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .clip_store import ClipStore
from .manifest import Record
from .skeleton import PARENTS

matplotlib.use("Agg")

_SIDE_COLOURS = {"left": (80, 200, 255), "right": (255, 150, 60), "middle": (120, 255, 120)}
_HIDDEN_COLOUR = (120, 120, 120)
# SMPL-X numbering has jaw and eyes (22-24) between the body and the fingers; PARENTS has the 52 without them.
_FACE_JOINTS = 3
# (child, parent) of the pose tracker's points; odd numbers are on the person's left.
TRACKED_BONES = [
    (12, 11), (24, 23), (23, 11), (24, 12), (13, 11), (15, 13), (14, 12), (16, 14), (19, 15), (20, 16),
    (25, 23), (27, 25), (31, 27), (26, 24), (28, 26), (32, 28), (7, 0), (8, 0),
]  # fmt: skip


def performance_sheet(store: ClipStore, record: Record, columns: int = 5, height: int = 192) -> Figure:
    """A figure: a row for each view with its caption, `columns` frames and the hands; the cameras from above.

    The first frame is bare, the others have the skeleton (when the record has labels).
    """
    views = record["views"]
    labels = store.labels(record)
    times = np.linspace(0, record["num_frames"] - 1, columns).round().astype(int)
    figure = Figure(figsize=(2.2 * (columns + 1) + 3.4, 2.55 * len(views) + 0.4), layout="constrained")
    figure.suptitle(_title(record), fontsize=10, x=0.01, ha="left")
    halves = figure.add_gridspec(1, 2, width_ratios=[2.2 * (columns + 1), 3.4])
    left, right = figure.add_subfigure(halves[0]), figure.add_subfigure(halves[1])
    rows = left.add_gridspec(len(views), 1)
    for number in range(len(views)):
        row = left.add_subfigure(rows[number])
        row.suptitle(_view_title(number, views[number]), fontsize=8, x=0.01, ha="left")
        axes = row.subplots(1, columns + 1)
        for column, picture in enumerate(_row_pictures(store, record, labels, number, times, height)):
            _picture(axes[column], picture, f"frame {times[column]}")
        hands = store.hands(record, number)
        strip = np.zeros((1, 1, 3), np.uint8) if hands is None else _hand_strip(hands.numpy(), times)
        _picture(axes[columns], strip, "hands: left | right")
    if "world_to_camera" in labels:
        _from_above(right.add_subplot(), labels)
    return figure


def _row_pictures(
    store: ClipStore, record: Record, labels: dict, number: int, times: np.ndarray, height: int
) -> list[np.ndarray]:
    frames = store.frames(record, number).permute(0, 2, 3, 1).numpy()
    if "joints_2d" in labels:
        joints, visible = labels["joints_2d"][number].numpy(), labels["visible"][number].numpy()
        lines = bones()
    elif "tracked_2d" in labels:
        joints, visible = labels["tracked_2d"][number].numpy(), labels["tracked_visibility"][number].numpy() > 0.5
        lines = TRACKED_BONES
    else:
        return [enlarged(frames[t], height) for t in times]
    drawn = [draw_skeleton(frames[t], joints[t], visible[t], height, lines) for t in times[1:]]
    return [enlarged(frames[times[0]], height), *drawn]


def _title(record: Record) -> str:
    return f"{record['id']}   {record.get('motion', '')}   {record.get('kind', '')}   bodies {record.get('bodies', '')}"


def save_picture(picture: np.ndarray, path: Path) -> None:
    """Write an RGB picture as PNG. OSError when the folder cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture[..., ::-1]):
        raise OSError(f"{path} could not be written")


def save_sheet(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def overview(store: ClipStore, records: list[Record], across: int = 6, height: int = 96) -> np.ndarray:
    """Many performances on one picture [H, W, 3]: a block each, a row a view: first, middle and last frame."""
    blocks = []
    for record in records:
        rows = []
        for view in range(len(record["views"])):
            frames = store.frames(record, view).permute(0, 2, 3, 1).numpy()
            chosen = (frames[t] for t in (0, len(frames) // 2, -1))
            rows.append(np.concatenate([enlarged(frame, height) for frame in chosen], axis=1))
        blocks.append(np.pad(np.concatenate(rows), ((4, 4), (4, 4), (0, 0)), constant_values=255))
    highest, widest = (max(block.shape[axis] for block in blocks) for axis in (0, 1))
    blocks += [np.zeros((0, 0, 3), np.uint8)] * (-len(blocks) % across)
    filled = [
        np.pad(b, ((0, highest - b.shape[0]), (0, widest - b.shape[1]), (0, 0)), constant_values=255) for b in blocks
    ]
    return np.concatenate(
        [np.concatenate(filled[i : i + across], axis=1) for i in range(0, len(filled), across)], axis=0
    )


def enlarged(frame: np.ndarray, height: int) -> np.ndarray:
    """A frame at the given height, aspect kept."""
    factor = height / frame.shape[0]
    size = (round(frame.shape[1] * factor), height)
    return cv2.resize(frame, size, interpolation=cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA)


def draw_skeleton(
    frame: np.ndarray, joints: np.ndarray, visible: np.ndarray, height: int, lines: list[tuple[int, int]] | None = None
) -> np.ndarray:
    """A frame enlarged to `height` with joints [J, 2]; left blue, right orange, hidden joints grey.

    lines: (child, parent) pairs, by default those of SMPL-X's 55 joints.
    """
    picture = enlarged(frame, height).copy()
    points = np.clip(joints * height / frame.shape[0], -10_000, 10_000)
    for child, parent in bones() if lines is None else lines:
        side = _bone_colour(child) if lines is not TRACKED_BONES else _SIDE_COLOURS["left" if child % 2 else "right"]
        colour = side if visible[child] else _HIDDEN_COLOUR
        ends = [tuple(round(16 * float(x)) for x in points[i]) for i in (parent, child)]
        cv2.line(picture, ends[0], ends[1], colour, 1, cv2.LINE_AA, 4)
    return picture


def bones() -> list[tuple[int, int]]:
    """(child, parent) pairs in SMPL-X's numbering of 55 joints, without the face."""

    def number(joint: int) -> int:
        return joint if joint < 22 else joint + _FACE_JOINTS

    return [(number(child), number(int(parent))) for child, parent in enumerate(PARENTS) if parent >= 0]


def _bone_colour(joint: int) -> tuple[int, int, int]:
    if joint in (0, 3, 6, 9, 12, 15):
        return _SIDE_COLOURS["middle"]
    if joint >= 25:
        return _SIDE_COLOURS["left" if joint < 40 else "right"]
    left = joint in (1, 4, 7, 10, 13, 16, 18, 20)
    return _SIDE_COLOURS["left" if left else "right"]


def _hand_strip(hands: np.ndarray, times: np.ndarray) -> np.ndarray:
    """[T, 2, 3, h, w] to one picture: a row for each of three of the times, left beside right."""
    chosen = hands[times[:: max(1, len(times) // 3)][:3]]
    return np.concatenate([np.concatenate(list(pair.transpose(0, 2, 3, 1)), axis=1) for pair in chosen], axis=0)


def _view_title(number: int, view: dict) -> str:
    if view["azimuth"] is None:
        return f"view {number}\n{view['captions'][0] or 'no caption'}"
    return (
        f"view {number}  azimuth {view['azimuth']:.0f}°  elevation {view['elevation']:.0f}°  "
        f"{view['distance']:.1f} m\n{view['captions'][0]}"
    )


def _picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(title, fontsize=6)


def _from_above(axes: Axes, labels: dict) -> None:
    """Paths of the person and of the cameras on the floor; arrows show where a camera looks first and last."""
    person = (labels["joints"][0, :, 0] if "joints" in labels else labels["centre"]).numpy()
    axes.plot(person[:, 0], person[:, 2], "k-", linewidth=2)
    heading = np.radians(float(labels["heading"][0]))
    axes.annotate(
        "",
        (person[0, 0] + 0.7 * np.sin(heading), person[0, 2] + 0.7 * np.cos(heading)),
        (person[0, 0], person[0, 2]),
        arrowprops={"arrowstyle": "->"},
    )
    for number, extrinsics in enumerate(labels["world_to_camera"].numpy()):
        rotation, shift = extrinsics[:, :3, :3], extrinsics[:, :3, 3]
        position = -np.einsum("tji,tj->ti", rotation, shift)
        line = axes.plot(position[:, 0], position[:, 2], "-", marker=".", markersize=2)[0]
        for t in (0, -1):
            look = rotation[t, 2]
            axes.arrow(
                position[t, 0],
                position[t, 2],
                0.5 * look[0],
                0.5 * look[2],
                color=line.get_color(),
                alpha=1 if t == 0 else 0.4,
                head_width=0.1,
            )
        axes.text(position[0, 0], position[0, 2], f" {number}", color=line.get_color())
    axes.set_aspect("equal")
    axes.invert_yaxis()  # the person faces down the page, their left (+x) on the right, as one sees them in front
    axes.set_title("from above (x right, z down)", fontsize=7)
    axes.tick_params(labelsize=6)
