"""The shipped workflows: each fits this host's nodes, and runs, on the mini or on stand-ins of the same classes."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from live_host import LiveHost, error_of
from stage import WORKFLOWS, api_workflow, changed, quickened, workflow_names

from threedimo_core.images import read_image

NAMES = workflow_names()


@pytest.fixture(scope="module")
def known(host: LiveHost) -> dict[str, Any]:
    return dict(host.get("/object_info"))


def test_there_are_nine_and_each_has_its_twin() -> None:
    assert len(NAMES) == 9
    assert sorted(path.stem for path in WORKFLOWS.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nodes_and_inputs_are_known_to_the_host(name: str, known: dict[str, Any]) -> None:
    for node in api_workflow(name).values():
        assert node["class_type"] in known, node["class_type"]
        groups = known[node["class_type"]]["input"]
        required, optional = groups.get("required", {}), groups.get("optional", {})
        missing = [name for name in required if name not in node["inputs"] and not _dynamic(required[name])]
        assert not missing, f"{node['class_type']} lacks {missing}"
        if node["class_type"].startswith("ThreeDiMo"):
            unknown = set(node["inputs"]) - set(required) - set(optional)
            assert not unknown, f"{node['class_type']} has no {unknown}"
        for name, value in node["inputs"].items():
            spec = required.get(name) or optional.get(name)
            if spec is not None and not isinstance(value, list):
                _require_choice(node["class_type"], name, value, spec)


def _dynamic(spec: list[Any]) -> bool:
    return str(spec[0]).startswith("COMFY_")


def _require_choice(kind: str, name: str, value: Any, spec: list[Any]) -> None:
    options = spec[0] if isinstance(spec[0], list) else spec[1].get("options", []) if spec[0] == "COMBO" else []
    if options and name != "file":  # a motion that the workflow saves itself is not listed yet
        assert value in options, f"{kind}.{name} is {value!r}, not one of {options[:8]}"


@pytest.mark.parametrize("name", NAMES)
def test_the_ui_file_holds_the_same_graph(name: str) -> None:
    graph, api = json.loads((WORKFLOWS / f"{name}.json").read_text()), api_workflow(name)
    nodes = {str(node["id"]): node for node in graph["nodes"] if node["type"] not in ("MarkdownNote", "Note")}
    assert {id: node["type"] for id, node in nodes.items()} == {id: node["class_type"] for id, node in api.items()}
    links = {
        (str(to), nodes[str(to)]["inputs"][slot]["name"]): [str(source), out]
        for _, source, out, to, slot, _ in graph["links"]
    }
    wanted = {
        (id, name): value
        for id, node in api.items()
        for name, value in node["inputs"].items()
        if isinstance(value, list)
    }
    assert links == wanted
    assert graph["groups"] and any(node["type"] == "MarkdownNote" for node in graph["nodes"])


def test_the_host_offers_them_with_a_picture_each(host: LiveHost) -> None:
    assert sorted(host.get("/workflow_templates")["ComfyUI-3DiMo"]) == NAMES
    for name in NAMES:
        picture = _get(host, f"/api/workflow_templates/ComfyUI-3DiMo/{name}.jpg")
        assert picture[:3] == b"\xff\xd8\xff" and len(picture) < 400_000, name


def test_the_host_serves_a_docs_page_for_every_node(host: LiveHost, known: dict[str, Any]) -> None:
    ours = [name for name in known if name.startswith("ThreeDiMo")]
    assert len(ours) == 21
    for name in ours:
        assert _get(host, f"/extensions/ComfyUI-3DiMo/docs/{name}.md").startswith(b"# "), name


def _get(host: LiveHost, path: str) -> bytes:
    with urllib.request.urlopen(host.url + path, timeout=60) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("name", NAMES)
def test_workflow_runs(name: str, host: LiveHost) -> None:
    prompt = quickened(api_workflow(name))
    outputs = host.run(prompt)
    videos = [
        shown for id, shown in outputs.items() if prompt[id]["class_type"] == "SaveVideo" for shown in shown["images"]
    ]
    saves_video = any(node["class_type"] == "SaveVideo" for node in prompt.values())
    assert len(videos) == int(saves_video)
    for video in videos:
        frames = read_frames(host.output(video))
        assert (len(frames) - 1) % 4 == 0 and len(frames) > 1
        assert frames.std() > 1, "a constant picture"
        assert len(frames) == 241 or "long" not in name


def test_the_camera_and_the_motion_change_the_video(host: LiveHost) -> None:
    prompt = quickened(api_workflow(NAMES[0]))
    base = _frames(host, prompt)
    assert base.shape[0] == 17
    reloaded = changed(prompt, "ThreeDiMoEncodeMotion", chunk_frames=5)
    assert np.abs(base - _frames(host, prompt | reloaded)).max() <= 1, "same seed, same video"
    camera = _frames(host, prompt | changed(prompt, "ThreeDiMoCameraPrompt", move="zoom in", angle=0.0))
    motion = _frames(host, prompt | changed(prompt, "ThreeDiMoSampler", body_strength=0.0, hand_strength=0.0))
    assert np.abs(base - camera).max() > 2 and np.abs(base - motion).max() > 2


def test_cancel_in_mid_run(host: LiveHost) -> None:
    prompt = quickened(api_workflow(NAMES[0]), steps=200)
    id = host.queue(prompt | changed(prompt, "ThreeDiMoSampler", seed=99))
    while host.get("/queue")["queue_running"] == []:
        pass
    host.post("/interrupt", {})
    assert error_of(host.wait(id)) == "interrupted"
    assert host.run(quickened(api_workflow(NAMES[0])))


def _frames(host: LiveHost, prompt: dict[str, Any]) -> np.ndarray:
    """The decoded frames without a video codec in between, int [T, H, W, 3]."""
    decode = next(id for id, node in prompt.items() if node["class_type"] == "VAEDecode")
    look = {"class_type": "PreviewImage", "inputs": {"images": [decode, 0]}}
    shown = host.run(prompt | {"look": look})["look"]["images"]
    return np.stack([read_image(host.output(picture)) for picture in shown]).astype(int)


def read_frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
