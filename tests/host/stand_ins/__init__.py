"""A pack for tests only: tiny random models of the host's real classes, in the place of the files that loaders want.

Their weights are written by `stage.py` in the test's own process, so that the host imports no diffusers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import comfy.clip_vision
import comfy.supported_models
import folder_paths
import torch
from comfy_api.latest import ComfyExtension, io

import nodes as host_nodes

KINDS = {"ti2v": "MiniWan", "i2v": comfy.supported_models.WAN21_I2V}


def tiny(kind: str) -> tuple[Path, Any]:
    """Folder of a kind's weights, and the pack's own module that reads such folders."""
    # Under whatever name this host imported the pack.
    names = (name for name in sys.modules if name.endswith("ComfyUI-3DiMo.nodes.mini_pipeline"))
    return Path(folder_paths.models_dir) / "stand_ins" / kind, sys.modules[next(names)]


def kind_of(file: str) -> str:
    return "i2v" if "wan2.1_i2v" in file or "wan_2.1_vae" in file else "ti2v"


def tiny_model(file: str, weight_dtype: str) -> Any:
    """A MODEL with the file's architecture at tiny size, in the type of weights that was asked for."""
    folder, pipeline = tiny(kind_of(file))
    kind = KINDS[kind_of(file)]
    settings = pipeline.read_settings(folder / "transformer" / "config.json")
    config = (pipeline.MiniWan if kind == "MiniWan" else kind)(pipeline._host_settings(settings))
    fp8 = weight_dtype.startswith("fp8")
    config.set_inference_dtype(torch.float8_e4m3fn if fp8 else torch.float32, torch.float32 if fp8 else None)
    base = config.get_model({}, "", device=torch.device("cpu"))
    weights = pipeline.host_transformer_keys(pipeline.read_weights(folder / "transformer" / pipeline._WEIGHTS))
    base.load_model_weights({name: value.float() for name, value in weights.items()}, "")
    device = torch.device("cpu")
    return pipeline.patcher_kind()(base, load_device=device, offload_device=device)


def tiny_vae(file: str) -> Any:
    folder, pipeline = tiny(kind_of(file))
    return pipeline.load_vae(folder)


def tiny_clip(file: str) -> Any:
    folder, pipeline = tiny("ti2v")
    return pipeline.load_clip(folder)


class TinyVision:
    """What CLIP Vision Encode asks of a CLIP_VISION; the tiny MODEL has no layer that reads it, as Wan 2.2 has none."""

    def encode_image(self, image: torch.Tensor, crop: bool = True) -> Any:
        seen = comfy.clip_vision.Output()
        seen["last_hidden_state"] = seen["penultimate_hidden_states"] = torch.zeros(len(image), 257, 1280)
        seen["image_embeds"] = torch.zeros(len(image), 1024)
        return seen


def take_the_loaders_places() -> None:
    """The host's loaders keep their names and widgets and give tiny models: shipped workflows run as they are."""
    host_nodes.UNETLoader.load_unet = lambda self, unet_name, weight_dtype: (tiny_model(unet_name, weight_dtype),)
    host_nodes.CLIPLoader.load_clip = lambda self, clip_name, type="wan", device="default": (tiny_clip(clip_name),)
    host_nodes.VAELoader.load_vae = lambda self, vae_name, **more: (tiny_vae(vae_name),)
    host_nodes.CLIPVisionLoader.load_clip = lambda self, clip_name: (TinyVision(),)


VALUES = {"pictures": 1.0, "255": 255.0, "nan": float("nan")}


class AnyImages(io.ComfyNode):
    """An IMAGE batch as other packs' nodes may hand it on: any count, 0 included, any channels, any values."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StandInImages",
            display_name="Any images (tests)",
            category="tests",
            inputs=[
                io.Int.Input("frames", default=9, min=0, max=5000),
                io.Int.Input("side", default=32, min=0, max=512),
                io.Int.Input("channels", default=3, min=1, max=4),
                io.Combo.Input("values", options=list(VALUES)),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, frames: int, side: int, channels: int, values: str) -> io.NodeOutput:
        generator = torch.Generator().manual_seed(frames)
        return io.NodeOutput(torch.rand(frames, side, side, channels, generator=generator) * VALUES[values])


class StandIns(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [AnyImages]


async def comfy_entrypoint() -> StandIns:
    take_the_loaders_places()
    return StandIns()
