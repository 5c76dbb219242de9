"""The command line of the training side: `python -m training <command> ...`."""

from __future__ import annotations

import sys

from .command_line import Command, run_group

COMMANDS = {
    "data": Command("training.data.cli", "make, check and look at data sets"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_group("python -m training", __doc__ or "", COMMANDS, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
