"""`threedimo`: generate videos, make motion files and look into files from the command line.

Commands live in modules of their own and are imported when asked for: torch and diffusers take seconds, and --help
must not wait for them. What a user can mend is told in one message with exit status 2, without a traceback.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import warnings
from typing import NoReturn

from .commands.arguments import ADD

COMMANDS = {
    "animate": "generate a video: the motion of a driving video, the person of a reference image, a camera in words",
    "encode": "turn a driving video into a motion file to keep, share and use again",
    "info": "say what a motion file, an adapter, a backbone folder, a video or a picture holds",
    "demo": "one motion under three cameras with the bundled mini model, and a contact sheet",
}
USER_ERROR = 2
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for what the user can mend, 130 when interrupted."""
    _print_any_text()
    arguments = _parser().parse_args(argv)
    name = arguments.command
    _quieten_libraries()
    try:
        return int(importlib.import_module(f".commands.{name}", __package__).run(arguments))
    except (ValueError, OSError) as error:
        if arguments.debug:
            raise
        return _fail(name, str(error))
    except KeyboardInterrupt:
        print(f"threedimo {name}: interrupted; no half-written file was left", file=sys.stderr)
        return INTERRUPTED
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return _fail(name, "out of memory: try a smaller --height and --width, fewer --frames or --offload")


class _Parser(argparse.ArgumentParser):
    """Errors in one line: the usage of `animate` alone would push them off the screen."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: {message}; `{self.prog} --help` lists what there is\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="threedimo", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--debug", action="store_true", help="show where in the code an error came from")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, help_line in COMMANDS.items():
        description = help_line[0].upper() + help_line[1:] + "."
        ADD[name](commands.add_parser(name, help=help_line, description=description, allow_abbrev=False))
    return parser


def _fail(name: str, message: str) -> int:
    from .commands.telling import say  # not at the top: --help is quick

    say(f"threedimo {name}: {message}")
    return USER_ERROR


def _out_of_memory(error: BaseException) -> bool:
    # torch.OutOfMemoryError on a GPU; the CPU allocator raises a plain RuntimeError.
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _print_any_text() -> None:
    """A terminal or file that cannot take a letter gets its number: a name must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _quieten_libraries() -> None:
    """Leave the screen to our own messages: the libraries' warnings and bars are for developers."""
    warnings.filterwarnings("ignore")
    # Read when the libraries are imported, which the commands do.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    sys.exit(main())
