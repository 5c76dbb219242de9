"""The load nodes: a 3DiMo model from a file, and the bundled mini's video model."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..threedimo_core import bundled
from .extension import MODEL_FOLDER
from .holding import hold_adapter
from .mini_pipeline import load_mini
from .types import CATEGORY, Model3DiMo

BUNDLED = "mini (bundled)"


def model_names() -> list[str]:
    """What the list of the load node shows."""
    files = [name for name in folder_paths.get_filename_list(MODEL_FOLDER) if name.lower().endswith(".safetensors")]
    return [BUNDLED, *files]


def model_path(name: str) -> Path:
    """The file behind a name of the list; ValueError where it is gone, or where the name leads elsewhere."""
    if name == BUNDLED:
        return bundled.mini_adapter()
    if name not in model_names():
        raise ValueError(
            f"there is no 3DiMo model '{name}' in {' or '.join(folder_paths.get_folder_paths(MODEL_FOLDER))}; there "
            f"are: {', '.join(model_names())}. Put the file there and refresh, or choose another"
        )
    return Path(folder_paths.get_full_path_or_raise(MODEL_FOLDER, name))


class Load3DiMo(io.ComfyNode):
    """A file of models/threedimo → THREEDIMO_MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoLoadModel",
            display_name="Load 3DiMo",
            category=CATEGORY,
            description="Loads a 3DiMo model: what reads motions from videos, and the layers that make a video model "
            "follow them. Files lie in models/threedimo; the mini comes with this pack.",
            inputs=[
                io.Combo.Input("name", options=model_names(), default=BUNDLED,
                               tooltip="A file of models/threedimo, trained for one video model each, or the mini that "
                               "comes with this pack and belongs to Load 3DiMo Mini Pipeline."),
            ],
            outputs=[Model3DiMo.Output(display_name="model_3dimo", tooltip="For the other 3DiMo nodes.")],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, name: str) -> str:
        """Loads again when the file has changed."""
        try:
            state = model_path(name).stat()
        except (ValueError, OSError):
            return name
        return f"{name} {state.st_size} {state.st_mtime_ns}"

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        return io.NodeOutput(hold_adapter(model_path(name), name))


class LoadMiniPipeline(io.ComfyNode):
    """The bundled mini → MODEL, CLIP, VAE."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoLoadMiniPipeline",
            display_name="Load 3DiMo Mini Pipeline",
            category=CATEGORY,
            description="The mini video model that comes with this pack: small pictures of rendered people, on a CPU "
            "in seconds, with nothing to download. It shows how everything is wired; real people need a real video "
            "model. Its CLIP reads camera language only (see Camera Prompt).",
            inputs=[],
            outputs=[
                io.Model.Output(display_name="model", tooltip="For Apply 3DiMo or the 3DiMo Sampler."),
                io.Clip.Output(display_name="clip", tooltip="Reads camera language; other text is left out."),
                io.Vae.Output(display_name="vae", tooltip="For 3DiMo Latent and VAE Decode."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        bundled.mini_adapter()  # says in words where the mini is missing
        return io.NodeOutput(*load_mini(bundled.MINI_FOLDER))


NODES = [Load3DiMo, LoadMiniPipeline]
