"""Trains the camera reader on the fitting set; once a held-out folder, since it depends on no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from threedimo_core.flow import keyed_generator
from threedimo_core.motion_encoder import letterbox

from ..data.clip_store import ClipStore
from ..data.manifest import Record, dump_json, read_manifest, read_settings
from .camera_reader import SIZE, CameraReader, body_input, body_targets, pair_input, soften
from .camera_truth import TURNS_SIGN, CameraTruth

_LABELS = ("world_to_camera", "focal", "distance", "azimuth", "elevation")
_BATCH = 48
_LONGEST_STEP = 4
_MOST_PERFORMANCES = 600  # 100 kB a view in memory, and reading takes as long as some hundred steps
_MATTE_SHARE = 3  # the matte learns in a third of the steps


@dataclass(frozen=True)
class Clips:
    """frames uint8 [N, T, 3, 64, 64], person bool [N, T, 64, 64], and the truth of each clip."""

    frames: Tensor
    person: Tensor
    truth: tuple[CameraTruth, ...]


def truth_of(store: ClipStore, record: Record, view: int) -> CameraTruth:
    """Labels of a view."""
    labels = store.labels(record, *_LABELS, "heading")
    of_view = {name: labels[name][view] for name in _LABELS}
    return CameraTruth(**of_view, heading=labels["heading"])


def load_clips(root: Path, most: int = _MOST_PERFORMANCES) -> Clips:
    """All views of the first `most` performances of a set, small."""
    store, frames, person, truth = ClipStore(root), [], [], []
    for record in tqdm(read_manifest(root)[:most], desc="reading renders", leave=False):
        for view in range(len(record["views"])):
            pictures = letterbox(store.frames(record, view).float() / 255, SIZE)
            mask = torch.from_numpy(store.mask(record, view)).float()[:, None].expand(-1, 3, -1, -1)
            frames.append((pictures * 255).round().byte())
            # Letterboxed like the pictures; the margins are grey there and must not count as half a person here.
            person.append(letterbox(mask * 2 - 0.5, SIZE)[:, 0] > 0.5)
            truth.append(truth_of(store, record, view))
    return Clips(torch.stack(frames), torch.stack(person), tuple(truth))


def reader_for(folder: Path, fit: Path, steps: int, seed: int) -> CameraReader:
    """The reader kept in `folder`, trained now if there is none, or one of other renders or of fewer steps."""
    path = folder / "camera_reader.safetensors"
    renders = dump_json(read_settings(fit))
    if path.is_file():
        reader, info = CameraReader.load(path)
        if int(str(info.get("steps", 0))) >= steps and info.get("renders") == renders:
            return reader
    reader = train_reader(load_clips(fit), steps, seed)
    reader.save(path, {"steps": steps, "seed": seed, "renders": renders})
    return reader


def train_reader(clips: Clips, steps: int, seed: int) -> CameraReader:
    """The three networks, one after the other; `steps` for body and background, fewer for the matte."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = CameraReader()
    scale = np.concatenate([_pairs(truth, np.random.default_rng(seed)) for truth in clips.truth]).std(0)
    reader.motion_scale.copy_(torch.from_numpy(np.maximum(scale, 1e-3)))
    losses = {"matte": _matte_loss, "body": _body_loss, "background": _background_loss}
    for name, loss in losses.items():
        _train(reader, name, loss, clips, max(1, steps // _MATTE_SHARE) if name == "matte" else steps, seed)
    return reader.eval()


def _pairs(truth: CameraTruth, rng: np.random.Generator, count: int = 8) -> np.ndarray:
    first, second = _draw_pairs(truth.focal.shape[0], count, rng)
    return truth.motion(first, second)


def _draw_pairs(frames: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two frames of a clip, up to four apart, in either order, sometimes the same."""
    first = rng.integers(frames, size=count)
    second = np.clip(first + rng.integers(-_LONGEST_STEP, _LONGEST_STEP + 1, size=count), 0, frames - 1)
    return first, second


def _train(reader: CameraReader, name: str, loss_of, clips: Clips, steps: int, seed: int) -> None:  # type: ignore[no-untyped-def]
    network = getattr(reader, name)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=max(steps, 2), pct_start=0.1)
    for step in tqdm(range(steps), desc=f"camera reader, {name}", leave=False):
        loss = loss_of(reader, clips, keyed_generator(seed, name, step), np.random.default_rng([seed, step]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def _draw(clips: Clips, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(len(clips.frames), size=_BATCH), rng.integers(clips.frames.shape[1], size=_BATCH)


def _matte_loss(reader: CameraReader, clips: Clips, generator: torch.Generator, rng: np.random.Generator) -> Tensor:
    clip, frame = _draw(clips, rng)
    pictures = soften(clips.frames[clip, frame][:, None].float() / 255, generator)[:, 0]
    person = clips.person[clip, frame].float()
    return F.binary_cross_entropy_with_logits(reader.matte(pictures), person)


def _body_loss(reader: CameraReader, clips: Clips, generator: torch.Generator, rng: np.random.Generator) -> Tensor:
    clip, frame = _draw(clips, rng)
    pictures = soften(clips.frames[clip, frame][:, None].float() / 255, generator)[:, 0]
    person = clips.person[clip, frame]
    labels = [torch.stack([getattr(clips.truth[c], name)[f] for c, f in zip(clip, frame, strict=True)])
              for name in ("azimuth", "elevation", "distance")]  # fmt: skip
    mirrored = torch.from_numpy(rng.random(_BATCH) < 0.5)
    pictures = torch.where(mirrored[:, None, None, None], pictures.flip(-1), pictures)
    person = torch.where(mirrored[:, None, None], person.flip(-1), person)
    labels[0] = torch.where(mirrored, -labels[0], labels[0])
    seen = person.float().mean((1, 2)) > 0.005  # a camera may have left the person behind
    error = (reader.body(*body_input(pictures, person)) - body_targets(*labels)).square().mean(1)
    return (error * seen).sum() / seen.sum().clamp(min=1)


def _background_loss(
    reader: CameraReader, clips: Clips, generator: torch.Generator, rng: np.random.Generator
) -> Tensor:
    clip = rng.integers(len(clips.frames), size=_BATCH)
    first, second = _draw_pairs(clips.frames.shape[1], _BATCH, rng)
    both = torch.stack([clips.frames[clip, first], clips.frames[clip, second]], dim=1).float() / 255
    holes = torch.stack([clips.person[clip, first], clips.person[clip, second]], dim=1)
    target = np.concatenate(
        [clips.truth[c].motion(f[None], s[None]) for c, f, s in zip(clip, first, second, strict=True)]
    )
    mirrored = rng.random(_BATCH) < 0.5
    target = np.where(mirrored[:, None], target * TURNS_SIGN, target)
    flip = torch.from_numpy(mirrored)
    both = torch.where(flip[:, None, None, None, None], both.flip(-1), both)
    holes = torch.where(flip[:, None, None, None], holes.flip(-1), holes)
    foreign = holes.roll(1, 0) & (torch.rand(_BATCH, generator=generator) < 0.5)[:, None, None, None]
    holes = holes | foreign
    both = soften(both, generator)
    wanted = torch.from_numpy(target.astype(np.float32)) / reader.motion_scale
    read = reader.background(pair_input(both[:, 0], both[:, 1], holes[:, 0], holes[:, 1]))
    return F.smooth_l1_loss(read, wanted)
