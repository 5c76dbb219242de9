"""The extension that ComfyUI asks for its list of nodes.

Every file beside this one that has nodes names them in a list `NODES`; nothing has to be registered here.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from pathlib import Path

import folder_paths
from comfy_api.latest import ComfyExtension, io

MODEL_FOLDER = "threedimo"


class ThreeDiMoExtension(ComfyExtension):
    """Hands the pack's nodes to the host and tells it where 3DiMo models lie."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        try:
            return collect_nodes()
        except Exception:
            # The host says only that there was an error, and goes on without the pack.
            logging.getLogger(__name__).exception("ComfyUI-3DiMo: its nodes could not be listed")
            raise


def register_model_folder() -> None:
    """`models/threedimo` beside the host's other model folders (a base directory or extra paths included)."""
    folder_paths.add_model_folder_path(MODEL_FOLDER, str(Path(folder_paths.models_dir) / MODEL_FOLDER))


def collect_nodes() -> list[type[io.ComfyNode]]:
    """The `NODES` of every file in this folder, in the order of file names.

    Raises ValueError for two nodes with the same id: the host would silently keep one of them.
    """
    register_model_folder()  # the load node lists it; `on_load` is not called by older hosts
    nodes: list[type[io.ComfyNode]] = []
    for module in sorted(info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)])):
        nodes += getattr(importlib.import_module(f".{module}", __package__), "NODES", [])
    ids = [node.define_schema().node_id for node in nodes]
    twice = sorted({node_id for node_id in ids if ids.count(node_id) > 1})
    if twice:
        raise ValueError(f"two nodes have the same id: {', '.join(twice)}")
    return nodes
