"""Tests inside the real host, named by COMFYUI_PATH (or ~/ComfyUI); skipped, with the reason, where it cannot run.

The host has a top-level module `nodes` of its own: the pack is imported under a name of its own, as the host does.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from live_host import LiveHost

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACK = "threedimo_pack"
STUBS = HERE / "stubs"  # import-only torchvision and torchaudio, where the real ones are not installed


def comfyui_path() -> Path | None:
    path = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
    return path if (path / "main.py").is_file() else None


def stub_paths() -> list[str]:
    return [] if importlib.util.find_spec("torchvision") else [str(STUBS)]


def stubs_in_use() -> tuple[str, ...]:
    """For processes started from here: the stubs, where this process runs on them."""
    import torchvision

    return (str(STUBS),) if Path(torchvision.__file__).is_relative_to(STUBS) else ()


def import_host() -> str | None:
    """Make the host importable in this process, on the CPU; the reason where that fails."""
    path = comfyui_path()
    if path is None:
        return "no ComfyUI: set COMFYUI_PATH to a checkout"
    patch = pytest.MonkeyPatch()
    for folder in (HERE, HERE.parent):
        patch.syspath_prepend(str(folder))
    try:
        # Before the stubs: diffusers and transformers look for a real torchvision, once.
        importlib.import_module("tiny_models")
        for folder in (*stub_paths(), str(path)):
            patch.syspath_prepend(folder)
        sys.modules.pop("nodes", None)
        import comfy.cli_args

        comfy.cli_args.args.cpu = True
        for name in ("comfy.samplers", "comfy.sd", "comfy_api.latest", "nodes", "latent_preview"):
            importlib.import_module(name)
    except ImportError as error:
        patch.undo()
        return f"this Python lacks what {path} needs ({error}); make test-host has an environment for it"
    return None


REASON = import_host()
# Their imports would fail; test_available.py says why they are left out.
collect_ignore = [p.name for p in HERE.glob("test_*.py") if p.name != "test_available.py"] if REASON else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.host)


@pytest.fixture(scope="session")
def why_skipped() -> str | None:
    return REASON


def load_pack() -> ModuleType:
    """The pack as a package `threedimo_pack`: `from threedimo_pack.nodes import apply` works in the tests then."""
    spec = importlib.util.spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None and spec.loader is not None
    sys.modules[PACK] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if REASON is None:
    load_pack()


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHost]:
    """A running ComfyUI with the pack, tiny models and inputs, for every test that goes through its web interface."""
    from live_host import LiveHost
    from stage import STAND_INS, furnish

    path = comfyui_path()
    assert path is not None
    live = furnish(LiveHost(path, tmp_path_factory.mktemp("host") / "base", (STAND_INS,), stubs_in_use()))
    try:
        yield live.start()
    finally:
        live.stop()
