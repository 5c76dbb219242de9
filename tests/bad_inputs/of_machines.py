"""What the machine does to a command, and what comes of it. `test_bad_inputs.py` has one test for each."""

from __future__ import annotations

EVENTS = {
    "full disk": (
        "the disk is full",
        "refused with the file's name and the system's reason; no half-written file; an older file stays as it was",
    ),
    "ctrl-c": (
        "Ctrl-C in mid-run",
        "exit status 130, `interrupted; no half-written file was left`",
    ),
    "ctrl-c while writing": (
        "Ctrl-C while the video is written",
        "no half-written file; an older file stays as it was",
    ),
    "read-only folder": (
        "the folder of the result may not be written to",
        "refused before any work: `--out locked/out.mp4: the folder locked may not be written to; name another place`",
    ),
    "read-only model": ("the model's folder may not be written to", "works: nothing is written there"),
    "old file": ("the result is there already", "replaced once the new one is whole"),
    "plain terminal": ("a terminal that knows ASCII alone", "works: other letters come as numbers"),
    "foreign notes": (
        "an adapter whose notes hold control characters",
        "`info` shows `�` in their place: they could steer the terminal",
    ),
    "out of memory": (
        "not enough memory",
        "refused: `out of memory: try a smaller --height and --width, fewer --frames or --offload`",
    ),
}
