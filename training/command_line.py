"""Groups of commands, each in a module of its own that is imported only when it is asked for.

A command's module has `add_arguments(parser)` and `run(arguments) -> int | None`; a group's module has
`main(argv) -> int`. Torch, warp and diffusers take seconds to import, so `--help` must not touch them.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping
from typing import NamedTuple


class Command(NamedTuple):
    """Where a command lives and one line that says what it does."""

    module: str
    help: str


def run_group(program: str, description: str, commands: Mapping[str, Command], argv: list[str]) -> int:
    """Run the command that argv[0] names; print the list of commands for --help or a wrong name.

    A ValueError or OSError of a command is the user's to mend: it is printed without a traceback, status 1.
    """
    listing = "\n".join(f"  {name:<18}{command.help}" for name, command in commands.items())
    usage = f"usage: {program} <command> [options]\n\n{description.strip()}\n\ncommands:\n{listing}\n"
    if not argv or argv[0] in ("-h", "--help"):
        print(usage)
        return 0 if argv else 2
    name, *rest = argv
    if name not in commands:
        print(f"{usage}\nunknown command {name!r}; choose one of {', '.join(commands)}", file=sys.stderr)
        return 2
    return _run_command(f"{program} {name}", commands[name], rest)


def _run_command(program: str, command: Command, argv: list[str]) -> int:
    module = importlib.import_module(command.module)
    if hasattr(module, "main"):
        return int(module.main(argv))
    parser = argparse.ArgumentParser(
        prog=program, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        return int(module.run(arguments) or 0)
    except (ValueError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
