"""Opens and runs every shipped workflow in the real front end: .venv-host/bin/python look.py OUT [NAME...]

Writes OUT/<name>.png and prints what the front end complained about; COMFYUI_PATH names the host, PLAYWRIGHT the folder
that playwright-core lies in. With PICTURES=1 the pictures beside the workflows are written anew. Large model files are
replaced by tiny ones (tests/host/stand_ins); the mini is the bundled one, where the pack has it. RUN=0 only opens them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PICTURE_WIDTH = 1280


def main() -> int:
    spec = importlib.util.spec_from_file_location("conftest", HERE.parent / "host" / "conftest.py")
    assert spec is not None and spec.loader is not None
    conftest = importlib.util.module_from_spec(spec)
    sys.modules["conftest"] = conftest
    spec.loader.exec_module(conftest)  # brings the host's modules and tests/host within reach
    if conftest.REASON:
        sys.exit(f"the host cannot run: {conftest.REASON}")
    from live_host import LiveHost
    from stage import STAND_INS, furnish

    out, names = Path(sys.argv[1]), sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in (ROOT / "workflows").glob("*.json") if not names or path.stem in names)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        host = furnish(LiveHost(conftest.comfyui_path(), base, (STAND_INS,), conftest.stubs_in_use()))
        try:
            host.start()
            # What tiny random models make is nothing to show: these are pictured before the run.
            mini = (ROOT / "threedimo_core" / "mini" / "adapter.safetensors").is_file()
            fresh = ",".join(path.stem for path in files if needs_files(path) or not mini)
            run = [] if os.environ.get("RUN") == "0" else ["--run"]
            command = ["node", str(HERE / "look.mjs"), host.url, str(out), *run, "--fresh", fresh or "-"]
            command += map(str, files)
            shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=3000).stdout
        finally:
            host.stop()
    results = [json.loads(line) for line in shown.splitlines()]
    for result in results:
        print(json.dumps(result))
        if os.environ.get("PICTURES"):
            write_picture(out / f"{result['name']}.png", ROOT / "workflows" / f"{result['name']}.jpg")
    bad = [r["name"] for r in results if r["unknown"] or r["mismatched"] or r.get("status", "success") != "success"]
    return 1 if bad or len(results) != len(files) else 0


def needs_files(path: Path) -> bool:
    """Whether a workflow loads more than the pack brings."""
    return "UNETLoader" in path.read_text(encoding="utf-8")


def write_picture(png: Path, jpg: Path) -> None:
    from PIL import Image

    picture = Image.open(png).convert("RGB")
    height = round(picture.height * PICTURE_WIDTH / picture.width)
    picture.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS).save(jpg, quality=82, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
