"""`threedimo encode`: driving video → motion file."""

from __future__ import annotations

from argparse import Namespace

from .driver import read_driver
from .loading import choose_device, open_adapter
from .telling import say

SUFFIX = ".safetensors"


def run(arguments: Namespace) -> int:
    """Encode and save; prints the path of the file."""
    if arguments.out.suffix.lower() != SUFFIX:
        raise ValueError(f"--out {arguments.out}: motion files end in {SUFFIX}; change the suffix")
    if not arguments.driving.is_file():
        raise ValueError(f"{arguments.driving}: there is no such file")
    adapter = open_adapter(arguments, choose_device(arguments.device))
    motion = read_driver(arguments.driving, arguments, adapter, arguments.fps, arguments.frames).motion
    path = motion.save(arguments.out)
    say(f"{motion.num_frames} frames at {motion.fps:g} fps, {path.stat().st_size / 1024:.0f} KiB")
    print(path)
    return 0
