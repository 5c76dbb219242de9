"""Writes workflows/*.json and workflows/api/*.json: python tests/workflow_build/build.py (COMFYUI_PATH names the host).

The files of the user interface come out of the real front end in a headless chromium, so that they are what it would
have saved itself; needs node, playwright-core (PLAYWRIGHT names its folder) and chromium.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from plans import ALL

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "workflows"


def main() -> int:
    host = _host_module()
    workflows = [make() for make in ALL]
    (OUT / "api").mkdir(parents=True, exist_ok=True)
    for workflow in workflows:
        _write(OUT / "api" / f"{workflow.name}.json", workflow.api())
    with tempfile.TemporaryDirectory() as folder:
        stubs = (str(HERE.parent / "host" / "stubs"),)
        running = host.LiveHost(Path(os.environ["COMFYUI_PATH"]), Path(folder) / "base", stubs=stubs)
        try:
            running.start()
            plans = Path(folder) / "plans.json"
            plans.write_text(json.dumps([workflow.plan() for workflow in workflows]))
            command = ["node", str(HERE / "build.mjs"), running.url, str(plans), folder]
            subprocess.run(command, check=True, timeout=600)
        finally:
            running.stop()
        for workflow in workflows:
            _write(OUT / f"{workflow.name}.json", json.loads((Path(folder) / f"{workflow.name}.json").read_text()))
            print(OUT / f"{workflow.name}.json")
    return 0


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _host_module() -> ModuleType:
    """tests/host is no package: its modules are found by pytest's own ways, and by file here."""
    spec = importlib.util.spec_from_file_location("live_host", HERE.parent / "host" / "live_host.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
