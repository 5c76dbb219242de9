"""Every use of `threedimo animate` on real clips and pictures, which lie beside the checkout and are never part of it.

With the bundled mini model where it is there, else with a tiny one of the same classes. What is asked for is a video of
that size and length; how it looks is not judged here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models

from threedimo_core.backbones.loading import save_backbone
from threedimo_core.bundled import ADAPTER_FILE, MINI_FOLDER
from threedimo_core.checkpoint import save_adapter
from threedimo_core.cli import main
from threedimo_core.video import read_video

CLIPS = Path(__file__).parents[2] / "shared" / "clips"
DRIVERS = sorted(CLIPS.rglob("*.mp4"))
PICTURES = sorted((CLIPS / "reference").glob("*.*"))
# frames, height, width: square, upright and wide, on the mini's grid of 16.
ASKED = ((9, 64, 64), (13, 128, 96), (5, 96, 128))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DRIVERS or not PICTURES, reason=f"there are no clips and pictures in {CLIPS}"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options that name the model: none for the bundled mini."""
    if (MINI_FOLDER / ADAPTER_FILE).is_file():
        return []
    folder, backbone = tmp_path_factory.mktemp("model"), tiny_models.wan_backbone()
    save_backbone(backbone, folder)
    save_adapter(folder / ADAPTER_FILE, tiny_models.adapter_for(backbone))
    return ["--model", str(folder)]


def animate(model: list[str], out: Path, asked: tuple[int, int, int], *options: str | Path) -> None:
    frames, height, width = asked
    size = ["--frames", frames, "--height", height, "--width", width, "--steps", 2, "--hold-last"]
    words = ["animate", *options, *size, *model, "--device", "cpu", "--out", out]
    assert main([str(word) for word in words]) == 0
    assert read_video(out).frames.shape == (frames, height, width, 3)
    assert out.with_name(f"{out.stem}-sheet.png").is_file()


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("driver", DRIVERS, ids=lambda path: path.stem)
def test_every_clip_drives_every_picture(model: list[str], driver: Path, picture: Path, tmp_path: Path) -> None:
    asked = ASKED[(DRIVERS.index(driver) + PICTURES.index(picture)) % len(ASKED)]
    camera = "front view, the camera arcs left 45 degrees"
    animate(model, tmp_path / "out.mp4", asked, "--driving", driver, "--reference", picture, "--camera", camera)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda path: path.stem)
def test_every_clip_can_be_stabilised(model: list[str], driver: Path, tmp_path: Path) -> None:
    animate(model, tmp_path / "steady.mp4", ASKED[1], "--stabilise", "--driving", driver)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_every_picture_has_a_novel_view(model: list[str], picture: Path, tmp_path: Path) -> None:
    animate(model, tmp_path / "view.mp4", ASKED[2], "--novel-view", "--reference", picture, "--camera", "orbit left")
