"""Motion in the host's MODEL: what cannot work is told before it runs, in words that name both sides."""

from __future__ import annotations

from pathlib import Path

import comfy.model_base
import comfy.sampler_helpers
import comfy.supported_models
import pytest
import torch
from injected import Stage
from tiny_host import BACKBONES, host_hunyuan, host_wan, mini_backbone, motion_of


@pytest.fixture
def wan(tmp_path: Path) -> Stage:
    return Stage("wan", tmp_path)


def test_a_motion_that_is_too_short_is_told_before_sampling(wan: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    model, positive, negative = wan.apply()
    monkeypatch.setattr(comfy.sampler_helpers, "prepare_sampling", None)  # must not be reached
    with pytest.raises(
        ValueError, match=r"the motion has 17 frames.*the latent 21 \(6 latent frames\).*17 frames long"
    ):
        wan.sample(model, positive, negative, latents=6)


def test_a_longer_motion_is_cut(wan: Stage) -> None:
    expected = wan.sample(*wan.apply())
    longer = motion_of(wan.adapter, 33)
    wan.motion = type(longer)(
        body=torch.cat([wan.motion.body, longer.body[17:]]),
        hands=torch.cat([wan.motion.hands, longer.hands[17:]]),
        hand_present=longer.hand_present,
        fps=longer.fps,
        encoder_id=longer.encoder_id,
        source_size=longer.source_size,
    )
    assert torch.equal(wan.sample(*wan.apply()), expected)


def test_conditioning_left_out_is_told(wan: Stage) -> None:
    model, _, _ = wan.apply()
    with pytest.raises(ValueError, match="connect the positive and negative"):
        wan.plain(model=model)


def test_two_motions_on_one_model_are_refused(wan: Stage) -> None:
    model, _, _ = wan.apply()
    with pytest.raises(ValueError, match="carries a 3DiMo motion already"):
        wan.apply(model=model)


def test_start_behind_end_is_refused(wan: Stage) -> None:
    with pytest.raises(ValueError, match=r"start_percent is 0.7 and end_percent 0.2"):
        wan.apply(start_percent=0.7, end_percent=0.2)


def test_a_motion_of_another_encoder_is_refused(wan: Stage) -> None:
    from dataclasses import replace

    wan.motion = replace(wan.motion, encoder_id="another")
    with pytest.raises(ValueError, match="encoder another"):
        wan.apply()


def test_models_of_other_sizes_and_families_are_refused(wan: Stage, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trained for the backbone wan \(width 32, 2 blocks.*width 48, 2 blocks"):
        wan.apply(model=host_wan(mini_backbone(dim=48).transformer))
    hunyuan = BACKBONES["hunyuan_video15"]()
    with pytest.raises(ValueError, match=r"trained for the backbone wan .* is hunyuan_video15"):
        wan.apply(model=host_hunyuan(hunyuan.transformer))
    vace = comfy.supported_models.WAN21_Vace(
        {"image_model": "wan2.1", "model_type": "vace", "dim": 32, "num_heads": 2, "num_layers": 2, "ffn_dim": 48,
         "vace_layers": 1, "vace_in_dim": 96, "in_dim": 16, "out_dim": 16, "text_dim": 16, "freq_dim": 16}
    )  # fmt: skip
    vace.set_inference_dtype(torch.float32, None)
    other = comfy.model_base.WAN21_Vace(vace, device=torch.device("cpu"))
    with pytest.raises(ValueError, match=r"this MODEL is a WAN21_Vace.*'tiny' was trained for wan.*HunyuanVideo-1.5"):
        wan.apply(model=type(wan.model)(other, load_device=torch.device("cpu"), offload_device=torch.device("cpu")))
