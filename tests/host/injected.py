"""A MODEL of the host with a motion, and a sampler run on it: what the tests of the injection share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sample
import torch
from threedimo_pack.nodes.apply import Apply3DiMo
from tiny_host import BACKBONES, conditioning, hold, host_model, motion_of
from tiny_models import adapter_for
from torch import Tensor

STRENGTHS = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0, "body_strength": 1.0, "hand_strength": 1.0}
FRAMES = 17
LATENTS = 5


class Stage:
    """A MODEL, a 3DiMo model that fits it, a motion and a sampler run."""

    def __init__(self, family: str, folder: Path) -> None:
        self.folder = folder
        self.backbone = BACKBONES[family]()
        self.adapter = adapter_for(self.backbone)
        self.model = host_model(self.backbone)
        self.loaded = hold(self.adapter, folder)
        self.motion = motion_of(self.adapter, FRAMES)
        self.positive = conditioning(seed=0, pooled_output=None)
        self.negative = conditioning(seed=1, pooled_output=None)

    def apply(self, model: Any = None, **changes: Any) -> tuple[Any, list[Any], list[Any]]:
        settings = {"motion": self.motion, **STRENGTHS, **changes}
        return Apply3DiMo.execute(
            model or self.model, self.loaded, positive=self.positive, negative=self.negative, **settings
        ).result

    def sample(self, model: Any, positive: list[Any], negative: list[Any], cfg: float = 3.0, **changes: Any) -> Tensor:
        latents = changes.pop("latents", LATENTS)
        batch = changes.pop("batch", 1)
        shape = (batch, self.backbone.dims.latent_channels, latents, 4, 6)
        settings = {"steps": 2, "sampler_name": "euler", "scheduler": "simple", "disable_pbar": True, **changes}
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(7))
        return comfy.sample.sample(
            model, noise, settings.pop("steps"), cfg, settings.pop("sampler_name"), settings.pop("scheduler"),
            positive, negative, torch.zeros(shape), seed=0, **settings,
        )  # fmt: skip

    def plain(self, model: Any = None, **changes: Any) -> Tensor:
        return self.sample(model or self.model, self.positive, self.negative, **changes)
