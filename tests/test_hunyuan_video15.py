"""The HunyuanVideo-1.5 adapter: key-only mask, condition channels, encoders, against diffusers' own pipeline."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import HunyuanVideo15ImageToVideoPipeline
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.models.transformers.transformer_hunyuan_video15 import HunyuanVideo15AttnProcessor2_0
from PIL import Image
from tiny_models import chat_tokenizer, hunyuan_backbone, hunyuan_transformer

from threedimo_core.backbones import BackboneError
from threedimo_core.backbones.hunyuan_video15 import HunyuanVideo15Backbone, siglip_pixels
from threedimo_core.sampling import Conditions, SamplingSettings, denoise


@pytest.fixture(scope="module")
def backbone() -> HunyuanVideo15Backbone:
    return hunyuan_backbone()


@torch.no_grad()
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("size", [3, 6])
def test_key_mask_equals_the_dense_mask(padded: bool, size: int) -> None:
    backbone, plain = hunyuan_backbone(), hunyuan_transformer()
    assert isinstance(plain.transformer_blocks[0].attn.processor, HunyuanVideo15AttnProcessor2_0)
    latents, sigma = torch.randn(2, 4, 3, size, size), torch.tensor([0.4, 0.8])
    mask = torch.ones(2, 9, dtype=torch.bool)
    glyph_mask = torch.ones(2, 5, dtype=torch.bool)
    if padded:
        mask[0, 4:] = mask[1, 7:] = False
        glyph_mask[0, :] = glyph_mask[1, 2:] = False
    text = {
        "prompt_embeds": torch.randn(2, 9, 16),
        "prompt_mask": mask,
        "glyph_embeds": torch.randn(2, 5, 24),
        "glyph_mask": glyph_mask,
    }
    reference = {"image_latent": torch.randn(2, 4, 1, size, size), "image_embeds": torch.randn(2, 4, 12)}
    condition = torch.zeros(2, 5, 3, size, size)
    condition[:, :4, 0], condition[:, 4, 0] = reference["image_latent"][:, :, 0], 1
    expected = plain(
        torch.cat([latents, condition], dim=1),
        sigma * 1000,
        text["prompt_embeds"],
        mask,
        encoder_hidden_states_2=text["glyph_embeds"],
        encoder_attention_mask_2=glyph_mask,
        image_embeds=reference["image_embeds"],
        return_dict=False,
    )[0]
    assert (backbone.velocity(latents, sigma, text, reference) - expected).abs().max() <= 1e-5
    assert backbone._attention.masked is padded
    with torch.enable_grad():
        again = backbone.velocity(latents, sigma, text, reference)
    assert backbone._attention.masked, "a recomputed forward must not depend on the promise"
    assert (again - expected).abs().max() <= 1e-5


def test_the_mask_is_small(backbone: HunyuanVideo15Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    from threedimo_core.backbones import hunyuan_attention

    shapes = []
    real = hunyuan_attention.dispatch_attention_fn

    def spy(*args, **kwargs):  # type: ignore[no-untyped-def]
        shapes.append(tuple(kwargs["attn_mask"].shape))
        return real(*args, **kwargs)

    monkeypatch.setattr(hunyuan_attention, "dispatch_attention_fn", spy)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[0, 4:] = False
    text = {
        "prompt_embeds": torch.randn(2, 9, 16),
        "prompt_mask": mask,
        "glyph_embeds": torch.randn(2, 1, 24),
        "glyph_mask": torch.zeros(2, 1, dtype=torch.bool),
    }
    reference = {"image_latent": torch.randn(2, 4, 1, 4, 4), "image_embeds": torch.randn(2, 4, 12)}
    backbone.velocity(torch.randn(2, 4, 3, 4, 4), torch.tensor([0.5, 0.5]), text, reference)
    assert shapes == [(2, 1, 1, 48 + 9 + 4)] * 2


@torch.no_grad()
def test_time_is_kept_in_float32() -> None:
    backbone = hunyuan_backbone()
    backbone.transformer.bfloat16()
    backbone.transformer.time_embed.float()
    seen = []
    hook = backbone.transformer.time_embed.register_forward_hook(lambda m, args, out: seen.append((args[0], out)))
    text = backbone.encode_text(["x"])
    reference = backbone.encode_reference(torch.rand(1, 3, 32, 32), 9)
    backbone.velocity(torch.randn(1, 4, 3, 4, 4), torch.tensor([0.998]), text, reference)
    hook.remove()
    time, embedded = seen[0]
    assert float(time) == pytest.approx(998.0, abs=1e-3)
    assert embedded.dtype == torch.bfloat16


@torch.no_grad()
def test_grid_layout_and_latents(backbone: HunyuanVideo15Backbone) -> None:
    assert (backbone.size_multiple, backbone.frames_per_latent) == (8, 4)
    assert backbone.latent_shape(9, 32, 48) == (4, 3, 4, 6)
    frames = torch.rand(1, 5, 3, 32, 32)
    latents = backbone.encode_video(frames)
    assert latents.shape == (1, *backbone.latent_shape(5, 32, 32))
    layout = backbone.layout(latents)
    assert (layout.latent_frames, layout.tokens_per_frame, layout.reference_frames) == (2, 16, 0)
    decoded = backbone.decode(latents)
    assert decoded.shape == frames.shape
    assert torch.equal(backbone.pin_reference(latents, {}), latents)


@torch.no_grad()
def test_text_is_encoded_as_diffusers_does(backbone: HunyuanVideo15Backbone) -> None:
    prompts = ['A sign says "HI" and “YO”.', ""]
    pipeline = HunyuanVideo15ImageToVideoPipeline
    embeds, mask = pipeline._get_mllm_prompt_embeds(backbone.text_encoder, backbone.tokenizer, prompts, "cpu")
    glyphs, glyph_mask = pipeline._get_byt5_prompt_embeds(backbone.tokenizer_2, backbone.text_encoder_2, prompts, "cpu")
    found = backbone.encode_text(prompts)
    assert torch.equal(found["prompt_embeds"], embeds)
    assert torch.equal(found["prompt_mask"], mask.bool())
    assert torch.allclose(found["glyph_embeds"], glyphs, atol=1e-6)
    assert torch.equal(found["glyph_mask"], glyph_mask.bool())
    assert found["glyph_mask"].sum(-1)[1] == 0


def test_siglip_pixels_equal_the_processor(backbone: HunyuanVideo15Backbone) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    settings = backbone.feature_extractor
    expected = settings.preprocess(images=Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    found = siglip_pixels(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255, settings)
    difference = (found - torch.as_tensor(np.asarray(expected))).abs() * 255 / 2
    assert difference.mean() < 0.5  # grey levels: Pillow rounds to whole ones after each direction
    assert difference.max() < 3


@torch.no_grad()
def test_agrees_with_the_pipeline_of_diffusers() -> None:
    """Same weights, noise, reference and prompt under text guidance: our loop gives what theirs gives."""
    backbone = hunyuan_backbone()
    prompt, pixels = 'It says "GO".', np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    theirs = HunyuanVideo15ImageToVideoPipeline(
        text_encoder=backbone.text_encoder,
        tokenizer=backbone.tokenizer,
        transformer=hunyuan_transformer(),
        vae=backbone.vae,
        scheduler=backbone.scheduler,
        text_encoder_2=backbone.text_encoder_2,
        tokenizer_2=backbone.tokenizer_2,
        guider=ClassifierFreeGuidance(guidance_scale=4.0),
        image_encoder=backbone.image_encoder,
        feature_extractor=backbone.feature_extractor,
    )
    theirs.set_progress_bar_config(disable=True)
    noise = torch.randn(1, *backbone.latent_shape(5, 32, 32))
    expected = theirs(
        image=Image.fromarray(pixels), prompt=prompt, negative_prompt="", num_frames=5, num_inference_steps=3,
        latents=noise, output_type="latent",
    ).frames  # fmt: skip
    found = denoise(
        backbone,
        SimpleNamespace(motion=lambda context: nullcontext()),  # no motion layers: the base model
        noise,
        Conditions(
            backbone.encode_reference(image, 5), backbone.encode_text([prompt]), backbone.encode_text([""]), None, None
        ),
        SamplingSettings(steps=3, text_scale=4.0),
    )
    assert (found - expected).abs().max() <= 1e-4


@pytest.mark.parametrize(
    ("settings", "message"), [({"task_type": "t2v"}, "takes no reference image"), ({"use_meanflow": True}, "MeanFlow")]
)
def test_models_without_a_reference_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        hunyuan_backbone(**settings)


def test_the_tiny_tokenizer_outlasts_the_instruction() -> None:
    """The letters of the instruction are more than the 108 tokens that are cut: else the tests above show nothing."""
    assert len(chat_tokenizer().encode("a" * 300)) == 300
