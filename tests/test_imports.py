"""The rooms and their one-way doors, and a few habits, read from the syntax of every source file.

nodes -> threedimo_core <- training: the core imports neither, they do not import each other, and only nodes
knows the host. ComfyUI imports the folder under a name of its own, so nodes and the core import relatively.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("threedimo_core", "nodes", "training")
HOST = {"comfy", "comfy_api", "comfy_api_nodes", "comfy_execution", "comfy_extras", "folder_paths", "server"}
FORBIDDEN = {
    "threedimo_core": {"threedimo_core", "nodes", "training"} | HOST,
    "nodes": {"threedimo_core", "nodes", "training"},
    "training": {"nodes", "training"} | HOST,
}
MAX_LINES = 400


def source_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, int, str]]:
    """Yield (line, level, dotted name); level 0 is absolute, 1 the file's own package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.lineno, node.level, node.module
            else:
                for alias in node.names:
                    yield node.lineno, node.level, alias.name
        elif isinstance(node, ast.Call) and _name_of(node.func).endswith("import_module") and node.args:
            target = node.args[0]
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                name = target.value
                yield node.lineno, len(name) - len(name.lstrip(".")), name.lstrip(".")


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_name_of(node.value)}.{node.attr}"
    return ""


def door_violations(source: str, path: Path) -> list[str]:
    """What `source`, lying at `path` (relative to the root), imports through a door that is not there."""
    room, found = path.parts[0], []
    for line, level, name in imported_modules(ast.parse(source)):
        if level == 0:
            if name.split(".")[0] in FORBIDDEN[room]:
                found.append(f"{path}:{line} imports {name}")
            continue
        climbed = path.parts[: len(path.parts) - level]
        target = climbed + tuple(name.split("."))
        beyond_root = level > len(path.parts)
        other_room = bool(target) and target[0] in ROOMS and target[0] != room
        allowed = room == "nodes" and not beyond_root and target[0] == "threedimo_core"
        if beyond_root or (not climbed and not other_room) or (other_room and not allowed):
            found.append(f"{path}:{line} imports {'.' * level}{name}")
    return found


def habit_violations(source: str, path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"{path}:{node.lineno} bare except")
        elif isinstance(node, ast.Attribute) and _name_of(node) == "sys.path":
            found.append(f"{path}:{node.lineno} touches sys.path")
        elif isinstance(node, ast.Call):
            name = _name_of(node.func)
            weights_only = {k.arg: getattr(k.value, "value", None) for k in node.keywords}.get("weights_only")
            if name in ("eval", "exec"):
                found.append(f"{path}:{node.lineno} calls {name}")
            elif weights_only is False or (name == "torch.load" and weights_only is not True):
                found.append(f"{path}:{node.lineno} loads a pickle without weights_only=True")
    return found


def test_doors_are_one_way() -> None:
    violations = [v for path in source_files(*ROOMS) for v in door_violations(path.read_text(), path.relative_to(ROOT))]
    assert not violations, "\n".join(violations)


def test_habits() -> None:
    files = [ROOT / "__init__.py", *source_files(*ROOMS, "tests")]
    violations = [v for path in files for v in habit_violations(path.read_text(), path.relative_to(ROOT))]
    assert not violations, "\n".join(violations)


def test_files_are_short() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in source_files(*ROOMS, "tests")}
    too_long = {str(path): lines for path, lines in lengths.items() if lines > MAX_LINES}
    assert not too_long, f"over {MAX_LINES} lines, so more than one purpose: {too_long}"


@pytest.mark.parametrize(
    ("path", "line", "allowed"),
    [
        ("threedimo_core/a.py", "from .config import X", True),
        ("threedimo_core/backbones/wan.py", "from ..config import X", True),
        ("threedimo_core/a.py", "from threedimo_core.config import X", False),
        ("threedimo_core/a.py", "import training.data", False),
        ("threedimo_core/a.py", "from ..training import data", False),
        ("threedimo_core/a.py", "from .. import nodes", False),
        ("threedimo_core/a.py", "from ... import other", False),
        ("threedimo_core/a.py", "import comfy.ops", False),
        ("threedimo_core/a.py", "import importlib\nimportlib.import_module('training.stages')", False),
        ("nodes/a.py", "from ..threedimo_core import config", True),
        ("nodes/a.py", "from .. import threedimo_core", True),
        ("nodes/a.py", "from ..training import stages", False),
        ("nodes/a.py", "import threedimo_core", False),
        ("training/data/a.py", "from threedimo_core import config", True),
        ("training/data/a.py", "from ..losses import f", True),
        ("training/a.py", "from nodes import load", False),
        ("training/a.py", "from ..threedimo_core import config", False),
    ],
)
def test_the_door_rule_itself(path: str, line: str, allowed: bool) -> None:
    assert (door_violations(line, Path(path)) == []) is allowed


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("model.eval()", True),
        ("torch.load(f, weights_only=True)", True),
        ("torch.load(f)", False),
        ("f(weights_only=False)", False),
        ("eval('1')", False),
        ("import sys\nsys.path.insert(0, '.')", False),
        ("try:\n    f()\nexcept:\n    g()", False),
    ],
)
def test_the_habit_rule_itself(line: str, allowed: bool) -> None:
    assert (habit_violations(line, Path("training/a.py")) == []) is allowed
