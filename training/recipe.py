"""Recipes: a training run as data. A YAML file names the backbone, the encoder and the stages of the curriculum.

Design decisions:
- A stage says how many steps, which pairs, what trains, at what rate; nothing else in the trainer knows of stages.
- The weight of geometric supervision falls linearly from `start` to 0 over the first `steps` steps (paper: 0.1 over
  12 000, so all of stage 1 and the start of stage 2).
- What belongs to a machine and not to a method (folders, processes, sharding, workers) is on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from threedimo_core.config import MotionEncoderConfig, from_dict
from threedimo_core.frame_grid import FrameGridError, require_frame_count

from .data.pairs import Mixture, PairKind

CONTROLS = ("tokens", "channels", "smpl", "pose_2d")
DitTraining = Literal["full", "lora", "frozen"]
OPTIMIZERS = ("adam", "adamw", "muon", "adam8bit", "adamw8bit")
PRECISIONS = ("no", "bf16", "auto")


class RecipeError(ValueError):
    """A recipe that cannot be trained; the message names the field and what it may be."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RecipeError(message)


@dataclass(frozen=True, kw_only=True)
class Trains:
    """What a stage trains: the motion encoder (with D_g), the motion layers, and the DiT: full, lora or frozen.

    A text encoder that starts from nothing (the mini's) belongs to the DiT and trains when that is full.
    """

    encoder: bool = True
    motion: bool = True
    dit: DitTraining = "full"

    def __post_init__(self) -> None:
        _require(self.dit in ("full", "lora", "frozen"), f"train.dit is {self.dit!r}; choose full, lora or frozen")
        _require(self.encoder or self.motion or self.dit != "frozen", "train: nothing at all would train")


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """One stage of the curriculum. `mixture`: weight of each pair kind; `lr` is the peak; `warmup` in steps.

    generate: False leaves the generator out: the encoder learns from geometric supervision alone, which costs a
    fraction of a step (a warm-up for small machines, where an encoder at the mean pose gives the generator nothing).
    driver_frames: driving frames of a clip that this stage encodes; None: as `flow.driver_frames` says.
    """

    name: str
    steps: int
    mixture: Mixture
    batch: int
    lr: float
    warmup: int = 200
    final_lr: float = 0.1
    train: Trains = field(default_factory=Trains)
    generate: bool = True
    driver_frames: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mixture", {PairKind(k): float(v) for k, v in self.mixture.items()})
        if isinstance(self.train, Mapping):
            object.__setattr__(self, "train", from_dict(Trains, dict(self.train)))
        for name in ("steps", "batch", "lr"):
            value = getattr(self, name)
            _require(value > 0, f"stage {self.name}: {name} is {value}; it must be above 0")
        _require(
            self.generate or self.train == Trains(motion=False, dit="frozen"),
            f"stage {self.name}: without a generator (generate: false) only the encoder learns; write "
            "train: {motion: false, dit: frozen}",
        )
        _require(
            0 <= self.final_lr <= 1, f"stage {self.name}: final_lr is {self.final_lr}; it is a share of lr, 0 to 1"
        )


@dataclass(frozen=True, kw_only=True)
class Geometric:
    """Geometric supervision: weight `start` → 0 over `steps` steps; sizes of D_g.

    follow: once the weight is 0, D_g goes on learning from tokens it cannot change, so that a preview of the motion
    as a skeleton stays true (the paper is silent on what becomes of D_g).
    landmarks: weight, in stages without a generator, of a loss on where the joints are in the driver's picture
    (landmarks.py); 0 is the paper.
    """

    start: float = 0.1
    steps: int = 12_000
    hidden_dim: int = 512
    depth: int = 3
    follow: bool = False
    landmarks: float = 0.0

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
class Lora:
    """Low-rank updates of the DiT's linear layers; `alpha` None: as `rank`. `targets`: ends of layer names."""

    rank: int = 32
    alpha: int | None = None
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        _require(self.rank > 0, f"lora.rank is {self.rank}; it must be above 0")


