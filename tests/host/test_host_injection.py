"""Motion in the host's MODEL: what it changes, what it leaves alone, what it survives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.context_windows
import comfy.model_management
import comfy.sample
import comfy.sd
import pytest
import torch
from comfy_api.torch_helpers import set_torch_compile_wrapper
from injected import FRAMES, Stage
from threedimo_pack.nodes.comfy_injection import KEY, Gate, MotionWrapper
from threedimo_pack.nodes.motion_cond import COND_KEY, MotionPayload, with_motion
from tiny_host import BACKBONES, hold, host_wan, mini_backbone, motion_of
from tiny_models import injection_for
from torch import Tensor


@pytest.fixture(params=list(BACKBONES))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return Stage(request.param, tmp_path)


@pytest.fixture
def wan(tmp_path: Path) -> Stage:
    return Stage("wan", tmp_path)


def forwards_left(model: Any) -> list[str]:
    """Modules that carry a forward of their own."""
    return [name for name, module in model.model.named_modules() if "forward" in module.__dict__]


# --- what it leaves alone ---------------------------------------------------------------------------------


def test_fresh_motion_layers_change_nothing(stage: Stage) -> None:
    stage.adapter.injection.load_state_dict(injection_for(stage.backbone, awake=False).state_dict())
    stage.loaded = hold(stage.adapter, stage.folder)
    assert torch.equal(stage.sample(*stage.apply()), stage.plain())


@pytest.mark.parametrize("changes", [{"strength": 0.0}, {"end_percent": 0.0}, {"start_percent": 1.0}])
def test_switched_off_it_changes_nothing(stage: Stage, changes: dict[str, float]) -> None:
    assert torch.equal(stage.sample(*stage.apply(**changes)), stage.plain())


def test_the_model_given_stays_as_it_was(stage: Stage) -> None:
    before = stage.plain()
    moved = stage.sample(*stage.apply())
    assert (moved - before).abs().max() > 1e-2
    assert forwards_left(stage.model) == []
    assert torch.equal(stage.plain(), before)


def test_a_failed_run_leaves_the_model_as_it_was(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stage.plain()
    model, positive, negative = stage.apply()

    def fail(*args: Any) -> None:
        raise RuntimeError("in the middle")

    last = stage.loaded.adapter.injection.layers[-1]
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="in the middle"):
        patch.setattr(last, "forward", fail)
        stage.sample(model, positive, negative)
    assert forwards_left(stage.model) == []
    assert torch.equal(stage.plain(), before)


def test_cancelled_in_mid_run(wan: Stage) -> None:
    before, moved = wan.plain(), wan.sample(*wan.apply())

    def cancel(step: int, *args: Any) -> None:
        comfy.model_management.interrupt_current_processing()

    with pytest.raises(comfy.model_management.InterruptProcessingException):
        wan.sample(*wan.apply(), callback=cancel)
    comfy.model_management.interrupt_current_processing(False)
    assert torch.equal(wan.plain(), before)
    assert torch.equal(wan.sample(*wan.apply()), moved)


def test_another_extensions_forward_stays_in_the_chain(wan: Stage) -> None:
    norm = wan.model.model.diffusion_model.blocks[0].norm3
    inner, seen = norm.forward, []

    def foreign(x: Tensor) -> Tensor:
        seen.append(1)
        return inner(x)

    moved = wan.sample(*wan.apply())
    norm.forward = foreign
    assert torch.equal(wan.sample(*wan.apply()), moved)
    assert seen and norm.__dict__["forward"] is foreign


# --- strength and time ------------------------------------------------------------------------------------


def test_strength_and_parts_of_the_body_act(wan: Stage) -> None:
    changes: list[dict[str, float]] = [
        {}, {"strength": 0.5}, {"body_strength": 0.0}, {"hand_strength": 0.0}, {"start_percent": 0.6},
        {"end_percent": 0.6}, {"body_strength": 0.0, "hand_strength": 0.0},
    ]  # fmt: skip
    made = [wan.plain(steps=4), *(wan.sample(*wan.apply(**c), steps=4) for c in changes)]
    for i, first in enumerate(made):
        for second in made[:i]:
            assert (first - second).abs().max() > 1e-4


def test_no_body_and_no_hands_is_no_motion(wan: Stage) -> None:
    model, _, _ = wan.apply()
    none = MotionPayload(None)
    expected = wan.sample(model, with_motion(wan.positive, none), with_motion(wan.negative, none))
    made = wan.sample(*wan.apply(body_strength=0.0, hand_strength=0.0))
    assert torch.allclose(made, expected, atol=1e-6)


def test_the_gate_is_open_from_start_up_to_end(wan: Stage) -> None:
    sampling = wan.model.get_model_object("model_sampling")
    steps = [float(sampling.percent_to_sigma(p)) for p in (0.0, 0.25, 0.5, 0.75)]

    def opened(start: float, end: float) -> list[bool]:
        return [Gate(start=start, end=end).is_open(sampling, sigma) for sigma in steps]

    assert opened(0.0, 1.0) == [True] * 4
    assert opened(0.0, 0.0) == [False] * 4, "the host's percent 0 is sigma 1, the first step's"
    assert opened(0.0, 0.5) == [True, True, False, False]
    assert opened(0.5, 1.0) == [False, False, True, True]
    assert opened(0.25, 0.75) == [False, True, True, False]
    assert opened(1.0, 1.0) == [False] * 4


def test_a_shift_set_after_it_counts(wan: Stage) -> None:
    """Start and end are resolved when sampling: ModelSamplingSD3 may come after Apply 3DiMo."""
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    model, positive, negative = wan.apply(end_percent=0.5)
    (shifted,) = ModelSamplingSD3().patch(model, shift=9.0)
    before = wan.apply(model=ModelSamplingSD3().patch(wan.model, shift=9.0)[0], end_percent=0.5)
    assert torch.equal(wan.sample(shifted, positive, negative, steps=4), wan.sample(*before, steps=4))


# --- what it survives -------------------------------------------------------------------------------------


def test_twice_in_a_row_cloned_unloaded_and_loaded_again(stage: Stage) -> None:
    model, positive, negative = stage.apply()
    first = stage.sample(model, positive, negative)
    assert torch.equal(stage.sample(model, positive, negative), first)
    assert torch.equal(stage.sample(model.clone(), positive, negative), first)
    comfy.model_management.unload_all_models()
    assert torch.equal(stage.sample(model, positive, negative), first)
    assert torch.equal(stage.sample(*stage.apply()), first)


def test_the_host_loads_the_motion_layers(stage: Stage) -> None:
    comfy.model_management.unload_all_models()
    stage.sample(*stage.apply())
    held = {loaded.model.model: loaded for loaded in comfy.model_management.current_loaded_models}
    injection = stage.loaded.adapter.injection
    assert injection in held
    size = sum(weight.numel() * weight.element_size() for weight in injection.parameters())
    assert held[injection].model_memory() == size, "the host counts all that is added"
    comfy.model_management.unload_all_models()


def test_positive_and_negative_run_as_one_batch(stage: Stage) -> None:
    model, positive, negative = stage.apply()
    rows: list[int] = []
    wrapper = model.get_wrappers("apply_model", KEY)[0]
    inner = wrapper.injection.layers[0].forward

    def count(x: Tensor, context: Any) -> Tensor:
        rows.append(len(x))
        return inner(x, context)

    wrapper.injection.layers[0].forward = count
    together = stage.sample(model, positive, negative, batch=2)
    del wrapper.injection.layers[0].forward
    assert rows == [4, 4]
    alone = stage.sample(model, positive, negative, batch=2, cfg=1.0)
    assert together.shape == alone.shape


def test_conditioning_of_other_nodes_is_kept(wan: Stage) -> None:
    marked = [[wan.positive[0][0], {"strength": 0.5, "model_conds": {"other": "theirs"}}]]
    ((_, options),) = with_motion(marked, MotionPayload(None))
    assert options["strength"] == 0.5 and options["model_conds"]["other"] == "theirs"
    assert COND_KEY in options["model_conds"] and COND_KEY not in marked[0][1]["model_conds"]


def test_a_negative_without_motion_is_guided_from_no_motion(wan: Stage) -> None:
    """Only the positive connected: guidance then acts on text and motion together."""
    model, positive, _ = wan.apply()
    expected = wan.sample(model, positive, with_motion(wan.negative, MotionPayload(None)))
    assert torch.allclose(wan.sample(model, positive, wan.negative), expected, atol=1e-5)


def lora_for(transformer: Any, scale: float = 0.3) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(11)
    for name in ("blocks.0.self_attn.q", "blocks.1.ffn.0"):
        out, into = transformer.get_submodule(name).weight.shape
        weights[f"diffusion_model.{name}.lora_A.weight"] = scale * torch.randn(4, into, generator=generator)
        weights[f"diffusion_model.{name}.lora_B.weight"] = scale * torch.randn(out, 4, generator=generator)
    return weights


@pytest.mark.parametrize("lora_first", [True, False])
def test_a_lora_and_the_motion_add_up(wan: Stage, lora_first: bool) -> None:
    lora = lora_for(wan.model.model.diffusion_model)
    merged = host_wan(wan.backbone.transformer)
    for name in {key.rsplit(".lora_", 1)[0] for key in lora}:
        layer = merged.model.get_submodule(name)
        layer.weight.data += lora[f"{name}.lora_B.weight"] @ lora[f"{name}.lora_A.weight"]
    expected = wan.sample(*wan.apply(model=merged))
    if lora_first:
        patched, _ = comfy.sd.load_lora_for_models(wan.model, None, lora, 1.0, 0.0)
        made = wan.sample(*wan.apply(model=patched))
    else:
        model, positive, negative = wan.apply()
        patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)
        made = wan.sample(patched, positive, negative)
    assert (made - expected).abs().max() < 1e-4
    assert (made - wan.sample(*wan.apply())).abs().max() > 1e-3, "the LoRA must have acted"


def test_an_fp8_model(wan: Stage) -> None:
    fp8 = host_wan(wan.backbone.transformer, dtype=torch.float8_e4m3fn)
    rounded = mini_backbone().transformer
    for name, value in rounded.named_parameters():
        if not name.startswith("patch_embedding"):  # which the host keeps in float32
            value.data = value.data.to(torch.float8_e4m3fn).float()
    made = wan.sample(*wan.apply(model=fp8))
    assert (made - wan.sample(*wan.apply(model=host_wan(rounded)))).abs().max() < 1e-3
    assert fp8.model.diffusion_model.blocks[0].ffn[0].weight.dtype == torch.float8_e4m3fn


def test_layers_stored_in_half_precision(wan: Stage) -> None:
    from threedimo_pack.nodes.holding import hold_adapter

    from threedimo_core.checkpoint import save_adapter

    expected = wan.sample(*wan.apply())
    wan.loaded = hold_adapter(save_adapter(wan.folder / "half.safetensors", wan.adapter, torch.float16), "half")
    wan.motion = motion_of(wan.loaded.adapter, FRAMES)
    assert wan.loaded.adapter.injection.layers[0].to_q.weight.dtype == torch.float16
    assert (wan.sample(*wan.apply()) - expected).abs().max() < 2e-2


def compiled(model: Any) -> Any:
    """As TorchCompileModel does it, with a backend that needs no C++ compiler."""
    from comfy_extras.nodes_torch_compile import skip_torch_compile_dict

    model = model.clone()
    set_torch_compile_wrapper(model, backend="eager", options={"guard_filter_fn": skip_torch_compile_dict})
    return model


def graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.slow
@pytest.mark.parametrize("compiled_first", [True, False])
def test_a_compiled_model(wan: Stage, compiled_first: bool) -> None:
    """The same results, the layers switched on and off in mid-run, and nothing compiled anew at every step."""
    settings = {"end_percent": 0.5}
    expected = wan.sample(*wan.apply(**settings), steps=4)
    torch._dynamo.reset()
    base = compiled(wan.model) if compiled_first else wan.model

    def run() -> Tensor:
        model, positive, negative = wan.apply(model=base, **settings)
        return wan.sample(model if compiled_first else compiled(model), positive, negative, steps=4)

    before = graphs()
    assert (run() - expected).abs().max() < 1e-4
    first = graphs()
    assert first > before
    if compiled_first:
        assert (run() - expected).abs().max() < 1e-4
        assert graphs() == first
    torch._dynamo.reset()


# --- long clips -------------------------------------------------------------------------------------------


def windowed(model: Any, length: int, overlap: int) -> Any:
    from comfy_extras.nodes_context_windows import WanContextWindowsManualNode

    handled = WanContextWindowsManualNode.execute(
        model, length, overlap, "standard_static", 1, False, "pyramid", False, split_conds_to_windows=False,
        **({"retain_first_frame": False} if "retain_first_frame" in _inputs(WanContextWindowsManualNode) else {}),
    )  # fmt: skip
    return handled.result[0]


def _inputs(node: Any) -> list[str]:
    return [part.id for part in node.define_schema().inputs]


def test_windows_keep_the_motions_phase(wan: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """241 frames through windows of 81: every latent frame reads the same motion as without windows."""
    wan.motion = motion_of(wan.adapter, 241)
    model, positive, negative = wan.apply()
    contexts: list[Any] = []
    make = MotionWrapper._context

    def remember(self: MotionWrapper, payloads: Any, x: Tensor, window: Any) -> Any:
        contexts.append((window, x.shape[2], make(self, payloads, x, window)))
        return contexts[-1][2]

    monkeypatch.setattr(MotionWrapper, "_context", remember)
    full = wan.sample(model, positive, negative, steps=1, latents=61)
    ((_, _, whole),) = contexts
    contexts.clear()
    made = wan.sample(windowed(model, 81, 28), positive, negative, steps=1, latents=61)
    assert made.shape == full.shape and torch.isfinite(made).all()
    assert len(contexts) >= 4
    seen: set[int] = set()
    for window, latents, part in contexts:
        rows = part.latent_time[0].long()
        anchored = latents - len(window.index_list)
        assert rows.tolist()[anchored:] == list(window.index_list) and anchored in (0, 1)
        assert torch.equal(part.frame_index, whole.frame_index[:, rows])
        assert torch.equal(part.frame_valid, whole.frame_valid[:, rows])
        assert torch.equal(part.tokens, whole.tokens)
        seen |= set(rows.tolist())
    assert seen == set(range(61))
    if hasattr(comfy.context_windows, "slice_cond"):  # hosts that have anchor frames
        assert any(latents > len(window.index_list) for window, latents, _ in contexts)


def test_a_clip_that_fits_one_window_is_as_without(wan: Stage) -> None:
    model, positive, negative = wan.apply()
    expected = wan.sample(model, positive, negative)
    assert torch.equal(wan.sample(windowed(model, 81, 28), positive, negative), expected)
