"""Pictures in and out, and pictures fitted to a size: uint8 RGB [H, W, 3], whatever the file holds.

Colours are taken as sRGB; colour profiles are not applied. Transparent parts are laid over mid grey: black or
white would look like a real backdrop to the model.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .paths import atomic_path

Pixels = NDArray[np.uint8]
Fit = Literal["crop", "pad", "stretch"]

GREY = 127.5
MAX_PIXELS = 178_956_970  # Pillow's own limit against decompression bombs: 178 megapixels, 8k has 33
_WRITERS: dict[str, dict[str, Any]] = {
    ".png": {"compress_level": 4},
    ".jpg": {"quality": 95},
    ".jpeg": {"quality": 95},
    ".webp": {"quality": 95},
}


# Left to other programs by Pillow: an EPS is a program for Ghostscript, and nobody's picture should run one.
_FOREIGN_FORMATS = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}


class ImageError(ValueError):
    """A picture that cannot be read or written; the message names the file."""


class NoPictureError(ImageError):
    """A file that is no picture at all, rather than a damaged one."""


def read_image(path: str | os.PathLike[str]) -> Pixels:
    """Any picture Pillow reads itself → uint8 [H, W, 3]; turned as its EXIF says, alpha over grey, 16 bits scaled.

    Of an animation, the first frame. Raises ImageError, naming the file, for anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError(f"{path}: there is no such picture file")
    try:
        with Image.open(path, formats=_readable_formats()) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ImageError(f"{path}: {picture.width} × {picture.height} px is too large; scale it down first")
            picture.load()
            return _to_rgb(ImageOps.exif_transpose(picture))
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise NoPictureError(f"{path}: not a picture in a known format; use PNG, JPEG or WebP") from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{path}: over {2 * MAX_PIXELS // 10**6} megapixels are too large; scale it down first"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        # Pillow reports broken files as any of these, SyntaxError for PNG included.
        raise ImageError(f"{path}: the picture is damaged or cut off ({error})") from error


def _readable_formats() -> list[str]:
    Image.init()
    return [name for name in Image.ID if name not in _FOREIGN_FORMATS]


def write_image(path: str | os.PathLike[str], image: Pixels) -> Path:
    """Writes uint8 [H, W, 3] as PNG, JPEG or WebP by the suffix; the file appears whole or not at all."""
    path = Path(path)
    options = _WRITERS.get(path.suffix.lower())
    if options is None:
        raise ImageError(f"{path}: pictures are written as {', '.join(_WRITERS)}; change the suffix")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"{path}: the picture is {image.dtype} {list(image.shape)}; expected uint8 [H, W, 3]")
    with atomic_path(path) as draft:
        Image.fromarray(np.ascontiguousarray(image)).save(draft, **options)
    return path


def over_grey(rgba: NDArray[np.uint8]) -> Pixels:
    """[..., 4] → [..., 3]: transparent parts laid over mid grey."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return (rgba[..., :3] * alpha + GREY * (1 - alpha) + 0.5).astype(np.uint8)


def frames_to_tensor(frames: Pixels) -> Tensor:
    """uint8 [..., H, W, 3] → float32 [..., 3, H, W] in [0, 1]."""
    if frames.dtype != np.uint8 or frames.ndim < 3 or frames.shape[-1] != 3:
        raise ImageError(f"frames are {frames.dtype} {list(frames.shape)}; expected uint8 [..., H, W, 3]")
    return rearrange(torch.from_numpy(np.ascontiguousarray(frames)), "... h w c -> ... c h w").float() / 255


def tensor_to_frames(frames: Tensor) -> Pixels:
    """float [..., 3, H, W] in [0, 1] → uint8 [..., H, W, 3], clipped and rounded; refuses NaN."""
    if frames.ndim < 3 or frames.shape[-3] != 3:
        raise ImageError(f"frames are {list(frames.shape)}; expected [..., 3, H, W]")
    if not bool(torch.isfinite(frames).all()):
        raise ImageError(
            "frames hold NaN or infinite values; the sampler or the VAE overflowed, try bfloat16 or float32"
        )
    pixels = (frames.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return rearrange(pixels, "... c h w -> ... h w c").contiguous().cpu().numpy()


def fit_frames(frames: Pixels, height: int, width: int, fit: Fit = "crop") -> Pixels:
    """uint8 [..., H, W, 3] → [..., height, width, 3].

    fit: "crop" fills the size and cuts what stands over, centred; "pad" shows everything on grey; "stretch" changes
    the aspect. Shrinks by area, grows by Lanczos.
    """
    if frames.shape[-3:-1] == (height, width):
        return frames
    methods: dict[str, Callable[[Pixels, int, int], Pixels]] = {"crop": _crop, "pad": _pad, "stretch": _resize}
    if fit not in methods:
        raise ImageError(f"fit is {fit!r}; choose 'crop', 'pad' or 'stretch'")
    flat = frames.reshape(-1, *frames.shape[-3:])
    fitted = np.stack([methods[fit](frame, height, width) for frame in flat])
    return fitted.reshape(*frames.shape[:-3], height, width, 3)


def _resize(image: Pixels, height: int, width: int) -> Pixels:
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4)
    return np.asarray(resized, dtype=np.uint8)


def _scaled(image: Pixels, scale: float) -> tuple[int, int]:
    return max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))


def _crop(image: Pixels, height: int, width: int) -> Pixels:
    # Cut before scaling: an extreme aspect would otherwise make a gigantic picture in between.
    scale = max(height / image.shape[0], width / image.shape[1])
    keep_h = min(image.shape[0], max(1, round(height / scale)))
    keep_w = min(image.shape[1], max(1, round(width / scale)))
    top, left = (image.shape[0] - keep_h) // 2, (image.shape[1] - keep_w) // 2
    return _resize(np.ascontiguousarray(image[top : top + keep_h, left : left + keep_w]), height, width)


def _pad(image: Pixels, height: int, width: int) -> Pixels:
    inner = _scaled(image, min(height / image.shape[0], width / image.shape[1]))
    inner = min(inner[0], height), min(inner[1], width)
    canvas = np.full((height, width, 3), round(GREY), dtype=np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    canvas[top : top + inner[0], left : left + inner[1]] = _resize(image, *inner)
    return canvas


def _to_rgb(picture: Image.Image) -> Pixels:
    if picture.mode.startswith("I;16") or picture.mode == "I":
        values = np.asarray(picture).astype(np.float64) / 257  # 65535 → 255
        return _grey_to_rgb(values)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        return _grey_to_rgb(values * 255 if values.max(initial=0) <= 1 else values)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        return over_grey(np.asarray(picture.convert("RGBA")))
    return np.array(picture.convert("RGB"))


def _grey_to_rgb(values: NDArray[np.float64]) -> Pixels:
    grey = np.clip(np.round(values), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
