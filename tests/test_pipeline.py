"""The pipeline: what goes in, what comes out, what is refused, and that a run leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_models import BACKBONES, RECORD, adapter_for, random_motion, wan_backbone
from torch import Tensor

from threedimo_core.checkpoint import AdapterError
from threedimo_core.motion_edit import resample
from threedimo_core.pipeline import Cancelled, GenerationSettings, Pipeline, fit_motion, prepare_reference

PROMPT = "Front view. The camera arcs left."


@pytest.fixture(scope="module", params=sorted(BACKBONES))
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    backbone = BACKBONES[request.param]()
    return Pipeline(backbone, adapter_for(backbone))


@pytest.fixture(scope="module")
def wan() -> Pipeline:
    backbone = wan_backbone()
    return Pipeline(backbone, adapter_for(backbone))


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def generate(pipeline: Pipeline, seed: int = 0, motion_seed: int = 0, **settings: Any) -> Tensor:
    motion = random_motion(pipeline.adapter, seed=motion_seed)
    return pipeline.generate(picture(3, 40, 40), motion, PROMPT, GenerationSettings(seed=seed, **settings))


# --- results ----------------------------------------------------------------------------------------------


def test_same_seed_same_result(pipeline: Pipeline) -> None:
    first = generate(pipeline)
    torch.manual_seed(123)
    assert torch.equal(first, generate(pipeline))
    assert not torch.allclose(first, generate(pipeline, seed=1), atol=1e-3)
    assert first.shape == (9, 3, 32, 32)
    assert first.dtype == torch.float32
    assert 0 <= float(first.min()) < float(first.max()) <= 1


def test_motion_text_and_scales_change_the_result(pipeline: Pipeline) -> None:
    base = generate(pipeline)
    motion = random_motion(pipeline.adapter)
    other_text = pipeline.generate(picture(3, 40, 40), motion, "Back view. The camera zooms in.")
    for changed in [
        generate(pipeline, motion_seed=1),
        generate(pipeline, motion_scale=4.0),
        generate(pipeline, text_scale=4.0),
        generate(pipeline, strength=0.5),
        generate(pipeline, body_strength=0.0),
        generate(pipeline, hand_strength=0.0),
        other_text,
    ]:
        assert not torch.equal(base, changed)


def test_strength_zero_is_the_base_model(pipeline: Pipeline) -> None:
    silent = generate(pipeline, strength=0.0)
    assert torch.equal(silent, generate(pipeline, strength=0.0, motion_seed=1, motion_scale=7.0))
    assert not torch.equal(silent, generate(pipeline))


def test_without_body_and_hands_the_motion_does_not_matter(pipeline: Pipeline) -> None:
    nothing = {"body_strength": 0.0, "hand_strength": 0.0}
    first, second = (generate(pipeline, motion_seed=seed, **nothing) for seed in (0, 1))
    assert (first - second).abs().max() <= 1e-5


def test_the_model_is_as_before(pipeline: Pipeline) -> None:
    keys = list(pipeline.backbone.transformer.state_dict())
    generate(pipeline)
    assert list(pipeline.backbone.transformer.state_dict()) == keys
    steps = vars(pipeline.backbone.scheduler).get("num_inference_steps")
    assert steps is None, "the folder's scheduler keeps no state of a run"


@pytest.mark.parametrize(
    ("settings", "forwards"),
    [
        ({}, 1),
        ({"motion_scale": 2.0}, 2),
        ({"text_scale": 2.0}, 3),
        ({"text_scale": 2.0, "motion_scale": 2.0}, 3),
        ({"strength": 0.0}, 1),
        ({"strength": 0.0, "motion_scale": 2.0}, 1),
        ({"strength": 0.0, "text_scale": 2.0}, 2),
    ],
)
def test_only_the_forwards_that_are_needed(wan: Pipeline, settings: dict[str, float], forwards: int) -> None:
    seen: list[int] = []
    hook = wan.backbone.transformer.register_forward_hook(lambda *args: seen.append(1))
    generate(wan, steps=2, **settings)
    hook.remove()
    assert len(seen) == 2 * forwards


def test_progress_and_preview(pipeline: Pipeline) -> None:
    seen: list[tuple[int, int, torch.Size]] = []
    motion = random_motion(pipeline.adapter)
    pipeline.generate(
        picture(3, 32, 32), motion, settings=GenerationSettings(steps=3),
        progress=lambda step, total, preview: seen.append((step, total, preview.shape)),
    )  # fmt: skip
    shape = torch.Size([1, *pipeline.backbone.latent_shape(9, 32, 32)])
    assert seen == [(1, 3, shape), (2, 3, shape), (3, 3, shape)]


def test_cancel_in_mid_run(pipeline: Pipeline) -> None:
    expected, keys = generate(pipeline, steps=3), list(pipeline.backbone.transformer.state_dict())
    seen: list[int] = []
    with pytest.raises(Cancelled):
        pipeline.generate(
            picture(3, 40, 40), random_motion(pipeline.adapter), PROMPT, GenerationSettings(steps=3),
            progress=lambda step, total, preview: seen.append(step), cancelled=lambda: len(seen) == 1,
        )  # fmt: skip
    assert seen == [1]
    assert list(pipeline.backbone.transformer.state_dict()) == keys
    assert torch.equal(generate(pipeline, steps=3), expected)


def test_a_failing_callback_leaves_the_model_as_it_was(wan: Pipeline) -> None:
    def fail(step: int, total: int, preview: Tensor) -> None:
        raise RuntimeError("the window was closed")

    with pytest.raises(RuntimeError, match="window was closed"):
        wan.generate(picture(3, 32, 32), random_motion(wan.adapter), progress=fail)
    assert not hasattr(wan.backbone.blocks[0], "motion")


def test_a_text_encoder_that_knows_only_the_camera_language() -> None:
    backbone = wan_backbone()
    adapter = adapter_for(backbone, record=replace(RECORD, text_grammar="camera_language"))
    pipeline = Pipeline(backbone, adapter)
    motion, image = random_motion(adapter), picture(3, 32, 32)
    results = [
        pipeline.generate(image, motion, text)
        for text in ("Seen from the front, the camera is sweeping in an arc to the left", PROMPT, "")
    ]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[1], results[2])


# --- the paper's other uses -------------------------------------------------------------------------------


def test_novel_view_repeats_the_image(wan: Pipeline) -> None:
    image = picture(3, 40, 40)
    found = wan.novel_view(image, PROMPT, GenerationSettings(num_frames=5))
    repeated = wan.encode_motion(image.expand(5, 3, 40, 40), fps=12)
    assert torch.allclose(found, wan.generate(image, repeated, PROMPT), atol=1e-4)
    assert len(wan.novel_view(image, PROMPT)) == RECORD.num_frames


def test_stabilise_takes_the_first_frame_and_a_still_camera(wan: Pipeline) -> None:
    clip = picture(9, 3, 40, 40)
    expected = wan.generate(clip[0], wan.encode_motion(clip, 12), "The camera remains static.")
    assert torch.equal(wan.stabilise(clip, 12), expected)


# --- motions ----------------------------------------------------------------------------------------------


def test_encoding_in_chunks_changes_nothing(wan: Pipeline) -> None:
    clip, hands = picture(7, 3, 50, 40), picture(7, 2, 3, 20, 20, seed=1)
    present = torch.tensor([[True, False]] * 3 + [[False, True]] * 4)
    seen: list[tuple[int, int]] = []
    whole = wan.encode_motion(clip, 12, hands, present)
    parts = wan.encode_motion(
        clip, 12, hands, present, chunk=3, progress=lambda done, total: seen.append((done, total))
    )
    assert torch.allclose(whole.tokens, parts.tokens, atol=1e-5)
    assert torch.equal(parts.hand_present, present)
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert (parts.fps, parts.source_size, parts.encoder_id) == (12.0, (50, 40), wan.adapter.encoder_id)
    assert not wan.encode_motion(clip, 12).hand_present.any()


def test_bytes_and_floats_encode_alike(wan: Pipeline) -> None:
    pixels = torch.randint(0, 256, (3, 3, 20, 20), dtype=torch.uint8)
    assert torch.equal(wan.encode_motion(pixels, 12).body, wan.encode_motion(pixels / 255, 12).body)


def test_encoding_can_be_cancelled(wan: Pipeline) -> None:
    with pytest.raises(Cancelled):
        wan.encode_motion(picture(4, 3, 20, 20), 12, cancelled=lambda: True)


def test_the_motion_keeps_its_speed(wan: Pipeline) -> None:
    """A motion at 24 fps on a model of 12 fps: every second frame, not slow motion."""
    fast = random_motion(wan.adapter, frames=17, fps=24.0)
    image = picture(3, 32, 32)
    assert torch.equal(wan.generate(image, fast), wan.generate(image, resample(fast, 12.0)))
    assert len(wan.generate(image, fast)) == 9
    assert len(wan.generate(image, fast, settings=GenerationSettings(fps=24.0))) == 17


def test_fitting_a_motion(wan: Pipeline) -> None:
    motion = random_motion(wan.adapter, frames=12)
    assert fit_motion(motion, 12.0).num_frames == 9
    assert fit_motion(motion, 12.0, 5).num_frames == 5
    with pytest.raises(
        ValueError, match="13 frames were asked for, but the motion has 12 at 12 fps: ask for 9 or fewer"
    ):
        fit_motion(motion, 12.0, 13)
    held = fit_motion(motion, 12.0, 17, hold_last=True)
    assert torch.equal(held.body[:12], motion.body)
    assert torch.equal(held.body[12:], motion.body[-1:].expand(5, -1, -1))
    assert fit_motion(random_motion(wan.adapter, frames=1), 12.0).num_frames == 1
    with pytest.raises(ValueError, match="use 5 or 9"):
        fit_motion(motion, 12.0, 7)


# --- references -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(1, 1), (32, 32), (33, 90), (700, 11), (20, 4000)])
def test_any_reference_becomes_the_asked_size(height: int, width: int) -> None:
    made = prepare_reference(picture(3, height, width), 48, 32)
    assert made.shape == (3, 48, 32)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1


def test_the_reference_keeps_its_aspect() -> None:
    circle = (torch.linspace(-1, 1, 64)[:, None] ** 2 + torch.linspace(-2, 2, 128) ** 2 < 0.8**2).float()
    made = prepare_reference(circle.expand(3, -1, -1), 32, 32)[0] > 0.5
    assert abs(int(made.any(0).sum()) - int(made.any(1).sum())) <= 1
    exact = picture(3, 32, 32)
    assert torch.equal(prepare_reference(exact, 32, 32), exact)


def test_the_output_size_follows_the_reference(wan: Pipeline) -> None:
    settings = GenerationSettings()
    assert wan.output_size(picture(3, 500, 500), settings) == (32, 32)
    tall = wan.output_size(picture(3, 800, 400), settings)
    assert tall[0] > tall[1]
    assert wan.output_size(picture(3, 5, 5), GenerationSettings(height=64, width=48)) == (64, 48)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda p, m: p.generate(picture(4, 8, 8), m),
            r"reference image must be \[3, height, width\], got \[4, 8, 8\]",
        ),
        (lambda p, m: p.generate(picture(2, 3, 8, 8), m), "reference image must be"),
        (lambda p, m: p.generate(picture(3, 0, 8), m), "reference image must be"),
        (lambda p, m: p.generate(picture(3, 8, 8) * 255, m), "values from .* expected 0 to 1"),
        (lambda p, m: p.generate(picture(3, 8, 8) * float("nan"), m), "values from nan"),
        (lambda p, m: p.generate(picture(3, 8, 80), m), r"longer than 4 : 1"),
        (lambda p, m: p.encode_motion(picture(0, 3, 8, 8), 12), r"driving video must be \[frames, 3, height, width\]"),
        (lambda p, m: p.encode_motion(picture(3, 8, 8), 12), "driving video must be"),
        (lambda p, m: p.encode_motion(picture(2, 3, 8, 8) * float("inf"), 12), "values from"),
        (lambda p, m: p.encode_motion(picture(2, 3, 8, 8), 0), "fps is 0"),
        (lambda p, m: p.encode_motion(picture(2, 3, 8, 8), 12, picture(1, 2, 3, 8, 8)), "hand crops must be"),
        (lambda p, m: p.generate(picture(3, 8, 8), m, settings=GenerationSettings(height=30, width=32)), "use 32 × 32"),
        (lambda p, m: p.generate(picture(3, 8, 8), m, settings=GenerationSettings(num_frames=8)), "use 5 or 9"),
        (lambda p, m: p.generate(picture(3, 8, 8), m, settings=GenerationSettings(num_frames=13)), "has 9 at 12 fps"),
        (lambda p, m: p.generate(picture(3, 8, 8), m, settings=GenerationSettings(steps=0)), "steps is 0"),
        (lambda p, m: p.generate(picture(3, 8, 8), m, settings=GenerationSettings(text_scale=-1)), "text_scale is -1"),
        (lambda p, m: GenerationSettings(strength=float("nan")), "strength is nan"),
        (lambda p, m: GenerationSettings(height=32), "give both, or neither"),
    ],
)
def test_wrong_inputs_are_told(wan: Pipeline, call: Callable[[Pipeline, Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(wan, random_motion(wan.adapter))
    assert not hasattr(wan.backbone.blocks[0], "motion")


def test_what_does_not_fit_is_refused(wan: Pipeline) -> None:
    with pytest.raises(AdapterError, match=r"width 32, .*width 64"):
        Pipeline(wan_backbone(dim=64), wan.adapter)
    stranger = replace(random_motion(wan.adapter), encoder_id="0123456789abcdef")
    with pytest.raises(AdapterError, match="encoder 0123456789abcdef"):
        wan.generate(picture(3, 32, 32), stranger)
