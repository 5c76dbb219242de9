"""The ablation: variants of one recipe at one budget, each a change of a few words in the recipe.

All variants run the same number of generator steps at the same batch and learning rate; only what the row's name says
differs. Rows stand for peers by how they steer: `smpl` for MTVCrafter and Uni3C, `stage-1-only` for X-NeMo and
X-UniMotion (implicit tokens, no cross-view training), `pose-2d` for AnimateAnyone and MimicMotion.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from threedimo_core.paths import atomic_path

from .recipe import Recipe, RecipeError, Stage

TABLE, FIGURES = "ablation.md", "ablation.json"


@dataclass(frozen=True)
class Variant:
    """A row: what it is in words, and the recipe it makes of the full one."""

    title: str
    change: Callable[[Recipe], Recipe]


def _generating(recipe: Recipe) -> list[Stage]:
    return [stage for stage in recipe.stages if stage.generate]


def _with_mixtures(recipe: Recipe, source: Callable[[list[Stage], int], Stage]) -> Recipe:
    """Each generating stage takes its pairs from another one; steps and rates stay."""
    curriculum = _generating(recipe)
    changed = {stage.name: source(curriculum, number).mixture for number, stage in enumerate(curriculum)}
    return replace(recipe, stages=tuple(replace(s, mixture=changed.get(s.name, s.mixture)) for s in recipe.stages))


def _without_labels(recipe: Recipe) -> Recipe:
    """No geometric supervision, so no stage that consists of it alone."""
    return replace(
        recipe, stages=tuple(_generating(recipe)), geometric=replace(recipe.geometric, start=0.0, follow=False)
    )


def _control(name: str, supervised: bool) -> Callable[[Recipe], Recipe]:
    return lambda recipe: replace(recipe if supervised else _without_labels(recipe), control=name)


VARIANTS: dict[str, Variant] = {
    "full": Variant("full method", lambda recipe: recipe),
    "stage-1-only": Variant(
        "stage 1 only (same view; as X-NeMo, X-UniMotion)", lambda r: _with_mixtures(r, lambda stages, n: stages[0])
    ),
    "stages-1-2": Variant(
        "stages 1 and 2", lambda r: _with_mixtures(r, lambda stages, n: stages[min(n, max(0, len(stages) - 2))])
    ),
    "no-geometric": Variant("no geometric supervision", _without_labels),
    "no-hands": Variant("no hand encoder", lambda r: replace(r, encoder=replace(r.encoder, hand=None))),
    "channels": Variant("channel concatenation", _control("channels", supervised=True)),
    "smpl": Variant("SMPL control (exact θ; as MTVCrafter, Uni3C)", _control("smpl", supervised=False)),
    "pose-2d": Variant(
        "2D-pose control (exact joints; as AnimateAnyone, MimicMotion)", _control("pose_2d", supervised=False)
    ),
}


def variant_recipe(base: Recipe, name: str, steps: int | None, seed: int) -> Recipe:
    """The recipe of a row. steps: of the whole curriculum, its stages keeping their shares (None: as they are)."""
    if name not in VARIANTS:
        raise RecipeError(f"unknown variant {name!r}; choose among {', '.join(VARIANTS)}")
    if base.control != "tokens":
        raise RecipeError(f"the ablation starts from the full method; this recipe has control: {base.control}")
    budgeted = base if steps is None else scaled(base, steps)
    changed = VARIANTS[name].change(budgeted)
    return replace(
        changed, name=f"{base.name}-{name}", seed=base.seed + seed, validation=replace(base.validation, every=0)
    )


def scaled(recipe: Recipe, steps: int) -> Recipe:
    """The curriculum in `steps` steps: stages, warm-ups and geometric supervision keep their shares."""
    if steps < len(recipe.stages):
        raise RecipeError(f"--steps is {steps}; {len(recipe.stages)} stages need at least a step each")
    share = steps / recipe.total_steps
    counts = [max(1, round(stage.steps * share)) for stage in recipe.stages]
    counts[counts.index(max(counts))] += steps - sum(counts)
    stages = tuple(
        replace(stage, steps=count, warmup=round(stage.warmup * share))
        for stage, count in zip(recipe.stages, counts, strict=True)
    )
    geometric = replace(recipe.geometric, steps=max(1, round(recipe.geometric.steps * share)))
    return replace(recipe, stages=stages, geometric=geometric)


# --- the table --------------------------------------------------------------------------------------------

# Column → the report's figure ("part | what | metric"), told by what its three names contain.
HEADLINES: dict[str, tuple[str, str, str]] = {
    "R@1, gap 90°": ("retrieval", "tokens, gap 90°", "R@1"),
    "pose, cross view (PA-MPJPE, mm)": ("probe", "mlp, cross view", "PA-MPJPE"),
    "cross / same": ("probe", "mlp, cross / same", "PA-MPJPE"),
    "azimuth from tokens": ("leaks", "tokens, mlp", "azimuth error"),
    "direction obeyed": ("camera", "right prompt", "direction obeyed"),
    "arc error (°)": ("camera", "right prompt", "arc"),
    "PSNR in the person's box, right − other (dB)": ("quality", "right tokens − another clip's tokens", "PSNR, box"),
    "below the VAE (dB)": ("quality", "VAE round trip − right tokens", "PSNR, box"),
}


def headline(figures: Mapping[str, Mapping[str, float]], wanted: tuple[str, str, str]) -> float | None:
    """The value of the first figure whose three names contain the wanted ones."""
    for key, estimate in figures.items():
        names = key.split(" | ")
        if len(names) == 3 and all(part.lower() in name.lower() for part, name in zip(wanted, names, strict=True)):
            return float(estimate["value"])
    return None


def write_table(out: Path, rows: Mapping[str, list[dict[str, Any]]], command: str, steps: int) -> Path:
    """`out/ablation.md` and `ablation.json`: one row a variant, the mean over its seeds, and each row's command."""
    documents = {name: [report["figures"] for report in reports] for name, reports in rows.items()}
    columns = [
        c for c, w in HEADLINES.items() if any(headline(f, w) is not None for d in documents.values() for f in d)
    ]
    lines = [
        f"Every variant: {steps} steps of the same recipe; means over its seeds. Figures with intervals: `report.md` "
        "in each run's folder.",
        "",
        f"| variant | seeds | {' | '.join(columns)} |",
        "|---|---|" + "---|" * len(columns),
    ]
    for name, found in documents.items():
        cells = [_cell([headline(figures, HEADLINES[column]) for figures in found]) for column in columns]
        lines.append(f"| {VARIANTS[name].title} | {len(found)} | {' | '.join(cells)} |")
    lines += ["", *(f"- {VARIANTS[name].title}: `{command} --variants {name}`" for name in documents), ""]
    with atomic_path(out / FIGURES) as draft:
        draft.write_text(json.dumps({"steps": steps, "command": command, "variants": rows}, indent=1) + "\n")
    with atomic_path(out / TABLE) as draft:
        draft.write_text("\n".join(lines))
    return out / TABLE


def _cell(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    spread = f" ({min(known):.3g} to {max(known):.3g})" if len(known) > 1 else ""
    return f"{mean(known):.3g}{spread}"
