"""What a live host needs for the shipped workflows: tiny models, inputs, and the mini where the pack has none yet."""

from __future__ import annotations

import copy
import json
from typing import Any

import torch
from live_host import HERE, ROOT, LiveHost
from safetensors.torch import save_file
from tiny_host import MINI_RECORD, mini_backbone, write_mini
from tiny_models import adapter_for

from threedimo_core.backbones import WanBackbone
from threedimo_core.bundled import DEMO_FOLDER
from threedimo_core.checkpoint import save_adapter

WORKFLOWS = ROOT / "workflows"
STAND_INS = HERE / "stand_ins"
ADAPTERS = ("3dimo_wan2.2_ti2v_5B.safetensors", "3dimo_wan2.1_i2v_480p_14B.safetensors")
LORA = "wan2.2_ti2v_5B_style.safetensors"
# Large files that nobody has in a test: their loaders list these empty ones, and give tiny models (stand_ins).
LARGE = {
    "diffusion_models": ("wan2.2_ti2v_5B_fp16.safetensors", "wan2.1_i2v_480p_14B_fp8_scaled.safetensors"),
    "text_encoders": ("umt5_xxl_fp8_e4m3fn_scaled.safetensors",),
    "vae": ("wan2.2_vae.safetensors", "wan_2.1_vae.safetensors"),
    "clip_vision": ("clip_vision_h.safetensors",),
}


def furnish(host: LiveHost) -> LiveHost:
    """Lay models and inputs into the folders of a host, before it starts or while it runs."""
    mini = host.pack / "threedimo_core" / "mini"
    if not mini.is_dir():
        write_mini(mini, listening(mini_backbone()))
    for kind, channels in (("ti2v", 16), ("i2v", 36)):
        write_mini(host.base / "models/stand_ins" / kind, mini_backbone(in_channels=channels))
    for name in ADAPTERS:
        save_adapter(host.base / "models/threedimo" / name, adapter_for(mini_backbone(), record=MINI_RECORD))
    for folder, names in LARGE.items():
        for name in names:
            (host.base / "models" / folder).mkdir(parents=True, exist_ok=True)
            (host.base / "models" / folder / name).touch()
    lora = host.base / "models/loras" / LORA
    lora.parent.mkdir(parents=True, exist_ok=True)
    save_file(tiny_lora(), lora)
    for copied, name in (("driving.mp4",) * 2, ("driving.mp4", "shaky.mp4"), ("reference.png",) * 2):
        (host.base / "input" / name).write_bytes((DEMO_FOLDER / copied).read_bytes())
    return host


def listening(backbone: WanBackbone, gain: float = 10.0) -> WanBackbone:
    """Random weights hardly hear the text; these do, so that a changed prompt shows in 8-bit pictures."""
    with torch.no_grad():
        for block in backbone.transformer.blocks:
            block.attn2.to_out[0].weight *= gain
    return backbone


def tiny_lora(rank: int = 2, width: int = 32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    stem = "diffusion_model.blocks.{}.self_attn.{}.lora_{}.weight"
    weights = {}
    for block in range(2):
        for name in ("q", "k", "v", "o"):
            weights[stem.format(block, name, "A")] = torch.randn(rank, width, generator=generator)
            weights[stem.format(block, name, "B")] = torch.randn(width, rank, generator=generator) * 0.1
    return weights


def workflow_names() -> list[str]:
    return sorted(path.stem for path in (WORKFLOWS / "api").glob("*.json"))


def api_workflow(name: str) -> dict[str, Any]:
    return dict(json.loads((WORKFLOWS / "api" / f"{name}.json").read_text()))


def quickened(prompt: dict[str, Any], steps: int = 2) -> dict[str, Any]:
    """Fewer steps and smaller previews: the wiring is what is tested."""
    prompt = copy.deepcopy(prompt)
    for node in prompt.values():
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = steps
        if node["class_type"] == "ThreeDiMoPreviewMotion":
            node["inputs"] |= {"width": 64, "height": 64}
    return prompt


def changed(prompt: dict[str, Any], kind: str, **inputs: Any) -> dict[str, Any]:
    """The nodes of a kind, with other inputs: `prompt | changed(...)`."""
    return {id: {**node, "inputs": {**node["inputs"], **inputs}} for id, node in prompt.items()
            if node["class_type"] == kind}  # fmt: skip
