"""The command line on a tiny model of the real classes: every use, and what wrong inputs get."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from threedimo_core.backbones.loading import save_backbone
from threedimo_core.camera_language import canonical
from threedimo_core.checkpoint import save_adapter
from threedimo_core.cli import main
from threedimo_core.commands import demo
from threedimo_core.images import read_image, write_image
from threedimo_core.motion_clip import MotionClip
from threedimo_core.video import probe_video, read_video, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, a driving video of 2 s with sound, a reference picture."""
    folder = tmp_path_factory.mktemp("cli")
    backbone = tiny_models.wan_backbone()
    save_backbone(backbone, folder / "model")
    record = replace(tiny_models.RECORD, text_grammar="camera_language")
    save_adapter(folder / "model" / "adapter.safetensors", tiny_models.adapter_for(backbone, record=record))
    rng = np.random.default_rng(0)
    write_video(folder / "driver.mp4", rng.integers(0, 255, (48, 48, 64, 3), dtype=np.uint8), 24.0)
    write_video(folder / "short.mp4", rng.integers(0, 255, (2, 48, 64, 3), dtype=np.uint8), 24.0)
    write_image(folder / "reference.png", rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
    (folder / "cut.mp4").write_bytes((folder / "driver.mp4").read_bytes()[:2000])
    (folder / "pickle.safetensors").write_bytes(b"\x80\x04K\x01.")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Run `threedimo` with words of a line; names of files in `folder` are relative to it."""
    monkeypatch.chdir(folder)
    return lambda line: main(line.split()) if isinstance(line, str) else main(line)


def frames_of(path: Path | str) -> np.ndarray:
    return read_video(path).frames


MODEL = "--model model --no-hands --device cpu"


def test_a_video_and_a_camera_make_a_video(run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"animate --driving driver.mp4 --reference reference.png {MODEL} --out one/out.mp4 --camera"
    assert run([*line.split(), "front view, arc left 45 degrees"]) == 0
    said = capsys.readouterr()
    assert said.out.split() == ["one/out.mp4", "one/out-sheet.png"]
    assert "arc left, 45 degrees" in said.err
    info = probe_video(folder / "one" / "out.mp4")
    assert (info.height, info.width, info.fps) == (32, 32, 12.0)
    assert frames_of(folder / "one" / "out.mp4").shape == (9, 32, 32, 3), "as long as the model was trained for"


def test_the_same_seed_gives_the_same_video_and_another_one_does_not(run, folder: Path) -> None:
    line = f"animate --driving driver.mp4 --reference reference.png {MODEL} --no-sheet"
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(f"{line} --seed {seed} --out seed/{name}.mp4") == 0
    a, b, c = (frames_of(folder / "seed" / f"{name}.mp4") for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_a_motion_file_serves_as_the_video_does(run, folder: Path) -> None:
    assert run(f"encode driver.mp4 {MODEL} --fps 12 --frames 9 --out motion.safetensors") == 0
    clip = MotionClip.load(folder / "motion.safetensors")
    assert (clip.num_frames, clip.fps, clip.source_size) == (9, 12.0, (48, 64))
    line = f"animate --reference reference.png {MODEL} --no-sheet"
    assert run(f"{line} --motion motion.safetensors --out motion/file.mp4") == 0
    assert run(f"{line} --driving driver.mp4 --out motion/video.mp4") == 0
    assert np.array_equal(frames_of(folder / "motion/file.mp4"), frames_of(folder / "motion/video.mp4"))


def test_several_cameras_make_several_videos_and_one_sheet(run, folder: Path, capsys) -> None:
    line = f"animate --driving driver.mp4 --reference reference.png {MODEL} --out many/out.mp4"
    assert run([*line.split(), "--camera", "arc left", "--camera", "zoom in"]) == 0
    assert capsys.readouterr().out.split() == ["many/out-1.mp4", "many/out-2.mp4", "many/out-sheet.png"]
    assert min(read_image(folder / "many" / "out-sheet.png").shape[:2]) > 32 * 3


@pytest.mark.parametrize(
    "line",
    [
        "--novel-view --reference reference.png",
        "--driving reference.png --reference reference.png",
        "--stabilise --driving driver.mp4",
        "--driving driver.mp4 --reference reference.png --strength 0 --frames 5 --height 48 --width 32 --steps 1",
        "--driving short.mp4 --reference reference.png --frames 9 --hold-last",
        "--driving driver.mp4 --reference reference.png --guidance 2 --motion-guidance 1.5 --steps 1",
    ],
    ids=["novel-view", "a picture as driver", "stabilise", "sizes and strength", "held last pose", "guidance"],
)
def test_the_other_uses(run, folder: Path, line: str) -> None:
    assert run(f"animate {line} {MODEL} --no-sheet --out other.mp4") == 0
    frames = frames_of(folder / "other.mp4")
    assert frames.shape == ((5, 48, 32, 3) if "--frames 5" in line else (9, 32, 32, 3))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--driving nowhere.mp4 --reference reference.png", "nowhere.mp4: there is no such file"),
        ("--reference reference.png", "--driving VIDEO, --motion FILE"),
        ("--driving driver.mp4", "--reference IMAGE"),
        ("--driving cut.mp4 --reference reference.png", "cut.mp4"),
        ("--driving reference.png --reference driver.mp4", "not a picture"),
        ("--driving short.mp4 --reference reference.png", "--hold-last"),
        ("--driving driver.mp4 --reference reference.png --frames 8", "use 5 or 9"),
        ("--driving driver.mp4 --reference reference.png --frames 257 --hold-last", "at most 253 frames"),
        ("--driving driver.mp4 --reference reference.png --fps 0", "fps"),
        ("--driving driver.mp4 --reference reference.png --out driver.mp4/wrong.mp4", "folder"),
        ("--driving driver.mp4 --reference reference.png --height 40 --width 40", "use 48 × 48"),
        ("--driving driver.mp4 --reference reference.png --height 32", "give both"),
        ("--driving driver.mp4 --reference reference.png --steps 0", "steps"),
        ("--driving driver.mp4 --reference reference.png --strength nan", "strength"),
        ("--driving driver.mp4 --reference reference.png --start 99", "start"),
        ("--driving driver.mp4 --reference reference.png --camera wobble", "wobble"),
        ("--driving driver.mp4 --reference reference.png --device toaster", "--device cpu"),
        ("--motion pickle.safetensors --reference reference.png", "a pickle"),
        ("--motion model/adapter.safetensors --reference reference.png", "adapter"),
        ("--motion nowhere.safetensors --reference reference.png --keep-audio", "--keep-audio"),
        ("--stabilise --driving driver.mp4 --reference reference.png", "--stabilise takes"),
        ("--driving driver.mp4 --reference reference.png --backbone nowhere", "no such folder"),
    ],
)
def test_wrong_inputs_get_one_message_and_no_traceback(run, folder: Path, capsys, line: str, said: str) -> None:
    assert run(f"animate {MODEL} --out wrong.mp4 {line}") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("threedimo animate: ") and said in message
    assert not list(folder.glob("*wrong*"))


def test_the_suffix_of_the_output_is_checked_before_anything_is_done(run, capsys) -> None:
    assert run(f"animate --novel-view --reference reference.png {MODEL} --out out.avi") == 2
    assert ".mp4" in capsys.readouterr().err
    assert run(f"encode driver.mp4 {MODEL} --out motion.mp4") == 2
    assert ".safetensors" in capsys.readouterr().err


def test_a_backbone_without_its_adapter_is_refused(run, capsys) -> None:
    assert run("animate --novel-view --reference reference.png --backbone model --out out.mp4") == 2
    assert "--backbone needs --model" in capsys.readouterr().err


def test_an_adapter_without_its_backbone_is_refused(run, capsys) -> None:
    line = "animate --novel-view --reference reference.png --model model/adapter.safetensors --out out.mp4"
    assert run(line) == 2
    assert "name its diffusers folder with --backbone" in capsys.readouterr().err
    assert run(f"{line} --backbone model --no-sheet --device cpu") == 0


def test_info_tells_what_files_are(run, capsys) -> None:
    run(f"encode driver.mp4 {MODEL} --out info.safetensors")
    capsys.readouterr()
    assert run("info info.safetensors model driver.mp4 reference.png") == 0
    said = capsys.readouterr().out
    for part in ("48 frames at 24 fps", "a complete diffusers folder", "stage 3", "h264", "40 × 40 px"):
        assert part in said
    assert run("info pickle.safetensors") == 2
    assert run("info nowhere") == 2


def test_debug_shows_where_an_error_came_from(run) -> None:
    with pytest.raises(ValueError, match="no such file"):
        run("--debug info nowhere")


def test_demo_writes_three_videos_a_motion_and_a_sheet(run, folder: Path, monkeypatch, capsys) -> None:
    """The demo's own inputs; a tiny model stands in for the mini, whose size does not matter here."""
    monkeypatch.setattr(demo, "MINI_FOLDER", folder / "model")
    monkeypatch.setattr(demo, "mini_adapter", lambda: folder / "model" / "adapter.safetensors")
    assert run("demo --out demo --steps 1") == 0
    files = {path.name for path in (folder / "demo").iterdir()}
    videos = {f"{name}.mp4" for name in demo.CAMERAS}
    assert files == videos | {"driving.mp4", "reference.png", "motion.safetensors", "sheet.png"}
    assert {frames_of(folder / "demo" / name).shape for name in videos} == {(9, 32, 32, 3)}
    assert "synthetic people" in capsys.readouterr().err


def test_the_demo_asks_for_cameras_that_the_language_knows() -> None:
    for text in demo.CAMERAS.values():
        assert canonical(text) == text
