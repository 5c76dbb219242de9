"""The project's own files agree with each other: dependencies, pins, package data, the ComfyUI entry."""

import ast
import asyncio
import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest

if sys.version_info < (3, 11):
    pytest.skip("reads pyproject.toml with tomllib (Python 3.11)", allow_module_level=True)
import tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Where the name to import is not the name to install.
DISTRIBUTION_OF = {"cv2": "opencv-python", "PIL": "pillow", "warp": "warp-lang", "yaml": "pyyaml"}


def listed(path: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / path).read_text().splitlines())
    return [line for line in lines if line]


def distribution(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def third_party_imports(room: str) -> dict[str, str]:
    """{distribution: a file that imports it} for every absolute import in `room`, lazy ones too."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.append(node.module)
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names:
                found.setdefault(DISTRIBUTION_OF.get(top, top).lower(), str(path.relative_to(ROOT)))
    return found


def test_requirements_match_pyproject_without_torch() -> None:
    wanted = [r for r in PROJECT["project"]["dependencies"] if distribution(r) != "torch"]
    assert listed("requirements.txt") == wanted


def test_lock_pins_every_dependency_exactly() -> None:
    pins = listed("requirements.lock")
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^+\s]+", pin) for pin in pins), "exact, without a local version"
    names = {distribution(pin) for pin in pins}
    extras = PROJECT["project"]["optional-dependencies"]
    needed = {distribution(r) for r in PROJECT["project"]["dependencies"] + extras["train"] + extras["dev"]}
    missing = {n for n in needed if n not in names and f"{n}-headless" not in names}
    assert not missing


def test_what_the_rooms_import_is_declared() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    core = {distribution(r) for r in PROJECT["project"]["dependencies"]}
    optional = {distribution(r) for group in extras.values() for r in group}
    undeclared = {n: f for n, f in third_party_imports("threedimo_core").items() if n not in core | {"mediapipe"}}
    undeclared |= {
        n: f for n, f in third_party_imports("training").items() if n not in core | optional | {"threedimo_core"}
    }
    assert not undeclared


def test_every_file_beside_the_code_is_packaged() -> None:
    for room, patterns in PROJECT["tool"]["setuptools"]["package-data"].items():
        packaged = {path for pattern in patterns for path in (ROOT / room).glob(pattern)}
        beside = {p for p in (ROOT / room).rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
        assert beside <= packaged, f"not in pyproject's package-data: {sorted(map(str, beside - packaged))}"


def test_comfyui_entry_is_empty_without_a_package_and_lazy_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load_entry("plain_entry", package=False)
    assert not hasattr(plain, "comfy_entrypoint")

    before = set(sys.modules)
    entry = load_entry("some_folder_name", package=True)
    assert {m for m in set(sys.modules) - before if m.startswith("some_folder_name.")} == set()
    assert not hasattr(entry, "NODE_CLASS_MAPPINGS"), "the host would prefer it to the V3 entry point"


def test_comfyui_entry_hands_over_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    host = types.ModuleType("comfy_api.latest")
    host.ComfyExtension = type("ComfyExtension", (), {})  # type: ignore[attr-defined]
    host.io = types.SimpleNamespace(ComfyNode=type("ComfyNode", (), {}))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy_api", types.ModuleType("comfy_api"))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", host)
    monkeypatch.setitem(sys.modules, "folder_paths", types.ModuleType("folder_paths"))
    entry = load_entry("pack_under_test", package=True)
    extension = asyncio.run(entry.comfy_entrypoint())
    assert isinstance(extension, host.ComfyExtension), "its list of nodes is asked for in tests/host"


def test_comfyui_entry_logs_why_it_failed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "broken_pack.nodes", None)
    entry = load_entry("broken_pack", package=True)
    with pytest.raises(ImportError):
        asyncio.run(entry.comfy_entrypoint())
    assert "Traceback" in caplog.text


def load_entry(name: str, package: bool) -> types.ModuleType:
    """Import the root `__init__.py` as ComfyUI does (a package of any name) or as pytest would (a module)."""
    locations = [str(ROOT)] if package else None
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=locations)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if package:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
