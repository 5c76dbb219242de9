"""What is scored: something that hears a motion in a view, and something that makes a video of it.

The benchmark asks only for these calls, so variants of the method (other tokens, other ways of steering) are scored by
the same code as the method itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from threedimo_core.backbones.loading import load_backbone
from threedimo_core.checkpoint import Adapter, load_adapter
from threedimo_core.motion_clip import MotionClip
from threedimo_core.pipeline import GenerationSettings, Pipeline

from ..data.clip_store import ClipStore
from ..data.manifest import Record
from .features import ViewEncoder, encoder_of, untrained
from .heldout import Pictures
from .provenance import checkpoint_hash

ADAPTER_NAME = "adapter.safetensors"


@dataclass(frozen=True)
class Take:
    """One view of one performance; size: (height, width) that it is scaled to, None leaves it as it was rendered."""

    store: ClipStore
    record: Record
    view: int
    size: tuple[int, int] | None = None

    def frames(self) -> Tensor:
        """[T, 3, H, W] in [0, 1]."""
        return self._scaled(self.store.frames(self.record, self.view).float() / 255)

    def mask(self) -> Tensor:
        """bool [T, H, W]: where the person is."""
        mask = torch.from_numpy(self.store.mask(self.record, self.view))
        return self._scaled(mask[:, None].float())[:, 0] >= 0.5

    def _scaled(self, pictures: Tensor) -> Tensor:
        if self.size is None or self.size == tuple(pictures.shape[-2:]):
            return pictures
        return F.interpolate(pictures, self.size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)

    @property
    def caption(self) -> str:
        caption: str = self.record["views"][self.view]["captions"][0]
        return caption


class VideoMaker(Protocol):
    """Reference picture [3, H, W], the driving view (None: no motion is told), prompt → [T, 3, H, W] in [0, 1].

    num_frames: T. The same seed means the same noise.
    """

    def __call__(
        self, reference: Tensor, driver: Take | None, prompt: str, num_frames: int, seed: int
    ) -> Tensor: ...  # pragma: no cover


@dataclass(frozen=True)
class System:
    """A model under test.

    checkpoint: hash of its weights. pictures: the shape it was trained on. encode: motion of a view; chance: the same
    by an encoder that has learned nothing. make, round_trip: videos, and a video through the VAE and back; None where
    only an encoder is at hand.
    """

    name: str
    checkpoint: str
    pictures: Pictures
    encode: ViewEncoder
    chance: ViewEncoder
    make: VideoMaker | None = None
    round_trip: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Sampling:
    """How videos are made; None takes what the adapter was trained with."""

    steps: int | None = None
    text_scale: float | None = None
    motion_scale: float | None = None


def open_encoder(path: Path, plain: bool, seed: int = 0) -> System:
    """The encoder side of an adapter file, or of the one in a model folder."""
    adapter = load_adapter(path / ADAPTER_NAME if path.is_dir() else path)
    return _system(path, adapter, plain, seed)


def open_system(
    folder: Path, plain: bool, seed: int = 0, sampling: Sampling | None = None, adapter: Path | None = None,
    device: str = "cpu",
) -> System:  # fmt: skip
    """A model folder (diffusers) with its adapter, ready to generate.

    plain: whether the held-out scenes are calm ones; seed: of the encoder that has learned nothing.
    """
    loaded = load_adapter(adapter or folder / ADAPTER_NAME)
    backbone = load_backbone(folder, torch.float32 if device == "cpu" else torch.bfloat16, device)
    pipeline = Pipeline(backbone, loaded)
    system = _system(folder, loaded, plain, seed)
    return replace(system, make=maker_of(pipeline, sampling or Sampling()), round_trip=round_trip_of(pipeline))


def _system(path: Path, adapter: Adapter, plain: bool, seed: int) -> System:
    hand = adapter.encoder.config.hand
    pictures = Pictures.of_model(adapter.record, hand.image_size if hand else 48, plain)
    return System(path.name, checkpoint_hash(path), pictures, encoder_of(adapter), encoder_of(untrained(adapter, seed)))


def maker_of(pipeline: Pipeline, sampling: Sampling) -> VideoMaker:
    """Videos by the pipeline as users call it; drivers bring their hand views."""
    encode = encoder_of(pipeline.adapter)

    def make(reference: Tensor, driver: Take | None, prompt: str, num_frames: int, seed: int) -> Tensor:
        settings = GenerationSettings(
            seed=seed, num_frames=num_frames, steps=sampling.steps, text_scale=sampling.text_scale,
            motion_scale=sampling.motion_scale, height=reference.shape[-2], width=reference.shape[-1],
        )  # fmt: skip
        if driver is not None:
            motion = encode(driver.store, driver.record, driver.view, False)
            return pipeline.generate(reference, motion, prompt, settings)
        nothing = replace(settings, body_strength=0.0, hand_strength=0.0)
        return pipeline.generate(reference, _no_motion(pipeline.adapter, num_frames), prompt, nothing)

    return make


def _no_motion(adapter: Adapter, num_frames: int) -> MotionClip:
    """A clip of the right shape whose tokens nobody hears."""
    config = adapter.encoder.config
    return MotionClip(
        body=torch.zeros(num_frames, config.num_body_tokens, config.token_dim),
        hands=torch.zeros(num_frames, config.num_hand_tokens, config.token_dim),
        hand_present=torch.zeros(num_frames, 2, dtype=torch.bool),
        fps=adapter.record.fps,
        encoder_id=adapter.encoder_id,
        source_size=(adapter.record.height, adapter.record.width),
    )


def round_trip_of(pipeline: Pipeline) -> Callable[[Tensor], Tensor]:
    """A video [T, 3, H, W] through the VAE and back: no generator that uses it can come nearer to the truth."""
    backbone = pipeline.backbone

    @torch.no_grad()
    def round_trip(video: Tensor) -> Tensor:
        return backbone.decode(backbone.encode_video(video[None].to(backbone.device)))[0].float().cpu()

    return round_trip
