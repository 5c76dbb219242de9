"""What the pack costs when ComfyUI starts: python tests/host/startup.py [RUNS], with and without it in turn.

CPU seconds of the host's process until it answers, which other work on the machine changes little.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from live_host import HERE, LiveHost


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(comfyui: Path, with_pack: bool) -> tuple[float, float]:
    """(CPU seconds, seconds) until the host answers."""
    with tempfile.TemporaryDirectory() as folder:
        stubs = () if importlib.util.find_spec("torchvision") else (str(HERE / "stubs"),)
        host = LiveHost(comfyui, Path(folder) / "base", stubs=stubs)
        if not with_pack:
            shutil.rmtree(host.pack)
        began = time.monotonic()
        try:
            host.start()
            assert host.process is not None
            listed = any(name.startswith("ThreeDiMo") for name in host.get("/object_info"))
            assert listed == with_pack
            return cpu_seconds(host.process.pid), time.monotonic() - began
        finally:
            host.stop()


def main() -> int:
    comfyui = Path(os.environ.get("COMFYUI_PATH") or Path.home() / "ComfyUI")
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    measure(comfyui, True)  # fills caches of compiled Python and of the disk
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for number in range(2 * runs):
        with_pack = number % 4 in (1, 2)
        found[with_pack].append(measure(comfyui, with_pack))
    for with_pack, times in found.items():
        cpu, wall = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{'with' if with_pack else 'without'} the pack: {cpu:.2f} s of CPU, {wall:.1f} s, median of {runs}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
