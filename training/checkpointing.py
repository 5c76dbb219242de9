"""Training state on disk: written beside, synced, then published by rename; the newest few are kept."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_NAME = re.compile(r"^step-(\d{8})$")


def latest(folder: Path) -> Path | None:
    """The newest published checkpoint, or None."""
    found = sorted(p for p in folder.glob("step-*") if _NAME.match(p.name)) if folder.exists() else []
    return found[-1] if found else None


def save(folder: Path, step: int, state: dict[str, Any], info: dict[str, Any], keep: int = 2) -> Path:
    """Publish `folder/step-<n>` holding `state.pt` and a readable `info.json`; older ones beyond `keep` go."""
    folder.mkdir(parents=True, exist_ok=True)
    final, beside = folder / f"step-{step:08d}", folder / f".step-{step:08d}.tmp"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    with open(beside / "state.pt", "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    (beside / "info.json").write_text(json.dumps({"step": step, **info}, indent=2))
    if final.exists():
        shutil.rmtree(final)
    os.replace(beside, final)
    for old in sorted(p for p in folder.glob("step-*") if _NAME.match(p.name))[:-keep]:
        shutil.rmtree(old)
    return final


def load(path: Path) -> tuple[int, dict[str, Any]]:
    """(step, state) of a published checkpoint."""
    step = json.loads((path / "info.json").read_text())["step"]
    state: dict[str, Tensor | dict] = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    return step, state
