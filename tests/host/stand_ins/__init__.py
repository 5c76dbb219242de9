"""A pack for tests only: tiny random models of the host's real classes, in the place of the files that loaders want.

Their weights are written by `stage.py` in the test's own process, so that the host imports no diffusers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import comfy.supported_models
import folder_paths
import torch
from comfy_api.latest import ComfyExtension, io

KINDS = ("ti2v", "i2v")


class TinyVideoModel(io.ComfyNode):
    """MODEL, CLIP and VAE of a kind, with random weights."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="StandInVideoModel",
            display_name="Stand-in (tests)",
            category="tests",
            inputs=[io.Combo.Input("kind", options=list(KINDS))],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, kind: str) -> io.NodeOutput:
        folder = Path(folder_paths.models_dir) / "stand_ins" / kind
        pipeline = _mini_pipeline()
        if kind == "ti2v":
            return io.NodeOutput(*pipeline.load_mini(folder))
        return io.NodeOutput(_wan21_i2v(pipeline, folder), pipeline.load_clip(folder), pipeline.load_vae(folder))


def _mini_pipeline() -> Any:
    """The pack's module, under whatever name this host imported it."""
    return next(module for name, module in sys.modules.items() if name.endswith("ComfyUI-3DiMo.nodes.mini_pipeline"))


def _wan21_i2v(pipeline: Any, folder: Path) -> Any:
    """As `load_model` of the mini, in the class of Wan 2.1 I2V: the reference comes in channels beside the latents."""
    settings = pipeline.read_settings(folder / "transformer" / "config.json")
    config = comfy.supported_models.WAN21_I2V(pipeline._host_settings(settings))
    config.set_inference_dtype(torch.float32, None)
    base = config.get_model({}, "", device=torch.device("cpu"))
    weights = pipeline.host_transformer_keys(pipeline.read_weights(folder / "transformer" / pipeline._WEIGHTS))
    base.load_model_weights({name: value.float() for name, value in weights.items()}, "")
    device = torch.device("cpu")
    return pipeline.patcher_kind()(base, load_device=device, offload_device=device)


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
        return [TinyVideoModel, AnyImages]


async def comfy_entrypoint() -> StandIns:
    return StandIns()
