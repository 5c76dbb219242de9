"""What produced a figure: the checkpoint's hash, the seed, the commit of the code, the held-out set."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

_DIGITS = 12


@dataclass(frozen=True)
class MadeBy:
    """checkpoint: hash of the weights; seed: of noise and probes; commit: of the code ("+" where files differ)."""

    checkpoint: str
    seed: int
    commit: str
    data: str

    def __str__(self) -> str:
        return f"{self.checkpoint} · seed {self.seed} · {self.commit}"


def checkpoint_hash(folder: Path) -> str:
    """Twelve hex digits that name every weight file of a model folder, adapter included."""
    digest = hashlib.sha256()
    files = sorted(folder.rglob("*.safetensors")) if folder.is_dir() else [folder]
    if not files:
        raise ValueError(f"{folder} holds no .safetensors file; give the folder of an exported model")
    for path in files:
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:_DIGITS]


def code_commit() -> str:
    """Short commit of the checkout this code runs from; "no git" outside of one."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "--short", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no", "--", str(here.parents[1]))
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return "no git"
    return commit + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout.strip()
