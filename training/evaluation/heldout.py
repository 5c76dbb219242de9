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

from ..data.manifest import RENDER_SECTION, SETTINGS_NAME, read_manifest, read_settings, write_settings
from ..data.render_command import render_set
from ..data.render_settings import RenderSettings

_FIT_SEED_STEP = 1_000_003  # keeps the seed of `fit` away from those of training sets


@dataclass(frozen=True)
class Size:
    """How large a run is. motions × views × 2 appearances are held out, plus `moves` under `few_views` moving cameras.

    fit: performances of `few_views` cameras for probes and camera reader; cases: generated clips of a part;
    probe_steps, reader_steps: of the small networks.
    """

    name: str
    motions: int
    views: int
    moves: int
    fit: int
    few_views: int
    cases: int
    probe_steps: int
    reader_steps: int


SIZES = {
    size.name: size
    for size in (
        Size("smoke", motions=20, views=4, moves=8, fit=30, few_views=4, cases=6, probe_steps=150, reader_steps=150),
        # The gallery and the views of `full`, with fewer cases and less to fit on: rendered sets can be continued.
        Size("medium", 100, 6, moves=40, fit=120, few_views=4, cases=24, probe_steps=1000, reader_steps=1000),
        Size("full", 100, 6, moves=100, fit=300, few_views=4, cases=96, probe_steps=1500, reader_steps=3000),
    )
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

    def shape(self, wanted: Pictures, render: tuple[int, int] | None = None) -> Pictures:
        """`wanted` with the size of what is, or will be, rendered: `render` (height, width) where given, else the size
        of the set that is there, else the wanted one. Clips are scaled to the model when they are scored.
        """
        if render is not None:
            return replace(wanted, height=render[0], width=render[1])
        if not (self.views / SETTINGS_NAME).is_file():
            return wanted
        found = read_settings(self.views)[RENDER_SECTION]
        return replace(wanted, **{name: found[name] for name in ("height", "width", "hand_size")})

    def complete(self, size: Size, pictures: Pictures, seed: int, workers: int = 1, device: str = "cpu") -> None:
        """Render what is missing; a run that was stopped is continued.

        ManifestError for a folder that was made with other settings: nothing in it is touched.
        """
        common = RenderSettings(
            num_frames=pictures.num_frames, fps=pictures.fps, height=pictures.height, width=pictures.width,
            hand_size=pictures.hand_size, plain=pictures.plain,
        )  # fmt: skip
        test = replace(common, seed=seed, split="test")
        few = size.few_views
        wanted = {
            self.views: (replace(test, views=size.views, identities=2, kind="static"), size.motions),
            self.moves: (replace(test, views=few, kind="moving"), size.moves),
            self.fit: (replace(common, views=few, seed=seed + _FIT_SEED_STEP, split="train"), size.fit),
        }
        for folder, (settings, count) in wanted.items():
            if folder.exists():
                write_settings(folder, settings.to_json())  # refuses what was made otherwise
            if not self._holds(folder, count):
                render_set(folder, settings, list(range(count)), workers, device=device)

    @staticmethod
    def _holds(folder: Path, count: int) -> bool:
        return (folder / SETTINGS_NAME).is_file() and len(read_manifest(folder)) >= count


def label_of(size: Size, pictures: Pictures, seed: int) -> str:
    """The held-out set in a line, for the report."""
    scenes = "plain" if pictures.plain else "busy"
    return (
        f"{size.motions} motions × {size.views} views × 2 appearances, {size.moves} × {size.few_views} moving cameras; "
        f"seed {seed}, {pictures.num_frames} frames of {pictures.height} × {pictures.width} px, {scenes} scenes"
    )
