"""Part c: camera obedience. Does the camera do what the prompt says, and does the person stay out of it?

Held-out clips under moving cameras are made again: the true first frame, another view as driver, the caption. A small
reader trained on renders (camera_reader.py) says what the camera did; first it reads the true renders of the same
clips, which says how far its word can be trusted. It reads the background (how the camera moved) and the person (from
which side they are seen) apart, because a generator can turn one without the other.

A phrase is obeyed when the camera goes its way by at least a quarter of what the true camera did; standing still is
a failure. Controls: the prompt of a clip with another phrase, and a prompt for a still camera.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from threedimo_core.camera_language import CameraPrompt, Move, MoveKind, write

from ..data.camera_record import prompt_from_json
from ..data.clip_store import ClipStore
from ..data.manifest import Record
from . import intervals
from .camera_reader import CameraReader, turned
from .camera_training import truth_of
from .camera_truth import COMPONENTS, FORWARD, RIGHT, ROUND, SIGNATURES, UP, YAW, CameraTruth, obeyed, steps_of
from .intervals import Estimate
from .report import Row, Section
from .system import System, Take
from .viewset import Floats, angle_between

PART = "camera"
_TAG = 0x63616D
_WORST_ANGLE = 180.0
ARCS = frozenset({MoveKind.ARC_LEFT, MoveKind.ARC_RIGHT})
STATIC_PROMPT = write(CameraPrompt(moves=(Move(MoveKind.STATIC),)))


@dataclass(frozen=True)
class Case:
    """A clip with one camera move, a view that drives it, and what another clip's prompt says."""

    target: Take
    driver: Take
    kind: MoveKind
    motion: int
    other_prompt: str
    truth: CameraTruth


@dataclass(frozen=True)
class Outcome:
    """What was read from a clip: the camera's whole motion [6] and the person's turn, beside the true ones.

    failed: there was no video to read (NaN); it obeyed nothing and errs as far as one can.
    """

    kind: MoveKind
    motion: int
    read: Floats
    true: Floats
    turned_read: float
    turned_true: float
    failed: bool = False

    @property
    def obeyed(self) -> bool:
        return not self.failed and obeyed(self.kind, self.read, self.true)

    @property
    def background_error(self) -> float:
        return _WORST_ANGLE if self.failed else float(abs(self.read[YAW] - self.true[YAW]))

    @property
    def body_error(self) -> float:
        return _WORST_ANGLE if self.failed else float(abs(self.turned_read - self.turned_true))


def choose_cases(
    store: ClipStore, records: Sequence[Record], count: int, seed: int, size: tuple[int, int] | None = None
) -> list[Case]:
    """Up to `count` clips, as many of each phrase as can be: phrases take turns."""
    rng = np.random.default_rng([seed, _TAG])
    by_kind: dict[MoveKind, list[tuple[int, int]]] = {}
    for number, record in enumerate(records):
        for view, described in enumerate(record["views"]):
            moves = prompt_from_json(described["prompt"]).moves
            if len(moves) == 1 and moves[0].kind in SIGNATURES and len(record["views"]) > 1:
                by_kind.setdefault(moves[0].kind, []).append((number, view))
    queues = {kind: [found[i] for i in rng.permutation(len(found))] for kind, found in sorted(by_kind.items())}
    order = _in_turns(queues)[:count]
    captions = [(kind, records[number]["views"][view]["captions"][0]) for kind, (number, view) in order]
    cases = []
    for (kind, (number, view)), shift in zip(order, rng.integers(1, 1_000_000, len(order)), strict=True):
        record = records[number]
        others = [v for v in range(len(record["views"])) if v != view]
        driver = others[int(rng.integers(len(others)))]
        cases.append(
            Case(
                Take(store, record, view, size), Take(store, record, driver, size), kind, number,
                _other_prompt(captions, kind, int(shift)), truth_of(store, record, view),
            )
        )  # fmt: skip
    return cases


