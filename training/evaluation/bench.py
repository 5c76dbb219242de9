"""The benchmark: `python -m training bench <command> ...`."""

from __future__ import annotations

from ..command_line import Command, run_group

COMMANDS = {
    "cross-view": Command("training.evaluation.cross_view", "generated pictures against the true other view"),
    "speed": Command("training.evaluation.speed", "time, memory and FLOPs of the encoder and of the injection"),
}


def main(argv: list[str]) -> int:
    """Run one part of the benchmark; returns the exit status."""
    return run_group("python -m training bench", __doc__ or "", COMMANDS, argv)
