"""Motion encoder: one picture at a time, any size and count, hands present or absent."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import ENCODER, TOKEN_DIM

from threedimo_core.config import MotionEncoderConfig, TokenizerConfig
from threedimo_core.motion_encoder import MotionEncoder, encoder_id, letterbox


@pytest.fixture(scope="module")
def encoder() -> MotionEncoder:
    torch.manual_seed(0)
    return MotionEncoder(ENCODER).eval()


def pictures(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 32, 32), (3, 1, 1), (2, 17, 90), (5, 64, 48), (1, 300, 7)])
@torch.no_grad()
def test_any_count_and_size(encoder: MotionEncoder, frames: int, height: int, width: int) -> None:
    tokens = encoder(pictures(2, frames, 3, height, width), pictures(2, frames, 2, 3, 20, 30))
    assert tokens.body.shape == (2, frames, 3, TOKEN_DIM)
    assert tokens.hands.shape == (2, frames, 2, TOKEN_DIM)
    assert tokens.joined().shape == (2, frames, 5, TOKEN_DIM)
    assert bool(tokens.joined().isfinite().all())


@torch.no_grad()
def test_a_token_belongs_to_its_frame(encoder: MotionEncoder) -> None:
    clip = pictures(1, 6, 3, 32, 32)
    whole = encoder(clip).body
    assert torch.allclose(whole[:, 2:5], encoder(clip[:, 2:5]).body, atol=1e-5)
    assert torch.allclose(whole.flip(1), encoder(clip.flip(1)).body, atol=1e-5)


@torch.no_grad()
def test_absent_hands(encoder: MotionEncoder) -> None:
    clip, hands = pictures(1, 3, 3, 32, 32), pictures(1, 3, 2, 3, 16, 16)
    absent = encoder.absent.reshape(2, TOKEN_DIM)
    nothing = encoder(clip)
    assert torch.equal(nothing.hands, absent.expand(1, 3, 2, TOKEN_DIM))
    left_only = torch.tensor([[[True, False]] * 3])
    found = encoder(clip, hands, left_only)
    assert torch.equal(found.hands[..., 1, :], absent[1].expand(1, 3, TOKEN_DIM))
    assert torch.equal(found.hands[..., 0, :], encoder(clip, hands).hands[..., 0, :])
    assert torch.equal(found.body, nothing.body)


@torch.no_grad()
def test_the_sides_are_told_apart(encoder: MotionEncoder) -> None:
    same = pictures(1, 1, 1, 3, 16, 16).expand(1, 1, 2, 3, 16, 16)
    hands = encoder(pictures(1, 1, 3, 32, 32), same).hands
    assert not torch.allclose(hands[..., 0, :], hands[..., 1, :], atol=1e-3)


def test_without_a_hand_branch() -> None:
    encoder = MotionEncoder(replace(ENCODER, hand=None))
    tokens = encoder(pictures(1, 2, 3, 32, 32))
    assert tokens.hands.shape == (1, 2, 0, TOKEN_DIM)
    assert not any(key.startswith("hand") for key in encoder.state_dict())


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 0, 3, 8, 8), (1, 2, 4, 8, 8), (1, 2, 3, 0, 8)])
def test_wrong_frames_are_told(encoder: MotionEncoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \[batch, frames, 3, height, width\]"):
        encoder(torch.zeros(shape))


def test_wrong_hands_are_told(encoder: MotionEncoder) -> None:
    with pytest.raises(ValueError, match=r"hand crops must be \[1, 3, 2, 3, h, w\]"):
        encoder(torch.zeros(1, 3, 3, 32, 32), torch.zeros(1, 2, 2, 3, 16, 16))


def test_letterbox_keeps_the_aspect() -> None:
    white = torch.ones(1, 3, 10, 40)
    boxed = letterbox(white, 20)
    assert boxed.shape == (1, 3, 20, 20)
    assert torch.allclose(boxed[..., 8:12, :], torch.ones(()), atol=1e-6)
    assert torch.equal(boxed[..., :7, :], torch.full((1, 3, 7, 20), 0.5))
    assert letterbox(boxed, 20) is boxed


def test_gradients_reach_every_parameter() -> None:
    encoder = MotionEncoder(ENCODER)
    tokens = encoder(pictures(1, 2, 3, 32, 32), pictures(1, 2, 2, 3, 16, 16), torch.tensor([[[True, False]] * 2]))
    (tokens.joined() * torch.randn_like(tokens.joined())).sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@torch.no_grad()
def test_bfloat16(encoder: MotionEncoder) -> None:
    clip, hands = pictures(1, 2, 3, 40, 30), pictures(1, 2, 2, 3, 16, 16)
    exact = encoder(clip, hands).joined()
    half = MotionEncoder(ENCODER).bfloat16()
    half.load_state_dict(encoder.state_dict())
    rough = half(clip.bfloat16(), hands.bfloat16()).joined()
    assert rough.dtype == torch.bfloat16
    assert (rough - exact).abs().mean() < 0.05


@pytest.mark.parametrize("name", ["mini", "base", "large"])
def test_presets_build_and_travel_as_json(name: str) -> None:
    config = MotionEncoderConfig.preset(name)
    assert MotionEncoderConfig.from_dict(config.to_dict()) == config
    assert (config.num_body_tokens, config.num_hand_tokens) == (5, 4)
    with torch.device("meta"):
        tokens = MotionEncoder(config)(torch.zeros(1, 2, 3, 64, 48), torch.zeros(1, 2, 2, 3, 32, 32))
    assert tokens.joined().shape == (1, 2, 9, config.token_dim)


def test_nonsense_configs_are_told() -> None:
    sizes = {"image_size": 32, "num_tokens": 1, "width": 16, "depth": 1, "heads": 2}
    for change, message in [
        ({"heads": 3}, "width 16 is not a multiple of heads 3"),
        ({"image_size": 33}, "image_size 33 is not a multiple of patch_size 16"),
        ({"depth": 0}, "depth must be positive"),
        ({"stem_channels": (8, 8)}, "give a stride of 4, but patch_size is 16"),
        ({"stem": "vit"}, "stem must be"),
        ({"stem_channels": (8, 8, 8, 12)}, "multiples of 8"),
    ]:
        with pytest.raises(ValueError, match=message):
            TokenizerConfig(**{**sizes, "stem_channels": (8, 8, 8, 8), **change})
    with pytest.raises(ValueError, match="choose one of mini, base, large"):
        MotionEncoderConfig.preset("huge")
    with pytest.raises(ValueError, match="does not know colour"):
        MotionEncoderConfig.from_dict({"body": {**sizes, "colour": 1}, "hand": None, "token_dim": 8})


def test_encoder_id_names_the_weights(encoder: MotionEncoder) -> None:
    twin = MotionEncoder(ENCODER)
    assert encoder_id(twin) != encoder_id(encoder)
    twin.load_state_dict(encoder.state_dict())
    assert encoder_id(twin) == encoder_id(encoder)
    assert len(encoder_id(twin)) == 16
    with torch.no_grad():
        twin.body.latents[0, 0] += 1e-3
    assert encoder_id(twin) != encoder_id(encoder)