def _in_turns(queues: dict[MoveKind, list[tuple[int, int]]]) -> list[tuple[MoveKind, tuple[int, int]]]:
    order = []
    for turn in range(max((len(q) for q in queues.values()), default=0)):
        order += [(kind, queue[turn]) for kind, queue in queues.items() if turn < len(queue)]
    return order


def _other_prompt(captions: list[tuple[MoveKind, str]], kind: MoveKind, shift: int) -> str:
    """The caption of a clip whose phrase asks for something else; the static one where there is none."""
    others = [caption for other, caption in captions if SIGNATURES[other] != SIGNATURES[kind]]
    return others[shift % len(others)] if others else STATIC_PROMPT


def read_outcome(reader: CameraReader, video: Tensor, case: Case) -> Outcome:
    """What the reader says about a video of a case [T, 3, H, W]."""
    steps = steps_of(len(video))
    true: Floats = case.truth.motion(steps[:-1], steps[1:]).sum(0)
    true_turn = turned(case.truth.azimuth.numpy())
    if not bool(torch.isfinite(video).all()):
        return Outcome(case.kind, case.motion, np.zeros_like(true), true, 0.0, true_turn, failed=True)
    reading = reader.read(video)
    return Outcome(case.kind, case.motion, reading.total, true, reading.turned, true_turn)


def measure(
    reader: CameraReader, store: ClipStore, records: Sequence[Record], stills: Sequence[Take], system: System,
    cases: int, seed: int,
) -> Section:  # fmt: skip
    """The reader's own figures on true renders of all clips first; then those of generated videos, and controls.

    stills: clips of still cameras, for the drift that the reader sees where there is none.
    """
    shape = (system.pictures.height, system.pictures.width)
    every = choose_cases(store, records, 10**6, seed, shape)
    if not every:
        return Section(PART, "c. Camera obedience", (), ("No clip of the held-out set has a single move: no figure.",))
    true = [read_outcome(reader, case.target.frames(), case) for case in tqdm(every, desc="true renders", leave=False)]
    rows = obedience_rows("true renders", true, control=True)
    rows += drift_rows("true renders of still cameras", [reader.read(take.frames()).total for take in stills],
                       list(range(len(stills))), control=True)  # fmt: skip
    remarks = [_reader_remark(true, azimuth_error(reader, [case.target for case in every]))]
    if system.make is not None:
        chosen = every[:cases]
        rows += _generated_rows(reader, chosen, system.make, seed)
        remarks.append(
            f"Generated: {len(chosen)} clips of {len({c.kind for c in chosen})} phrases, {_counted(chosen)}."
        )
    return Section(PART, "c. Camera obedience", tuple(rows), tuple(remarks))


def _reader_remark(true: Sequence[Outcome], sides: Sequence[float]) -> str:
    errors = np.abs(np.stack([o.read - o.true for o in true])).mean(0)
    units = ("°", "°", "", "", "", "")
    parts = ", ".join(f"{name} {e:.2f}{u}" for name, e, u in zip(COMPONENTS, errors, units, strict=True))
    return (
        f"The reader itself, on {len(true)} true renders it never saw: mean error over a clip {parts} (travel per "
        f"metre of distance, zoom as a logarithm); person's side {np.mean(sides):.1f}°. No figure of a generated video "
        "can be trusted further than this."
    )


def _counted(cases: Sequence[Case]) -> str:
    counts = {kind: sum(c.kind is kind for c in cases) for kind in sorted({c.kind for c in cases})}
    return ", ".join(f"{count} {kind.label}" for kind, count in counts.items())


