"""The command line of the training side: `python -m training <command> ...`."""

from __future__ import annotations

import sys

from .command_line import Command, run_group

COMMANDS = {
    "data": Command("training.data.cli", "make, check and look at data sets"),
    "mini-vae": Command("training.mini.vae_command", "train the mini model's VAE"),
    "precompute": Command("training.precompute_command", "cache target latents and text embeddings"),
    "plan": Command("training.plan_command", "memory a recipe needs, before anything is loaded"),
    "train": Command("training.train_command", "train a recipe, or resume it"),
    "ablate": Command("training.ablate_command", "train and score variants of a recipe at one budget"),
    "plot": Command("training.plot_command", "draw a run's curves"),
    "bench": Command("training.evaluation.bench", "score a model on held-out renders; speed, memory and cost"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_group("python -m training", __doc__ or "", COMMANDS, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
