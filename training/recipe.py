"""Recipes: a training run as data. A YAML file names the backbone, the encoder and the stages of the curriculum.

Design decisions:
- A stage says how many steps, which pairs, at what rate; nothing else in the trainer knows of stages.
- The weight of geometric supervision falls linearly from `start` to 0 over the first `steps` steps (paper: 0.1 over
  12 000, so all of stage 1 and the start of stage 2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from threedimo_core.config import MotionEncoderConfig, from_dict

from .data.pairs import Mixture, PairKind


class RecipeError(ValueError):
    """A recipe that cannot be trained; the message names the field and what it may be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One stage of the curriculum. `mixture`: weight of each pair kind; `lr` is the peak; `warmup` in steps."""

    name: str
    steps: int
    mixture: Mixture
    batch: int
    lr: float
    warmup: int = 200
    final_lr: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "mixture", {PairKind(k): float(v) for k, v in self.mixture.items()})
        for name in ("steps", "batch", "lr"):
            if getattr(self, name) <= 0:
                raise RecipeError(f"stage {self.name}: {name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True, kw_only=True)
class Geometric:
    """Geometric supervision: weight `start` → 0 over `steps` steps; sizes of D_g."""

    start: float = 0.1
    steps: int = 12_000
    hidden_dim: int = 512
    depth: int = 3

    def weight(self, step: int) -> float:
        return self.start * max(0.0, 1 - step / self.steps) if self.steps else 0.0


@dataclass(frozen=True, kw_only=True)
class Injection:
    """Settings of the motion layers; see `threedimo_core.config.InjectionConfig`."""

    inner_dim: int = 1024
    head_dim: int = 128
    window: int | None = 1


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Noise levels (logit-normal, moved by `shift`), guidance dropout, and two savings for small machines.

    `person_weight`: how much more a latent cell counts where the person is. `driver_frames`: how many driving frames
    of a clip are encoded, spread evenly from a random start (None: all, as the paper does). `new_background`: how
    often a rendered driver stands before another background.
    """

    shift: float = 1.0
    drop_motion: float = 0.1
    drop_text: float = 0.1
    person_weight: float = 1.0
    driver_frames: int | None = None
    new_background: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run. `optimizer`: adam (the paper's), adamw, or muon (hidden matrices by Muon, the rest by AdamW)."""

    name: str
    backbone: str
    stages: tuple[Stage, ...]
    encoder: MotionEncoderConfig
    injection: Injection = field(default_factory=Injection)
    geometric: Geometric = field(default_factory=Geometric)
    flow: Flow = field(default_factory=Flow)
    optimizer: str = "adam"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    ema: float = 0.999
    seed: int = 0
    mixed_precision: str = "bf16"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in ("adam", "adamw", "muon"):
            raise RecipeError(f"optimizer is {self.optimizer!r}; choose adam, adamw or muon")
        if not self.stages:
            raise RecipeError("a recipe needs at least one stage")

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage of a global step, and the step's number within it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise RecipeError(f"the recipe ends after {self.total_steps} steps")


def load_recipe(path: Path | str) -> Recipe:
    """Read a YAML recipe; RecipeError names an unknown or missing field."""
    try:
        data: dict[str, Any] = yaml.safe_load(Path(path).read_text())
        data["stages"] = tuple(from_dict(Stage, stage) for stage in data["stages"])
        encoder = data["encoder"]
        data["encoder"] = (
            MotionEncoderConfig.preset(encoder) if isinstance(encoder, str) else MotionEncoderConfig.from_dict(encoder)
        )
        for name, cls in (("injection", Injection), ("geometric", Geometric), ("flow", Flow)):
            if name in data:
                data[name] = from_dict(cls, data[name])
        return from_dict(Recipe, data)
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: {error}") from error