def _generated_rows(reader: CameraReader, cases: Sequence[Case], make: Callable[..., Tensor], seed: int) -> list[Row]:
    """The same reference, driver and noise under three prompts, scored against the clip's own phrase."""
    prompts: dict[str, Callable[[Case], str]] = {
        "right prompt": lambda case: case.target.caption,
        "prompt shuffled": lambda case: case.other_prompt,
        "static prompt": lambda case: STATIC_PROMPT,
    }
    found: dict[str, list[Outcome]] = {name: [] for name in prompts}
    for number, case in enumerate(tqdm(cases, desc="camera, generated", leave=False)):
        reference = case.target.frames()
        for name, prompt in prompts.items():
            video = make(reference[0], case.driver, prompt(case), len(reference), seed + number)
            found[name].append(read_outcome(reader, video, case))
    rows = []
    for name, outcomes in found.items():
        rows += obedience_rows(name, outcomes, control=name != "right prompt")
    for control in ("prompt shuffled", "static prompt"):
        gain = _paired(found["right prompt"], found[control])
        rows.append(Row(PART, f"right prompt − {control}", "direction obeyed", gain))
    still = found["static prompt"]
    rows += drift_rows("generated with the static prompt", [o.read for o in still], [o.motion for o in still], False)
    return rows


def _paired(first: Sequence[Outcome], second: Sequence[Outcome]) -> Estimate:
    return intervals.difference([o.obeyed for o in first], [o.obeyed for o in second], [o.motion for o in first])


def obedience_rows(what: str, outcomes: Sequence[Outcome], control: bool) -> list[Row]:
    """Direction over all phrases and for each; angle errors of arcs, background and body apart."""
    aim = "" if control else "≥ 0.90"
    rows = [_mean_row(what, "direction obeyed", outcomes, lambda o: o.obeyed, "", aim, control)]
    for kind in sorted({o.kind for o in outcomes}):
        own = [o for o in outcomes if o.kind is kind]
        rows.append(_mean_row(what, f"direction obeyed: {kind.label}", own, lambda o: o.obeyed, "", "", control))
    arcs = [o for o in outcomes if o.kind in ARCS]
    rounds = [o for o in outcomes if o.kind in ROUND]
    if arcs:
        aim = "" if control else "≤ 15°"
        rows.append(
            _mean_row(what, "arc angle error, background", arcs, lambda o: o.background_error, "°", aim, control)
        )
        rows.append(_mean_row(what, "arc angle error, person", arcs, lambda o: o.body_error, "°", aim, control))
    if rounds:
        rows.append(
            _mean_row(what, "arcs and orbits, person turns the same way", rounds, _turns_along, "", "", control)
        )
    return rows


def _turns_along(outcome: Outcome) -> bool:
    return bool(
        np.sign(outcome.turned_read) == np.sign(outcome.turned_true)
        and abs(outcome.turned_read) >= 0.25 * abs(outcome.turned_true)
    )


def _mean_row(
    what: str, metric: str, outcomes: Sequence[Outcome], value: Callable[[Outcome], float], unit: str, aim: str,
    control: bool,
) -> Row:  # fmt: skip
    estimate = intervals.mean([float(value(o)) for o in outcomes], [o.motion for o in outcomes])
    return Row(PART, what, metric, estimate, unit, aim, control)


def drift_rows(what: str, totals: Sequence[Floats], motions: Iterable[int], control: bool) -> list[Row]:
    """How far a camera that should stand still went: turned, and travelled per metre of distance to the person."""
    if not totals:
        return []
    whole, clusters = np.stack(totals), list(motions)
    turn = intervals.mean(np.abs(whole[:, YAW]), clusters)
    travel = intervals.mean(np.linalg.norm(whole[:, [RIGHT, UP, FORWARD]], axis=1), clusters)
    return [
        Row(PART, what, "static drift, turned", turn, "°", control=control),
        Row(PART, what, "static drift, travelled / distance", travel, control=control),
    ]


def azimuth_error(reader: CameraReader, takes: Sequence[Take]) -> list[float]:
    """The reader's error in degrees of the side that a person is seen from, over clips of true renders."""
    errors = []
    for take in takes:
        truth = truth_of(take.store, take.record, take.view)
        errors.append(float(angle_between(reader.read(take.frames()).azimuth, truth.azimuth.numpy()).mean()))
    return errors
