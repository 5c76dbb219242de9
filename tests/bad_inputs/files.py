"""Files that people really have, good and bad: made anew each time, nothing is stored."""

from __future__ import annotations

import json
import pickle
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import tiny_models
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from threedimo_core.audio import AudioTrack
from threedimo_core.backbones.loading import save_backbone
from threedimo_core.checkpoint import save_adapter
from threedimo_core.images import write_image
from threedimo_core.video import write_video

HEIGHT, WIDTH = 48, 64


def make_all(folder: Path) -> None:
    """Fill `folder`; the names say what is wrong with each file."""
    make_model(folder)
    make_videos(folder)
    make_pictures(folder)
    make_motions(folder)
    make_adapters(folder)
    make_backbones(folder)


def make_model(folder: Path) -> None:
    """A tiny model that knows the camera language alone, as the bundled one."""
    backbone = tiny_models.wan_backbone()
    save_backbone(backbone, folder / "model")
    record = replace(tiny_models.RECORD, text_grammar="camera_language")
    save_adapter(folder / "model" / "adapter.safetensors", tiny_models.adapter_for(backbone, record=record))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 255, shape, dtype=np.uint8)


# --- videos -----------------------------------------------------------------------------------------------


def make_videos(folder: Path) -> None:
    clip, tone = noise(48, HEIGHT, WIDTH, 3), np.sin(np.arange(48000 * 2) / 20).astype(np.float32)[None] / 2
    write_video(folder / "driver.mp4", clip, 24.0, AudioTrack(tone, 48000))
    write_video(folder / "one-frame.mp4", clip[:1], 24.0)
    write_video(folder / "two-frames.mp4", clip[:2], 24.0)
    encode(folder / "no-frames.mkv", "ffv1", "bgr0", clip[:0])
    encode(folder / "grayscale.mkv", "ffv1", "gray", clip)
    encode(folder / "16-bit.mkv", "ffv1", "yuv444p16le", clip)
    encode(folder / "with-alpha.mkv", "ffv1", "bgra", clip)
    encode(folder / "1x1.mkv", "ffv1", "bgr0", noise(24, 1, 1, 3))
    encode(folder / "very-wide.mkv", "ffv1", "bgr0", noise(24, 8, 2000, 3))
    encode(folder / "sound-only.m4a", "aac", None, tone)
    with_cover(folder)
    whole = (folder / "driver.mp4").read_bytes()
    third = len(whole) // 3
    files = {
        "driver-ü-舞.mp4": whole,
        "cut-off.mp4": whole[:third],
        "no-index.mp4": whole[:500],
        "damaged.mp4": whole[:third] + bytes(third) + whole[2 * third :],
        "empty.mp4": b"",
        "page.mp4": b"<!DOCTYPE html><title>Sign in to download</title>",
        "notes.txt": b"Notes on the dance.\n" * 40,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder.mp4").mkdir()


def encode(path: Path, codec: str, pix_fmt: str | None, data: np.ndarray) -> None:
    """Frames [T, H, W, 3], or sound [1, N] where there is no pixel format."""
    with av.open(str(path), "w") as container:
        if pix_fmt is None:
            stream = container.add_stream(codec, rate=48000, layout="mono")
            frames = [av.AudioFrame.from_ndarray(data, format="fltp", layout="mono")]
            frames[0].sample_rate = 48000
        else:
            stream = container.add_stream(codec, rate=24)
            stream.height, stream.width = data.shape[1:3]
            stream.pix_fmt = pix_fmt
            frames = [av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pix_fmt) for frame in data]
        container.start_encoding()
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, 24) if pix_fmt else Fraction(1, 48000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def with_cover(folder: Path) -> None:
    """A song with its cover: a film of one picture to ffmpeg."""
    write_image(folder / "cover.png", noise(HEIGHT, HEIGHT, 3))
    with (
        av.open(str(folder / "sound-only.m4a")) as sound,
        av.open(str(folder / "cover.png")) as cover,
        av.open(str(folder / "song-with-cover.m4a"), "w", format="mp4") as song,
    ):
        streams = [(source, song.add_stream_from_template(source.streams[0])) for source in (sound, cover)]
        streams[1][1].disposition = av.stream.Disposition.attached_pic
        for source, stream in streams:
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    song.mux(packet)


# --- pictures ---------------------------------------------------------------------------------------------


def make_pictures(folder: Path) -> None:
    picture = noise(40, 40, 3)
    write_image(folder / "reference.png", picture)
    write_image(folder / "人物.png", picture)
    write_image(folder / "1x1.png", noise(1, 1, 3))
    write_image(folder / "1x2000.png", noise(1, 2000, 3))
    write_image(folder / "8k.jpg", np.full((4320, 7680, 3), 90, np.uint8))
    Image.fromarray(noise(40, 40)).save(folder / "grayscale.png")
    Image.fromarray(noise(40, 40, 4)).save(folder / "with-alpha.png")
    Image.fromarray(noise(40, 40).astype(np.uint16) * 257).save(folder / "16-bit.png")
    Image.fromarray(noise(40, 40).astype(np.float32) * np.nan).save(folder / "nan.tiff")
    Image.fromarray(picture).convert("CMYK").save(folder / "cmyk.jpg")
    whole = (folder / "reference.png").read_bytes()
    (folder / "cut-off.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    header = b"IHDR" + (60000).to_bytes(4, "big") * 2 + whole[24:29]
    (folder / "60000x60000.png").write_bytes(whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:])
    (folder / "drawing.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(out) run\n")


# --- tensor files -----------------------------------------------------------------------------------------


def make_motions(folder: Path) -> None:
    adapter = tiny_models.adapter_for(tiny_models.wan_backbone())
    motion = tiny_models.random_motion(adapter)
    path = motion.save(folder / "motion.safetensors")
    replace(motion, encoder_id="0123456789abcdef").save(folder / "other-encoder.safetensors")
    tiny_models.random_motion(adapter, frames=2).save(folder / "two-frames.safetensors")
    save_file(load_file(path), folder / "of-others.safetensors")
    torch.save({"body": motion.body}, folder / "torch-pickle.safetensors")
    whole = path.read_bytes()
    files = {
        "cut-off.safetensors": whole[:-100],
        "huge-header.safetensors": (2**40).to_bytes(8, "little") + whole[8:],
        "pickle.safetensors": pickle.dumps({"body": [1.0]}),
        "git-lfs.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "empty.safetensors": b"",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    overwrite(path, folder / "nan.safetensors", "body", np.full(4, np.nan, "<f4"))
    overwrite(path, folder / "neither-true-nor-false.safetensors", "hand_present", np.full(4, 200, np.uint8))
    edit_header(path, folder / "same-name-twice.safetensors", _twice)
    edit_header(path, folder / "absurd-size.safetensors", lambda text: text.replace("[9,3,16]", "[99999999999,3,16]"))
    edit_header(path, folder / "fps-0.safetensors", lambda text: text.replace(r"\"fps\": 12.0", r"\"fps\": 0.00"))
    edit_header(path, folder / "newer.safetensors", lambda text: text.replace(r"\"version\": 1", r"\"version\": 9"))


def make_adapters(folder: Path) -> None:
    path = folder / "model" / "adapter.safetensors"
    save_adapter(folder / "wider-adapter.safetensors", tiny_models.adapter_for(tiny_models.wan_backbone(dim=64)))
    save_adapter(folder / "hunyuan-adapter.safetensors", tiny_models.adapter_for(tiny_models.hunyuan_backbone()))
    save_file(load_file(path), folder / "bare-weights.safetensors")
    (folder / "cut-off-adapter.safetensors").write_bytes(path.read_bytes()[:-1000])
    weight = "encoder.body.out.weight"
    overwrite(path, folder / "nan-adapter.safetensors", weight, np.full(4, np.nan, "<f4"))
    overwrite(path, folder / "changed-adapter.safetensors", weight, np.zeros(4, "<f4"))
    changes = {
        "absurd-adapter.safetensors": (r"\"depth\": 1,", r"\"depth\": 999999,"),
        "nonsense-adapter.safetensors": (r"\"rope_theta\": 256.0", r"\"rope_theta\": \"x\""),
        "unknown-setting-adapter.safetensors": (r"\"rope_theta\": 256.0", r"\"rope_theta\": 256.0, \"gate\": 1"),
    }
    for name, (old, new) in changes.items():
        edit_header(path, folder / name, lambda text, old=old, new=new: text.replace(old, new))


def overwrite(source: Path, target: Path, tensor: str, values: np.ndarray) -> None:
    """A copy whose tensor begins with other values."""
    raw = bytearray(source.read_bytes())
    data = 8 + int.from_bytes(raw[:8], "little")
    begin = data + json.loads(raw[8:data])[tensor]["data_offsets"][0]
    raw[begin : begin + values.nbytes] = values.tobytes()
    target.write_bytes(raw)


def edit_header(source: Path, target: Path, change: Callable[[str], str]) -> None:
    """A copy whose JSON header is changed as text."""
    raw = source.read_bytes()
    data = 8 + int.from_bytes(raw[:8], "little")
    before = raw[8:data].decode()
    header = change(before).encode()
    assert header != before.encode(), f"{target.name}: nothing was changed"
    target.write_bytes(len(header).to_bytes(8, "little") + header + raw[data:])


def _twice(text: str) -> str:
    body = json.dumps(json.loads(text)["body"])
    return text.rstrip()[:-1] + f',"body":{body}}}'


# --- backbones --------------------------------------------------------------------------------------------


def make_backbones(folder: Path) -> None:
    for name in (
        "no-vae",
        "cut-off-weights",
        "no-index",
        "nan-weights",
        "other-tokenizer",
        "other-vae",
        "text-to-video",
    ):
        shutil.copytree(folder / "model", folder / name)
    weights = "transformer/diffusion_pytorch_model.safetensors"
    shutil.rmtree(folder / "no-vae" / "vae")
    (folder / "no-vae" / "tokenizer" / "tokenizer_config.json").unlink()
    cut = folder / "cut-off-weights" / weights
    cut.write_bytes(cut.read_bytes()[:-10])
    (folder / "no-index" / "model_index.json").unlink()
    overwrite(folder / "model" / weights, folder / "nan-weights" / weights, "proj_out.bias", np.full(4, np.nan, "<f4"))
    wordy = tiny_models.chat_tokenizer()
    wordy.add_tokens([f"word{number}" for number in range(500)])
    shutil.rmtree(folder / "other-tokenizer" / "tokenizer")
    wordy.save_pretrained(folder / "other-tokenizer" / "tokenizer")
    shutil.rmtree(folder / "other-vae" / "vae")
    tiny_models.wan_vae(channels=8).save_pretrained(folder / "other-vae" / "vae")
    index = folder / "text-to-video" / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "expand_timesteps": False}))
