"""The exact labels of a rendered performance, many arrays in one safetensors file.

Tensors of `labels.safetensors` (T frames, V views counted over identities, N identities, J = 55 SMPL-X joints):
    pose            [T, 51, 3, 3] float16   local rotations: 21 body, 15 left hand, 15 right hand
    global_orient   [T, 3, 3]     float32   root rotation in the world
    transl          [T, 3]        float32   the motion's own root path (of a person 1.70 m tall)
    heading         [T]           float32   degrees, unwrapped
    joints          [N, T, 55, 3] float32   world, metres
    joints_2d       [V, T, 55, 2] float32   pixels of the view
    visible         [V, T, 55]    uint8     in the frame and not hidden by the body
    world_to_camera [V, T, 4, 4]  float32;  focal [V, T] float32 (image heights)
    azimuth, elevation [V, T] float32 degrees; distance [V, T] float32 metres
    hand_box        [V, T, 2, 4]  float32   x0 y0 x1 y1 pixels, left then right
    hand_present    [V, T, 2]     uint8
    mask_<view>     [n]           uint8     zlib of the person's mask, bits packed (see unpack_mask)

Own footage has fewer: hand_box and hand_present, and instead of exact labels
    pose_mask       [T, 51]       uint8     1 where `pose` is known: `data import-poses` fills both
    tracked_2d      [V, T, 33, 2] float32   joints found in the picture (mediapipe's order), pixels of the view
    tracked_visibility [V, T, 33] float16   0..1
and, for a calibrated capture, heading, the cameras' tensors (as above; the lens is a pinhole after rectifying), and
    centre          [T, 3]        float32   the middle of the hips in the world
    tracked_joints  [T, 33, 3]    float32   triangulated joints;  tracked_seen [T, 33] uint8  by at least two cameras
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor


class LabelError(ValueError):
    """A label file that is missing, truncated or lacks a tensor; the message names the file."""


def pack_mask(mask: np.ndarray) -> Tensor:
    """uint8 [n] from a mask [T, H, W] (non-zero = person): changes over time as bits, then zlib.

    Frames differ little from the one before, so their XOR is nearly empty and shrinks tenfold.
    """
    bits = mask > 0
    bits[1:] ^= bits[:-1].copy()
    return torch.frombuffer(bytearray(zlib.compress(np.packbits(bits).tobytes(), 6)), dtype=torch.uint8)


def unpack_mask(packed: Tensor, num_frames: int, height: int, width: int) -> np.ndarray:
    """The mask, bool [T, H, W]. LabelError when the bytes do not hold that shape."""
    size = num_frames * height * width
    try:
        raw = zlib.decompress(packed.numpy().tobytes())
    except zlib.error as error:
        raise LabelError(f"a mask cannot be unpacked ({error}); run `training data check` on the set") from error
    if len(raw) != -(-size // 8):
        raise LabelError(
            f"a mask holds {len(raw)} bytes, expected {-(-size // 8)} for {num_frames} x {height} x {width}"
        )
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=size).reshape(num_frames, height, width)
    return np.logical_xor.accumulate(bits.astype(bool), axis=0)


def read_labels(path: Path | str, names: tuple[str, ...] | None = None) -> dict[str, Tensor]:
    """The named tensors (default: all) of a label file; only those are read from disk."""
    try:
        with safe_open(str(path), framework="pt") as file:
            present = set(file.keys())
            missing = sorted(set(names or ()) - present)
            if missing:
                raise LabelError(f"{path} lacks {', '.join(missing)}; it has {', '.join(sorted(present))}")
            return {name: file.get_tensor(name) for name in (names or sorted(present))}
    except (SafetensorError, OSError) as error:
        raise LabelError(f"{path} cannot be read ({error}); run `training data render` again to mend it") from error
