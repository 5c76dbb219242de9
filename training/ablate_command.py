"""Train the variants of a recipe at one budget and score each on held-out renders; write the table of the ablation.

    python -m training ablate training/recipes/mini.yaml --data DIR --vae DIR --heldout DIR --out DIR --steps 1500

The same command goes on where it was stopped: runs resume from their checkpoints, finished ones are not scored again.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

import torch

from threedimo_core.paths import atomic_path

from .ablation import VARIANTS, variant_recipe, write_table
from .batches import RunBatches
from .building import build_trainee
from .caches import vae_id
from .mini.backbone import build_backbone
from .recipe import Recipe, RecipeError, load_recipe
from .train_command import RENDERED_LICENCE, training_record
from .trainer import RunSettings, Trainer

REPORT = "report.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="the full method, e.g. training/recipes/mini.yaml")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="training sets with their latents")
    parser.add_argument("--vae", type=Path, required=True, help="folder of the mini model's VAE")
    parser.add_argument("--heldout", type=Path, required=True, help="held-out set of the bench, rendered on demand")
    parser.add_argument("--out", type=Path, required=True, help="folder: one run a variant and seed, and the table")
    parser.add_argument("--steps", type=int, default=None, help="of the curriculum in all (default: the recipe's)")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), help="(default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the training, a run each (0)")
    parser.add_argument("--parts", nargs="+", default=None, help="parts of the bench (default: all)")
    parser.add_argument("--size", default="medium", help="of the bench (%(default)s)")
    parser.add_argument("--sampling-steps", type=int, default=12, help="of generated videos (%(default)s)")
    parser.add_argument("--plain", action="store_true", help="calm held-out scenes, for calm training scenes")
    parser.add_argument("--minutes", type=float, default=None, help="stop each run after this long; resume later")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches ahead (%(default)s)")
    parser.add_argument("--cache-gb", type=float, default=4.0, help="memory for decoded video (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    base = load_recipe(arguments.recipe)
    if base.backbone != "mini":
        raise RecipeError(f"the ablation trains the mini backbone; {arguments.recipe} has {base.backbone}")
    # Refused before the first of them trains for an hour.
    recipes = {(v, s): variant_recipe(base, v, arguments.steps, s) for v in arguments.variants for s in arguments.seeds}
    rows: dict[str, list[dict[str, Any]]] = {}
    for (name, seed), recipe in recipes.items():
        report = train_and_score(recipe, arguments.out / name / f"seed-{seed}", arguments, seed)
        if report is None:
            print(f"{name}, seed {seed}: stopped before its last step; the same command goes on", flush=True)
            return 0
        rows.setdefault(name, []).append(report)
        print(write_table(arguments.out, rows, _command(arguments), arguments.steps or base.total_steps), flush=True)
    return 0


def _command(arguments: argparse.Namespace) -> str:
    """What makes a row again, but for its variant."""
    words = ["python", "-m", "training", "ablate", str(arguments.recipe)]
    for name in ("data", "vae", "heldout", "out", "steps", "seeds", "parts", "size", "sampling_steps"):
        value = getattr(arguments, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    return shlex.join(words + (["--plain"] if arguments.plain else []))


def train_and_score(recipe: Recipe, out: Path, arguments: argparse.Namespace, seed: int) -> dict[str, Any] | None:
    """One run, trained (or resumed) and scored; None when it was stopped before its end."""
    if (out / REPORT).exists():
        report: dict[str, Any] = json.loads((out / REPORT).read_text())
        return report
    backbone = build_backbone(arguments.vae, recipe.seed)
    batches = RunBatches(
        recipe, arguments.data, backbone, vae_id(backbone.vae), cache_bytes=int(arguments.cache_gb * 2**30)
    )
    trainer = Trainer(
        recipe, build_trainee(recipe, backbone), batches, out, settings=RunSettings(workers=arguments.workers, keep=1)
    )
    reached = trainer.run(arguments.minutes)
    trainer.tracking.close()
    return score_run(trainer, batches, arguments, seed) if reached == recipe.total_steps else None


def score_run(trainer: Trainer, batches: RunBatches, arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Score the averaged weights of a finished run and write its report."""
    from .controls.system import system_of
    from .evaluation.scoring import score

    recipe, trainee = trainer.recipe, trainer.trainee
    record = training_record(recipe, batches, trainer.step, RENDERED_LICENCE)
    trainee.eval()
    with trainer.averaged():
        system = system_of(recipe.name, recipe, trainee, record, arguments.sampling_steps, arguments.plain)
        sheets = trainer.out / "sheets"
        found = score(system, arguments.heldout, arguments.parts, arguments.size, plain=arguments.plain, out=sheets)
    found["seed of the training"] = seed
    with atomic_path(trainer.out / REPORT) as draft:
        draft.write_text(json.dumps(found, indent=1) + "\n")
    return found
