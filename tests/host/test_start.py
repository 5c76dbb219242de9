"""The pack costs the host's start next to nothing: what is heavy is imported when a node first needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from conftest import ROOT, comfyui_path, stubs_in_use

HEAVY = {"diffusers", "mediapipe", "accelerate", "matplotlib", "training", "warp", "peft"}

# As the host does it: its own modules first, then the pack by file, then the entry point.
START = """
import asyncio, importlib.util, json, sys, time
import comfy.cli_args
comfy.cli_args.args.cpu = True
import nodes, comfy_api.latest, latent_preview
before, began = set(sys.modules), time.process_time()
spec = importlib.util.spec_from_file_location("pack", ROOT + "/__init__.py", submodule_search_locations=[ROOT])
sys.modules["pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
async def start():
    return await (await pack.comfy_entrypoint()).get_node_list()
found = asyncio.run(start())
print(json.dumps([len(found), time.process_time() - began, sorted({n.partition(".")[0] for n in sys.modules} -
                                                                  {n.partition(".")[0] for n in before})]))
"""


def test_listing_the_nodes_imports_nothing_heavy() -> None:
    host = comfyui_path()
    path = os.pathsep.join([*stubs_in_use(), str(host)])
    made = subprocess.run(
        [sys.executable, "-c", f"ROOT = {str(ROOT)!r}\n{START}"], cwd=host, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-2000:]
    nodes, seconds, imported = json.loads(made.stdout.splitlines()[-1])
    assert nodes == 21
    assert not HEAVY & set(imported), HEAVY & set(imported)
    assert seconds < 2, f"{seconds:.2f} s of CPU for {imported}"
