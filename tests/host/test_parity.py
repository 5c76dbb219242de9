"""The same weights and inputs give the same result in the host and in diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sample
import comfy.samplers
import pytest
import torch
from threedimo_pack.nodes.apply import Apply3DiMo, MotionSettings, motion_tokens
from threedimo_pack.nodes.comfy_injection import Gate
from threedimo_pack.nodes.sample import make_guider
from tiny_host import BACKBONES, conditioning, hold, host_model, motion_of
from tiny_models import adapter_for
from torch import Tensor

from threedimo_core.backbones.base import Backbone
from threedimo_core.motion_attention import motion_context
from threedimo_core.sampling import Conditions, SamplingSettings, denoise

FRAMES = 17
STRENGTHS = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0, "body_strength": 1.0, "hand_strength": 1.0}


class Scene:
    """One backbone in both hosts, a motion, a prompt, a reference and noise."""

    def __init__(self, family: str, folder: Path) -> None:
        self.backbone: Backbone = BACKBONES[family]()
        self.adapter = adapter_for(self.backbone)
        self.model = host_model(self.backbone)
        self.loaded = hold(self.adapter, folder)
        self.motion = motion_of(self.adapter, FRAMES)
        self.text, self.no_text = conditioning(seed=0), conditioning(seed=1)
        channels, size = self.backbone.dims.latent_channels, (8, 6)
        generator = torch.Generator().manual_seed(5)
        self.noise = torch.randn(1, channels, 5, *size, generator=generator)
        self.first = torch.randn(1, channels, 1, *size, generator=generator)
        self.vision = torch.randn(1, 7, 12, generator=generator)

    # --- in diffusers -------------------------------------------------------------------------------------

    def _text(self, cond: list[Any]) -> dict[str, Tensor]:
        embeds = cond[0][0]
        if self.backbone.family == "wan":
            return {"prompt_embeds": embeds}
        mask = torch.ones(embeds.shape[:2], dtype=torch.bool)
        glyphs = torch.zeros(1, 4, 1472)
        return {"prompt_embeds": embeds, "prompt_mask": mask, "glyph_embeds": glyphs, "glyph_mask": mask[:, :4] & False}

    def reference(self) -> dict[str, Tensor]:
        if self.backbone.family == "wan":
            return {"first_latent": self.first}
        return {"image_latent": self.first, "image_embeds": self.vision}

    def in_diffusers(self, settings: SamplingSettings, moving: bool = True) -> Tensor:
        adapter, backbone = self.adapter, self.backbone
        layout = backbone.layout(self.noise)
        tokens = self.motion.tokens[None]
        null = adapter.injection.null_tokens.expand_as(tokens)
        contexts = [motion_context(t, layout, adapter.injection.config) if moving else None for t in (tokens, null)]
        attached = adapter.attach(backbone)
        try:
            conditions = Conditions(self.reference(), self._text(self.text), self._text(self.no_text), *contexts)
            return denoise(backbone, attached, self.noise, conditions, settings)
        finally:
            attached.detach()

    # --- in the host --------------------------------------------------------------------------------------

    def conds(self) -> tuple[list[Any], list[Any]]:
        if self.backbone.family == "wan":
            return self.text, self.no_text
        mask = torch.ones(1, 1, *self.noise.shape[2:])
        mask[:, :, :1] = 0
        image = torch.zeros_like(self.noise)
        image[:, :, :1] = self.model.model.process_latent_out(self.first)
        vision = type("Vision", (), {"last_hidden_state": self.vision})()
        extra = {"concat_latent_image": image, "concat_mask": mask, "clip_vision_output": vision, "pooled_output": None}
        return tuple([[c[0][0], {**c[0][1], **extra}]] for c in (self.text, self.no_text))  # type: ignore[return-value]

    def latent(self) -> dict[str, Tensor]:
        samples = torch.zeros_like(self.noise)
        if self.backbone.family != "wan":
            return {"samples": samples}
        samples = self.model.model.process_latent_out(samples)
        samples[:, :, :1] = self.model.model.process_latent_out(self.first)
        mask = torch.ones_like(samples[:, :1])
        mask[:, :, :1] = 0
        return {"samples": samples, "noise_mask": mask}

    def sigmas(self, steps: int) -> Tensor:
        return comfy.samplers.calculate_sigmas(self.model.get_model_object("model_sampling"), "simple", steps)

    def in_host(self, steps: int, moving: bool = True, guider: Any = None) -> Tensor:
        """Normalised latents, as diffusers counts them."""
        positive, negative = self.conds()
        model, latent = self.model, self.latent()
        if guider is None:
            if moving:
                model, positive, negative = Apply3DiMo.execute(
                    model, self.loaded, self.motion, positive, negative, **STRENGTHS
                ).result
            guider = comfy.samplers.CFGGuider(model)
            guider.set_conds(positive, negative)
            guider.set_cfg(1.0)
        made = guider.sample(
            self.noise, latent["samples"], comfy.samplers.sampler_object("euler"), self.sigmas(steps),
            denoise_mask=latent.get("noise_mask"), disable_pbar=True, seed=0,
        )  # fmt: skip
        return self.model.model.process_latent_in(made)


@pytest.fixture(params=list(BACKBONES))
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(request.param, tmp_path)


def difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def test_without_motion_the_hosts_agree(scene: Scene) -> None:
    settings = SamplingSettings(steps=2)
    assert difference(scene.in_diffusers(settings, moving=False), scene.in_host(2, moving=False)) <= 1e-4


def test_with_motion_the_hosts_agree(scene: Scene) -> None:
    expected = scene.in_diffusers(SamplingSettings(steps=4))
    assert difference(expected, scene.in_host(4)) <= 1e-4
    assert difference(expected, scene.in_host(4, moving=False)) > 1e-2, "the motion must have acted"


@pytest.mark.parametrize(("text_scale", "motion_scale"), [(1.0, 1.0), (3.0, 1.0), (1.0, 2.0), (3.0, 2.0)])
def test_guidance_is_the_same(scene: Scene, text_scale: float, motion_scale: float) -> None:
    positive, negative = scene.conds()
    payload = motion_tokens(scene.loaded, scene.motion, MotionSettings(gate=Gate()))
    guider = make_guider(scene.model, scene.loaded, payload, positive, negative, Gate(), text_scale, motion_scale)
    settings = SamplingSettings(steps=2, text_scale=text_scale, motion_scale=motion_scale)
    assert difference(scene.in_diffusers(settings), scene.in_host(2, guider=guider)) <= 1e-4
