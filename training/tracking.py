"""What a run tells: a JSON line a step always, trackers (TensorBoard, W&B, Trackio) through accelerate, a progress bar.

The log is the run's memory: it is cut back to the checkpoint a run resumes from, so that no step stands in it twice.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from threedimo_core.paths import atomic_path

from .parallel import Engine

TRACKERS = ("tensorboard", "wandb", "trackio")
LOG = "log.jsonl"
_PROJECT = "threedimo"


def choose_trackers(names: Sequence[str] | None) -> list[str]:
    """The trackers asked for; by default TensorBoard where it is installed. ValueError for one that is not."""
    if names is None:
        return [name for name in TRACKERS[:1] if importlib.util.find_spec(name)]
    chosen = [name for name in names if name != "none"]
    for name in chosen:
        if name not in TRACKERS:
            raise ValueError(f"unknown tracker {name!r}; choose among {', '.join(TRACKERS)}, or none")
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"the tracker {name} is not installed: pip install {name}, or leave it out of --track")
    return chosen


class Tracking:
    """The log, the trackers and the progress bar of one process; only the first process writes."""

    def __init__(
        self, engine: Engine, out: Path, name: str, settings: Mapping[str, Any], step: int, total: int
    ) -> None:
        self.engine, self.path = engine, out / LOG
        self.bar: tqdm[Any] | None = None
        if engine.is_main:
            out.mkdir(parents=True, exist_ok=True)
            _cut(self.path, step)
            quiet = not sys.stderr.isatty()
            self.bar = tqdm(total=total, initial=step, desc=name, mininterval=30 if quiet else 0.5, smoothing=0.05)
        if engine.accelerator.log_with:
            tensorboard = {"tensorboard": {"purge_step": step + 1}} if step else {}
            engine.accelerator.init_trackers(_PROJECT, _flat(settings), tensorboard)

    def log(self, record: Mapping[str, Any]) -> None:
        """One step's record; its `step` is the number of the steps done."""
        if not self.engine.is_main:
            return
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")
        if self.engine.accelerator.log_with:
            numbers = {k: v for k, v in record.items() if isinstance(v, (int, float)) and k != "step"}
            self.engine.accelerator.log(numbers, step=int(record["step"]))
        if self.bar is not None and "stage" in record:
            shown = {name: f"{record[name]:.4g}" for name in ("flow", "pose", "lr") if name in record}
            self.bar.set_postfix({"stage": record["stage"], **shown}, refresh=False)
            self.bar.update(int(record["step"]) - self.bar.n)

    def say(self, text: str) -> None:
        """A line for people, above the progress bar."""
        if self.engine.is_main:
            tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.engine.close()


def read_log(out: Path) -> list[dict[str, Any]]:
    """Every whole line of a run's log."""
    path = out / LOG
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:  # a line that was being written when the process was killed
            continue
    return records


def _cut(path: Path, step: int) -> None:
    """Leave out of the log what came after `step`: steps that were lost with the process are done again."""
    if not path.exists():
        return
    kept = [record for record in read_log(path.parent) if record["step"] <= step]
    with atomic_path(path) as draft:
        draft.write_text("".join(json.dumps(record) + "\n" for record in kept))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `a/b` → number or text, which is all that trackers take."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}/")
        else:
            flat[prefix + str(name)] = value if isinstance(value, (int, float, bool)) else str(value)
    return flat
