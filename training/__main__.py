"""The command line of the training side: `python -m training <command> ...`."""

from __future__ import annotations

import sys

from .command_line import Command, run_group

COMMANDS = {
    "data": Command("training.data.cli", "make, check and look at data sets"),
    "mini-vae": Command("training.mini.vae_command", "train the mini model's VAE"),
    "precompute": Command("training.precompute_command", "cache the target latents of a data set"),
    "train": Command("training.train_command", "train a recipe, or resume it"),
    "bench": Command("training.evaluation.bench", "measure speed, memory and cost"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_group("python -m training", __doc__ or "", COMMANDS, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
