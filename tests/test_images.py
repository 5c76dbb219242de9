"""Pictures of every odd kind become uint8 RGB; damaged ones are named; fitting keeps what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from threedimo_core.images import (
    ImageError,
    fit_frames,
    frames_to_tensor,
    read_image,
    tensor_to_frames,
    write_image,
)


def halves(height: int = 40, width: int = 60) -> np.ndarray:
    """Left red, right blue."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2, 0] = 255
    image[:, width // 2 :, 2] = 255
    return image


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (40, 60)])
def test_png_round_trip(tmp_path: Path, size: tuple[int, int]) -> None:
    image = halves(*size)
    assert np.array_equal(read_image(write_image(tmp_path / "a.png", image)), image)


@pytest.mark.parametrize("suffix", (".jpg", ".webp"))
def test_lossy_formats(tmp_path: Path, suffix: str) -> None:
    back = read_image(write_image(tmp_path / f"a{suffix}", halves()))
    assert np.abs(back[:, 5].astype(int) - halves()[:, 5]).max() < 12


def test_8k(tmp_path: Path) -> None:
    assert read_image(write_image(tmp_path / "a.jpg", halves(4320, 7680))).shape == (4320, 7680, 3)


def test_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    Image.fromarray(halves()).save(tmp_path / "a.png", exif=exif)
    back = read_image(tmp_path / "a.png")
    assert np.array_equal(back, np.rot90(halves(), -1))


def test_alpha_over_grey(tmp_path: Path) -> None:
    rgba = np.dstack([halves(), np.full((40, 60), 255, np.uint8)])
    rgba[:, :30, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    back = read_image(tmp_path / "a.png")
    assert back[0, 0].tolist() == [128, 128, 128] and back[0, 59].tolist() == [0, 0, 255]
    palette = Image.fromarray(halves()).quantize(4)
    palette.save(tmp_path / "b.png", transparency=palette.getpixel((0, 0)))
    assert read_image(tmp_path / "b.png")[0, 0].tolist() == [128, 128, 128]
    grey_alpha = np.dstack([np.full((4, 4), 200, np.uint8), np.full((4, 4), 255, np.uint8)])
    Image.fromarray(grey_alpha, mode="LA").save(tmp_path / "c.png")
    assert read_image(tmp_path / "c.png")[0, 0].tolist() == [200, 200, 200]


def test_grey_16_bit_float_and_cmyk(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 77, np.uint8)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == [77] * 3
    ramp = np.array([[0, 128 * 257, 65535]], np.uint16)
    Image.fromarray(ramp).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png")[0, :, 0].tolist() == [0, 128, 255]
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "c.tiff")
    assert read_image(tmp_path / "c.tiff")[0, :, 0].tolist() == [0, 128, 255]
    Image.fromarray(halves()).convert("CMYK").save(tmp_path / "d.jpg")
    assert read_image(tmp_path / "d.jpg")[0, 2, 0] > 200
    Image.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "e.png")
    assert read_image(tmp_path / "e.png")[0, :2, 0].tolist() == [255, 0]


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (50, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif")[0, 0].tolist() == [50] * 3


def test_bad_pictures_are_named(tmp_path: Path) -> None:
    whole = write_image(
        tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    ).read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    cases = [(whole[: len(whole) // 2], "damaged or cut off"), (b"", "known format"), (b"hello" * 50, "known format")]
    for content, words in [*cases, (bytes(flipped), "damaged or cut off")]:
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(ImageError, match=rf"bad\.png.*{words}"):
            read_image(tmp_path / "bad.png")
    with pytest.raises(ImageError, match="no such picture"):
        read_image(tmp_path / "none.png")
    Image.new("1", (13_500, 13_500)).save(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match=r"bomb\.png.*(too large|exceeds limit)"):
        read_image(tmp_path / "bomb.png")


def test_bad_writes_leave_nothing(tmp_path: Path) -> None:
    for image, name in (
        (halves()[..., 0], "a.png"),
        (halves() / 255, "a.png"),
        (halves()[:0], "a.png"),
        (halves(), "a.bmp"),
    ):
        with pytest.raises(ImageError):
            write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


def test_tensors() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9, 3), dtype=np.uint8)
    tensor = frames_to_tensor(frames)
    assert tensor.shape == (2, 3, 3, 8, 9) and tensor.dtype == torch.float32 and float(tensor.max()) <= 1
    assert np.array_equal(tensor_to_frames(tensor), frames)
    assert np.array_equal(tensor_to_frames(tensor.bfloat16() * 3)[0, 0, 0, 0] > 0, frames[0, 0, 0, 0] > 0)
    with pytest.raises(ImageError, match="NaN"):
        tensor_to_frames(tensor * float("nan"))
    with pytest.raises(ImageError, match=r"expected uint8"):
        frames_to_tensor(frames[..., 0])


def test_fit() -> None:
    image = halves(40, 80)
    cropped = fit_frames(image, 20, 20)
    assert cropped.shape == (20, 20, 3) and cropped[10, 5].tolist() == [255, 0, 0] and cropped[10, 15, 2] == 255
    padded = fit_frames(image[None], 40, 40, "pad")
    assert padded.shape == (1, 40, 40, 3)
    assert padded[0, 2, 20].tolist() == [128] * 3 and padded[0, 20, 5].tolist() == [255, 0, 0]
    assert fit_frames(image, 64, 64, "stretch").shape == (64, 64, 3)
    assert fit_frames(image, 40, 80) is image
    assert fit_frames(halves(1, 1), 128, 128).shape == (128, 128, 3)
    assert fit_frames(halves(4320, 7680), 128, 128).shape == (128, 128, 3)
    assert fit_frames(halves(1, 3000), 64, 64).shape == fit_frames(halves(3000, 1), 64, 64, "pad").shape == (64, 64, 3)
    with pytest.raises(ImageError, match="'crop', 'pad' or 'stretch'"):
        fit_frames(image, 20, 20, "squeeze")
