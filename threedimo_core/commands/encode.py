"""`threedimo encode`: driving video → motion file."""

from __future__ import annotations

from argparse import Namespace

from .checks import require_apart, require_file, require_writable
from .driver import read_driver
from .loading import choose_device, open_adapter
from .telling import say

SUFFIX = ".safetensors"


def run(arguments: Namespace) -> int:
    """Encode and save; prints the path of the file."""
    require_writable(arguments.out, (SUFFIX,), "motion files")
    require_apart([arguments.out], [arguments.driving])
    for path in (arguments.driving, arguments.pose_model):
        if path is not None:
            require_file(path)
    adapter = open_adapter(arguments, choose_device(arguments.device))
    motion = read_driver(arguments.driving, arguments, adapter, arguments.fps, arguments.frames).motion
    path = motion.save(arguments.out)
    say(f"{motion.num_frames} frames at {motion.fps:g} fps, {path.stat().st_size / 1024:.0f} KiB")
    print(path)
    return 0
