"""What people do wrong, through the web interface of a running host: each is told in words, and the host goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from live_host import HostError, LiveHost
from stage import api_workflow, changed, quickened, workflow_names
from tiny_host import MINI_RECORD, mini_backbone, motion_of
from tiny_models import adapter_for

from threedimo_core.checkpoint import save_adapter

Prompt = dict[str, Any]


@pytest.fixture(scope="module")
def prompt() -> Prompt:
    return quickened(api_workflow(workflow_names()[0]), steps=1)


@pytest.fixture(scope="module")
def shelf(host: LiveHost) -> LiveHost:
    """Files that are not what their names say."""
    motions = host.base / "input/motions"
    motions.mkdir(parents=True, exist_ok=True)
    motion = motion_of(adapter_for(mini_backbone(), record=MINI_RECORD), 17)
    whole = motion.save(motions / "whole.safetensors").read_bytes()
    replace(motion, encoder_id="another").save(motions / "alien.safetensors")
    (motions / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    (motions / "pickle.safetensors").write_bytes(b"\x80\x04\x95 a pickle")
    (motions / "picture.safetensors").write_bytes((host.base / "input/reference.png").read_bytes())
    (host.base / "models/threedimo/a_motion.safetensors").write_bytes(whole)
    (host.base / "models/threedimo/half.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    wide = adapter_for(mini_backbone(dim=48), record=MINI_RECORD)
    save_adapter(host.base / "models/threedimo/wide.safetensors", wide)
    (host.base / "secret.safetensors").write_bytes(whole)
    return host


def node(kind: str, **inputs: Any) -> Prompt:
    return {"class_type": kind, "inputs": inputs}


def output_of(prompt: Prompt, kind: str, slot: int = 0) -> list[Any]:
    return [next(id for id, node in prompt.items() if node["class_type"] == kind), slot]


def images(frames: int = 9, side: int = 32, channels: int = 3, values: str = "pictures") -> Prompt:
    return {"images": node("StandInImages", frames=frames, side=side, channels=channels, values=values)}


def driven_by(**given: Any) -> Callable[[Prompt], Prompt]:
    """The first workflow with another driving video."""
    return lambda p: p | images(**given) | changed(p, "ThreeDiMoEncodeMotion", images=["images", 0])


def referring_to(**given: Any) -> Callable[[Prompt], Prompt]:
    return lambda p: p | images(**given) | changed(p, "ThreeDiMoLatent", reference=["images", 0])


def with_inputs(kind: str, **inputs: Any) -> Callable[[Prompt], Prompt]:
    return lambda p: p | changed(p, kind, **inputs)


def tool(kind: str, **inputs: Any) -> Callable[[Prompt], Prompt]:
    """A motion tool between the encoder and what follows."""
    return lambda p: p | {"tool": node(kind, motion=output_of(p, "ThreeDiMoEncodeMotion"), **inputs),
                          "info": node("ThreeDiMoMotionInfo", motion=["tool", 0])}  # fmt: skip


def motion_file(name: str) -> Callable[[Prompt], Prompt]:
    return lambda p: p | {"file": node("ThreeDiMoLoadMotion", file=name)} | changed(
        p, "ThreeDiMoSampler", motion=["file", 0])  # fmt: skip


def saving(kind: str, prefix: str, **more: Any) -> Callable[[Prompt], Prompt]:
    return lambda p: p | {"save": node(kind, motion=output_of(p, "ThreeDiMoEncodeMotion"), filename_prefix=prefix,
                                       if_exists="replace", **more)}  # fmt: skip


def exporting(prefix: str) -> Callable[[Prompt], Prompt]:
    return lambda p: saving("ThreeDiMoExportMotion", prefix, model_3dimo=output_of(p, "ThreeDiMoLoadModel"),
                            format="BVH", smoothing=0.0)(p)  # fmt: skip


def without_its_conditioning(p: Prompt) -> Prompt:
    """Apply 3DiMo, and a KSampler with the conditioning from before it."""
    grid, sampler = output_of(p, "ThreeDiMoLatent")[0], output_of(p, "ThreeDiMoSampler")[0]
    names = ("model", "model_3dimo", "motion", "positive", "negative", "strength", "start_percent", "end_percent",
             "body_strength", "hand_strength", "fps")  # fmt: skip
    apply = node("ThreeDiMoApply", **{name: p[sampler]["inputs"][name] for name in names})
    sample = node("KSampler", model=["apply", 0], positive=[grid, 0], negative=[grid, 1], latent_image=[grid, 2],
                  seed=1, steps=1, cfg=1.0, sampler_name="euler", scheduler="simple", denoise=1.0)  # fmt: skip
    return p | {"apply": apply, sampler: sample}


CASES: dict[str, tuple[Callable[[Prompt], Prompt], str]] = {
    "no frames": (driven_by(frames=0), "no frames|at least one frame|driving video"),
    "frames without pixels": (driven_by(side=0), "driving video"),
    "frames of one channel": (driven_by(channels=1), r"\[frames, height, width, 3\]"),
    "frames of 0 to 255": (driven_by(values="255"), "expected 0 to 1"),
    "frames that are not numbers": (driven_by(values="nan"), "driving video"),
    "a reference without a picture": (referring_to(frames=0), "reference"),
    "a reference of 0 to 255": (referring_to(frames=1, values="255"), "the reference.*expected 0 to 1"),
    "a reference that is not numbers": (referring_to(frames=1, values="nan"), "the reference"),
    "a length off the grid": (with_inputs("ThreeDiMoLatent", length=18), "use 17 or 21"),
    "a width off the grid": (with_inputs("ThreeDiMoLatent", width=72, height=64), "width.*64.*80|multiple of 16"),
    "a width alone": (with_inputs("ThreeDiMoLatent", width=64), "give both, or leave both 0"),
    "a video longer than the motion": (with_inputs("ThreeDiMoLatent", length=481), "frames were asked for"),
    "a rate that makes the motion too short": (with_inputs("ThreeDiMoSampler", fps=1.0), "make the latent .* shorter"),
    "start behind end": (with_inputs("ThreeDiMoSampler", start_percent=0.8, end_percent=0.2), "must not lie behind"),
    "guidance without a negative": (
        lambda p: {id: {**n, "inputs": {k: v for k, v in n["inputs"].items() if k != "negative"}}
                   if n["class_type"] == "ThreeDiMoSampler" else n
                   for id, n in (p | changed(p, "ThreeDiMoSampler", text_guidance=3.0)).items()},
        "needs a negative conditioning",
    ),
    "conditioning from before Apply 3DiMo": (without_its_conditioning, "connect the positive and negative"),
    "moves that contradict": (with_inputs("ThreeDiMoCameraPrompt", second_move="move right"), "at the same time"),
    "a cut beyond the end": (tool("ThreeDiMoTrimMotion", start=20, length=40), "the motion has 25"),
    "a fade longer than the motion": (tool("ThreeDiMoLoopMotion", frames=99, fade=25, ping_pong=False), "0 to 24"),
    "a frame beyond the end": (tool("ThreeDiMoHoldMotion", frame=99, frames=5), "frames 0 to 24"),
    "a motion of another encoder": (motion_file("motions/alien.safetensors"), "encoder another"),
    "half a motion file": (motion_file("motions/half.safetensors"), "half.safetensors"),
    "a pickle by the name of a motion": (motion_file("motions/pickle.safetensors"), "pickle"),
    "a picture by the name of a motion": (motion_file("motions/picture.safetensors"), "picture.safetensors"),
    "a motion that is gone": (motion_file("motions/gone.safetensors"), "no motion file"),
    "a motion outside the folder": (motion_file("../secret"), "climbs out"),
    "a motion by absolute path": (motion_file("/etc/passwd"), "passwd"),
    "saving outside the folder": (saving("ThreeDiMoSaveMotion", "../../out"), "climbs out"),
    "saving with backslashes": (saving("ThreeDiMoSaveMotion", "..\\..\\out"), "climbs out"),
    "saving to an absolute path": (saving("ThreeDiMoSaveMotion", "/tmp/out"), "/tmp/out"),
    "exporting outside the folder": (exporting("../out"), "climbs out"),
    "a model that is gone": (with_inputs("ThreeDiMoLoadModel", name="gone.safetensors"), "gone.safetensors"),
    "a motion by the name of a model": (with_inputs("ThreeDiMoLoadModel", name="a_motion.safetensors"), "motion"),
    "half a model": (with_inputs("ThreeDiMoLoadModel", name="half.safetensors"), "half.safetensors"),
    "a model for a larger backbone": (with_inputs("ThreeDiMoLoadModel", name="wide.safetensors"), "width 48.*width"),
}  # fmt: skip


@pytest.mark.parametrize("given", list(CASES))
def test_it_is_told_in_words(shelf: LiveHost, prompt: Prompt, given: str) -> None:
    change, said = CASES[given]
    with pytest.raises(HostError, match=f"(?s){said}"):
        shelf.run(change(prompt))
    assert not list(shelf.base.glob("out*.safetensors")) and not list(shelf.base.parent.glob("out*"))


def test_the_next_run_is_right(shelf: LiveHost, prompt: Prompt) -> None:
    again = prompt | changed(prompt, "ThreeDiMoSampler", seed=123)
    assert shelf.run(again)


@pytest.mark.parametrize("frames", [1, 2, 1000])
def test_any_number_of_frames(shelf: LiveHost, prompt: Prompt, frames: int) -> None:
    """1 frame is a pose; 1000 are read in chunks; either is looped or cut to make a video."""
    graph = driven_by(frames=frames)(prompt)
    del graph[output_of(graph, "ThreeDiMoPreviewMotion")[0]]
    motion = output_of(graph, "ThreeDiMoEncodeMotion")
    loop = node("ThreeDiMoLoopMotion", motion=motion, frames=17, fade=0, ping_pong=False)
    graph |= {"loop": loop, "info": node("ThreeDiMoMotionInfo", motion=motion)}
    graph |= changed(graph, "ThreeDiMoLatent", motion=["loop", 0])
    graph |= changed(graph, "ThreeDiMoSampler", motion=["loop", 0])
    shown = shelf.run(graph)["info"]["text"][0]
    assert shown.startswith(f"{frames} frame")