@dataclass(frozen=True, kw_only=True)
class ClipShapes:
    """Which clips train, and at what size.

    frames: allowed clip lengths (4n + 1); a clip is used at the longest that it fills. None: as long as it is.
    area: pixels of a frame; sizes are those of the backbone's grid nearest to it with the clip's own aspect. None:
    the clip's own size, which must lie on the grid. fps: clips of another rate are left out (None: any).
    enlarge: clips that would have to grow by more than this are left out.
    """

    frames: tuple[int, ...] | None = None
    area: int | None = None
    fps: float | None = None
    enlarge: float = 1.25

    def __post_init__(self) -> None:
        if self.frames is not None:
            lengths = (self.frames,) if isinstance(self.frames, int) else tuple(self.frames)
            _require(bool(lengths), "data.frames is empty; name at least one clip length, such as [121]")
            for length in lengths:
                try:
                    require_frame_count(length)
                except FrameGridError as error:
                    raise RecipeError(f"data.frames: {error}") from error
            object.__setattr__(self, "frames", tuple(sorted(lengths, reverse=True)))
        _require(self.area is None or self.area >= 32 * 32, f"data.area is {self.area}; expected pixels, or null")


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A look at a held-out set every `every` steps (0: never): `cases` clips, a sheet of samples in `steps` steps."""

    every: int = 0
    cases: int = 8
    sheet: bool = True
    steps: int = 12

    def __post_init__(self) -> None:
        _require(
            self.every >= 0 and self.cases >= 2 and self.steps >= 1, "validation: every >= 0, cases >= 2, steps >= 1"
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run.

    backbone: mini, a name that `training.published` knows, or a diffusers folder. optimizer: adam (the paper's),
    adamw, muon (hidden matrices by Muon, the rest by AdamW), or adam8bit / adamw8bit (states in 8 bits, torchao).
    fused: the fused kernel of Adam. micro_batch: samples that one process runs at a time; the rest of its share of
    the batch accumulates (None: all at once). gradient_checkpointing: blocks of DiT and encoder are run again in the
    backward pass. mixed_precision: no, bf16, or auto, which is bf16 where the machine computes in it (see `precision`).
    ema: decay of the averaged weights (0: none are kept). augment: other ranges for `AugmentConfig`.
    control: how motion steers the generator; all but tokens are there for comparison (`training.controls`).
    """

    name: str
    backbone: str
    stages: tuple[Stage, ...]
    encoder: MotionEncoderConfig
    injection: Injection = field(default_factory=Injection)
    geometric: Geometric = field(default_factory=Geometric)
    flow: Flow = field(default_factory=Flow)
    lora: Lora = field(default_factory=Lora)
    data: ClipShapes = field(default_factory=ClipShapes)
    validation: Validation = field(default_factory=Validation)
    augment: dict[str, Any] = field(default_factory=dict)
    control: str = "tokens"
    optimizer: str = "adam"
    betas: tuple[float, float] = (0.9, 0.99)
    fused: bool = False
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    micro_batch: int | None = None
    gradient_checkpointing: bool = False
    ema: float = 0.999
    seed: int = 0
    mixed_precision: str = "bf16"
    compile: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        _require(self.optimizer in OPTIMIZERS, f"optimizer is {self.optimizer!r}; choose {', '.join(OPTIMIZERS)}")
        _require(
            self.mixed_precision in PRECISIONS,
            f"mixed_precision is {self.mixed_precision!r}; choose {', '.join(PRECISIONS)}",
        )
        _require(self.control in CONTROLS, f"control is {self.control!r}; choose {', '.join(CONTROLS)}")
        _require(bool(self.stages), "a recipe needs at least one stage")
        names = [stage.name for stage in self.stages]
        _require(len(set(names)) == len(names), f"stages are called {', '.join(names)}; give each a name of its own")
        _require(0 <= self.ema < 1, f"ema is {self.ema}; it is a decay such as 0.999, or 0 for none")
        _require(self.micro_batch is None or self.micro_batch > 0, f"micro_batch is {self.micro_batch}; 1 or more")
        _require(
            self.backbone != "mini" or all(stage.train.dit != "lora" for stage in self.stages),
            "the mini backbone starts from nothing: train.dit is full or frozen, not lora",
        )

    @property
    def precision(self) -> str:
        """no or bf16: what `auto` is on this machine. A CPU without bf16 units only gets slower by it."""
        if self.mixed_precision != "auto":
            return self.mixed_precision
        from .muon import computes_bf16  # torch takes seconds to import: recipes are also read by commands without it

        return "bf16" if computes_bf16() else "no"

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    @property
    def dit(self) -> set[DitTraining]:
        """Every way in which some stage trains the DiT."""
        return {stage.train.dit for stage in self.stages}

    def until(self, name: str) -> Recipe:
        """The recipe up to and with the stage of that name."""
        names = [stage.name for stage in self.stages]
        _require(name in names, f"there is no stage {name!r} in this recipe; its stages are {', '.join(names)}")
        return replace(self, stages=self.stages[: names.index(name) + 1])

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage of a global step, and the step's number within it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise RecipeError(f"the recipe ends after {self.total_steps} steps")


_PARTS = {
    "injection": Injection,
    "geometric": Geometric,
    "flow": Flow,
    "lora": Lora,
    "data": ClipShapes,
    "validation": Validation,
}


def load_recipe(path: Path | str) -> Recipe:
    """Read a YAML recipe; RecipeError names an unknown or missing field."""
    try:
        data: dict[str, Any] = yaml.safe_load(Path(path).read_text())
        if data.get("mixed_precision") is False:  # what YAML makes of an unquoted no
            data["mixed_precision"] = "no"
        data["stages"] = tuple(from_dict(Stage, stage) for stage in data["stages"])
        encoder = data["encoder"]
        data["encoder"] = (
            MotionEncoderConfig.preset(encoder) if isinstance(encoder, str) else MotionEncoderConfig.from_dict(encoder)
        )
        for name, cls in _PARTS.items():
            if name in data:
                data[name] = from_dict(cls, data[name])
        return from_dict(Recipe, data)
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such recipe") from None
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: {error}") from error
