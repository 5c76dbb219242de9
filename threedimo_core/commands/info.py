"""`threedimo info`: what a file or folder is, and what can be done with it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from ..backbones.loading import inspect_folder
from ..checkpoint import KIND as ADAPTER
from ..checkpoint import read_description
from ..images import NoPictureError, read_image
from ..motion_clip import KIND as MOTION
from ..motion_clip import MotionClip
from ..safe_file import TensorFileError, read_header
from ..video import VideoError, probe_video
from .telling import plain

Facts = dict[str, str]


def run(arguments: Namespace) -> int:
    """Describe every file on standard output; one that is nothing we know ends the command with its reason."""
    for number, path in enumerate(arguments.files):
        facts = describe(path)
        width = max(map(len, facts))
        print("\n" * (number > 0) + f"{path}")
        print(plain("\n".join(f"  {name + ':':<{width + 1}} {value}" for name, value in facts.items())))
    return 0


def describe(path: Path) -> Facts:
    """What `path` holds, as lines of name and value; ValueError where it is nothing that we read."""
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file or folder")
    if path.suffix.lower() == ".safetensors":
        return _tensor_file(path)
    return _picture_or_video(path)


def _tensor_file(path: Path) -> Facts:
    kind = read_header(path).info.get("kind")
    if kind == MOTION:
        return _motion(path)
    if kind == ADAPTER:
        return _adapter(path)
    raise TensorFileError(f"{path}: neither a motion file nor an adapter of 3DiMo (its kind is {kind!r})")


def _motion(path: Path) -> Facts:
    clip = MotionClip.load(path)
    left, right = clip.hand_present.float().mean(0).tolist()
    return {
        "motion": f"{clip.num_frames} frames at {clip.fps:g} fps, {clip.duration:.2f} s",
        "tokens": f"{clip.body.shape[1]} body and {clip.hands.shape[1]} hand tokens, width {clip.body.shape[2]}",
        "hands seen": f"left in {left:.0%} of the frames, right in {right:.0%}",
        "source": f"{clip.source_size[1]} × {clip.source_size[0]} px (width × height)",
        "encoder": f"{clip.encoder_id} (generators trained with it can play this motion)",
    }


def _adapter(path: Path) -> Facts:
    said = read_description(path)
    record = said.record
    facts = {
        "adapter": f"for the backbone {said.family} ({said.dims})",
        "encoder": f"{said.encoder_id}, {said.encoder.num_body_tokens} body and {said.encoder.num_hand_tokens} hand "
        f"tokens of width {said.encoder.token_dim}",
        "motion layers": f"{said.injection.num_blocks}, inner width {said.injection.inner_dim}",
        "decoder": "yes" if said.decoder else "no",
        "trained": f"stage {record.stage}, {record.steps} steps, by {record.made_by}",
        "on": f"{record.num_frames} frames of {record.width} × {record.height} px at {record.fps:g} fps",
        "data licence": record.data_licence,
        "text": "the camera language alone" if record.text_grammar == "camera_language" else "any",
    }
    return facts | ({"notes": record.notes} if record.notes else {})


def _folder(path: Path) -> Facts:
    family = inspect_folder(path)
    adapter = path / "adapter.safetensors"
    facts = {"backbone": f"{family.title}, a complete diffusers folder"}
    return facts | (_adapter(adapter) if adapter.is_file() else {})


def _picture_or_video(path: Path) -> Facts:
    try:
        picture = read_image(path)
        return {"picture": f"{picture.shape[1]} × {picture.shape[0]} px (width × height)"}
    except NoPictureError:
        pass  # not a picture: then a video, whose error says more
    try:
        video = probe_video(path)
    except VideoError as error:
        raise ValueError(
            f"{path}: neither a picture, a video, a motion file nor an adapter can be read from it"
        ) from error
    length = f", {video.duration:.2f} s" if video.duration else ""
    return {
        "video": f"{video.width} × {video.height} px as stored, {video.fps:g} fps{length}, {video.codec}",
        "sound": "yes" if video.has_audio else "no",
    }
