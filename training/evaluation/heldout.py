"""The held-out set of the benchmark: rendered from a seed when it is not there, never part of a training set.

    views/  same motion, same cameras, two people in different clothes; still cameras (split "test")
    moves/  one person, moving cameras (split "test")
    fit/    what probes and the camera reader learn from (split "train": other motions, bodies and azimuth bins)

The trainer reads the split "train" only, and all three seeds are the benchmark's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from threedimo_core.checkpoint import TrainingRecord

from ..data.manifest import SETTINGS_NAME, Record, read_manifest, read_settings
from ..data.render_command import render_set
from ..data.render_settings import RenderSettings

_FIT_SEED_STEP = 1_000_003  # keeps the seed of `fit` away from those of training sets


@dataclass(frozen=True)
class Size:
    """How large a run is. motions × views × 2 appearances are held out, plus `moves` × views under moving cameras.

    fit: performances for probes and camera reader; cases: generated clips a row; probe_steps, reader_steps: of the
    small networks.
    """

    name: str
    motions: int
    views: int
    moves: int
    fit: int
    cases: int
    probe_steps: int
    reader_steps: int


SIZES = {
    "smoke": Size("smoke", motions=20, views=4, moves=8, fit=30, cases=6, probe_steps=150, reader_steps=150),
    "full": Size("full", motions=100, views=6, moves=100, fit=600, cases=96, probe_steps=1500, reader_steps=3000),
}


@dataclass(frozen=True)
class Pictures:
    """What is rendered: pixels, frames, rate, and calm scenes (`plain`) or busy ones."""

    height: int
    width: int
    num_frames: int
    fps: float
    hand_size: int
    plain: bool

    @classmethod
    def of_model(cls, record: TrainingRecord, hand_size: int, plain: bool) -> Pictures:
        """The shape a model was trained on."""
        return cls(record.height, record.width, record.num_frames, record.fps, hand_size, plain)


class HeldOut:
    """The three sets in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.views, self.moves, self.fit = root / "views", root / "moves", root / "fit"

    def complete(self, size: Size, pictures: Pictures, seed: int, workers: int = 1) -> None:
        """Render what is missing. A folder made with other settings is refused (ManifestError), as is one of training.

        Sets that hold more than `size` asks for are used whole.
        """
        common = RenderSettings(
            num_frames=pictures.num_frames, fps=pictures.fps, height=pictures.height, width=pictures.width,
            hand_size=pictures.hand_size, plain=pictures.plain, views=size.views,
        )  # fmt: skip
        test = replace(common, seed=seed, split="test")
        wanted = {
            self.views: (replace(test, identities=2, kind="static"), size.motions),
            self.moves: (replace(test, kind="moving"), size.moves),
            self.fit: (replace(common, seed=seed + _FIT_SEED_STEP, split="train"), size.fit),
        }
        for folder, (settings, count) in wanted.items():
            if not self._holds(folder, count):
                render_set(folder, settings, list(range(count)), workers)
        self.check()

    @staticmethod
    def _holds(folder: Path, count: int) -> bool:
        return (folder / SETTINGS_NAME).is_file() and len(read_manifest(folder)) >= count

    def check(self) -> None:
        """ValueError unless the sets are of the right splits, so that nothing trained on is scored on."""
        for folder, split in ((self.views, "test"), (self.moves, "test"), (self.fit, "train")):
            found = read_settings(folder)["settings"]["split"]
            if found != split:
                raise ValueError(
                    f"{folder} is of the split {found!r}; the benchmark needs {split!r}: give another --data"
                )
        if read_settings(self.views)["settings"]["identities"] != 2:
            raise ValueError(f"{self.views} has one identity; retrieval needs two: render with --identities 2")

    @property
    def label(self) -> str:
        """Short description for the report."""
        s = read_settings(self.views)["settings"]
        count = len(self.records(self.views))
        return (
            f"{count} motions × {s['views']} views × {s['identities']} appearances, seed {s['seed']}, "
            f"{s['num_frames']} frames of {s['height']} × {s['width']} px"
        )

    @staticmethod
    def records(folder: Path) -> list[Record]:
        return read_manifest(folder)
