"""The nodes around a motion, in the real host: encode, edit, save, load, preview, export, camera prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
import numpy as np
import pytest
import torch
from threedimo_pack.nodes import extension, motion_files, motion_ops
from threedimo_pack.nodes.camera import NO_MOVE, UNSAID, CameraPrompt
from threedimo_pack.nodes.encode import NO_HANDS, EncodeMotion
from threedimo_pack.nodes.export import ExportMotion
from threedimo_pack.nodes.motion_files import NO_FILE, LoadMotion, SaveMotion
from threedimo_pack.nodes.preview import PreviewMotion
from threedimo_pack.threedimo_core.motion_clip import MotionClip
from tiny_host import hold, mini_backbone, motion_of
from tiny_models import adapter_for

CAMERA = {
    "move": "static", "speed": "normal", "angle": 0.0, "second_move": NO_MOVE, "second_speed": "normal",
    "second_angle": 0.0, "view": "front", "elevation": UNSAID, "framing": UNSAID, "text": "", "scene": "",
}  # fmt: skip
PREVIEW = {"width": 64, "height": 96, "turns": 1.0, "azimuth": 0.0, "elevation": 10.0, "smoothing": 0.0}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return hold(adapter_for(mini_backbone()), tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def motion(loaded: Any) -> MotionClip:
    return motion_of(loaded.adapter, 17)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("output", "input", "temp"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path


def encode(loaded: Any, images: torch.Tensor, **more: Any) -> MotionClip:
    inputs = {"fps": 12.0, "hands": NO_HANDS, "crop_person": False, "chunk_frames": 4, **more}
    return EncodeMotion.execute(loaded, images, **inputs).result[0]


# --- encode -----------------------------------------------------------------------------------------------


def test_encoding_does_not_depend_on_the_chunks(loaded: Any) -> None:
    images = torch.rand(9, 48, 40, 3, generator=torch.Generator().manual_seed(0))
    whole, parts = encode(loaded, images, chunk_frames=64), encode(loaded, images, chunk_frames=2)
    assert whole.num_frames == 9 and whole.fps == 12.0 and whole.source_size == (48, 40)
    torch.testing.assert_close(whole.tokens, parts.tokens, atol=1e-5, rtol=1e-5)


def test_hand_pictures_reach_the_tokens(loaded: Any) -> None:
    images, hand = torch.rand(3, 32, 32, 3), torch.rand(3, 20, 30, 3)
    without, with_left = encode(loaded, images), encode(loaded, images, left_hand=hand)
    assert with_left.hand_present.tolist() == [[True, False]] * 3
    assert not torch.equal(without.hands[:, 0], with_left.hands[:, 0])
    torch.testing.assert_close(without.hands[:, 1], with_left.hands[:, 1])


@pytest.mark.parametrize(
    ("images", "more", "said"),
    [
        (torch.rand(0, 8, 8, 3), {}, "driving video"),
        (torch.rand(3, 8, 8, 1), {}, r"\[frames, height, width, 3\]"),
        (torch.full((2, 8, 8, 3), 255.0), {}, "expected 0 to 1"),
        (torch.rand(3, 8, 8, 3), {"fps": 0.0}, "above 0"),
        (torch.rand(3, 8, 8, 3), {"left_hand": torch.rand(2, 8, 8, 3)}, "one for each of the 3 frames"),
    ],
)
def test_bad_driving_videos_are_told_in_words(loaded: Any, images: torch.Tensor, more: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encode(loaded, images, **more)


def test_cancelling_ends_encoding_and_preview(loaded: Any, motion: MotionClip) -> None:
    for work in (lambda: encode(loaded, torch.rand(9, 16, 16, 3)), lambda: preview(loaded, motion)):
        comfy.model_management.interrupt_current_processing(True)
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            work()
        assert not comfy.model_management.processing_interrupted()
    assert encode(loaded, torch.rand(9, 16, 16, 3)).num_frames == 9, "the next run is right"


def test_a_thousand_frames(loaded: Any) -> None:
    assert encode(loaded, torch.rand(1, 16, 16, 3).expand(1000, -1, -1, -1), chunk_frames=256).num_frames == 1000


# --- files ------------------------------------------------------------------------------------------------


def save(motion: MotionClip, prefix: str = "motions/walk", if_exists: str = motion_files.NUMBER, **more: Any) -> Any:
    return SaveMotion.execute(motion, prefix, if_exists, **more)


def test_a_saved_motion_comes_back(motion: MotionClip, folders: Path) -> None:
    _, name = save(motion).result
    assert name == "motions/walk_00001.safetensors [output]" and motion_files.motion_files() == [name]
    back, fps, frames = LoadMotion.execute(name).result
    assert (fps, frames) == (motion.fps, 17) and torch.equal(back.tokens, motion.tokens)
    assert save(motion).result[1] == "motions/walk_00002.safetensors [output]", "nothing is overwritten"
    assert save(motion, if_exists=motion_files.REPLACE).result[1] == "motions/walk.safetensors [output]"
    assert len(list((folders / "output/motions").iterdir())) == 3


def test_a_thumbnail_lies_beside_the_file_and_is_shown(loaded: Any, motion: MotionClip, folders: Path) -> None:
    saved = save(motion, model_3dimo=loaded)
    picture = {"filename": "walk_00001.jpg", "subfolder": "motions", "type": "output"}
    assert saved.ui["images"] == [picture] and (folders / "output/motions/walk_00001.jpg").is_file()
    assert LoadMotion.execute(saved.result[1]).ui["images"] == [picture]
    pictures = save(motion, "motions/walk", motion_files.REPLACE, thumbnail=torch.rand(4, 20, 30, 3))
    assert pictures.ui["images"][0]["filename"] == "walk.jpg"
    save(motion, "motions/walk", motion_files.REPLACE)
    assert not (folders / "output/motions/walk.jpg").exists(), "the picture of another motion must not stay"


def test_shared_motions_lie_in_the_input_folder(motion: MotionClip, folders: Path) -> None:
    motion.save(folders / "input/motions/dances/spin.safetensors")
    (folders / "input/motions/other.safetensors").write_bytes(b"no motion")
    assert motion_files.motion_files() == ["motions/dances/spin.safetensors"]
    assert LoadMotion.execute(NO_FILE, "motions/dances/spin").result[2] == 17


def test_a_changed_file_is_noticed(motion: MotionClip) -> None:
    name = save(motion, if_exists=motion_files.REPLACE).result[1]
    before = LoadMotion.fingerprint_inputs(name)
    save(motion_ops.ReverseMotion.execute(motion).result[0], if_exists=motion_files.REPLACE)
    assert before and LoadMotion.fingerprint_inputs(name) != before


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "motions/../../x [output]", "C:\\x", "motions/con", ""])
def test_names_that_leave_the_folder_are_refused(motion: MotionClip, folders: Path, name: str) -> None:
    (folders / "secret.safetensors").write_bytes(b"")
    with pytest.raises(ValueError):
        LoadMotion.execute(name)
    assert isinstance(LoadMotion.validate_inputs(name), str)
    with pytest.raises(ValueError):
        save(motion, name)
    assert {path.name for path in folders.iterdir()} == {"output", "input", "temp", "secret.safetensors"}


def test_files_that_are_none_are_told(folders: Path) -> None:
    (folders / "input/motions").mkdir()
    (folders / "input/motions/bad.safetensors").write_bytes(b"\x80\x04 a pickle")
    for name, said in (("motions/bad", "pickle"), ("motions/gone", "no motion file"), (NO_FILE, "Save Motion")):
        with pytest.raises(ValueError, match=said):
            LoadMotion.execute(name)


# --- tools ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "inputs", "frames"),
    [
        ("TrimMotion", {"start": 4, "length": 9}, 9),
        ("TrimMotion", {"start": -5, "length": 0}, 5),
        ("TrimMotion", {"start": -5, "length": 5}, 5),
        ("RetimeMotion", {"mode": "to fps", "fps": 24.0, "frames": 1, "speed": 1.0, "interpolation": "linear"}, 33),
        ("RetimeMotion", {"mode": "to length", "fps": 1.0, "frames": 9, "speed": 1.0, "interpolation": "nearest"}, 9),
        ("RetimeMotion", {"mode": "by speed", "fps": 1.0, "frames": 9, "speed": 2.0, "interpolation": "linear"}, 9),
        ("LoopMotion", {"frames": 49, "fade": 4, "ping_pong": False}, 49),
        ("LoopMotion", {"frames": 49, "fade": 0, "ping_pong": True}, 49),
        ("ReverseMotion", {}, 17),
        ("HoldMotion", {"frame": -1, "frames": 81}, 81),
    ],
)
def test_tools_on_one_motion(motion: MotionClip, node: str, inputs: dict, frames: int) -> None:
    assert getattr(motion_ops, node).execute(motion, **inputs).result[0].num_frames == frames


def test_tools_on_two_motions(loaded: Any, motion: MotionClip) -> None:
    other = motion_of(loaded.adapter, 25, seed=1)
    assert motion_ops.JoinMotions.execute(motion, other, 4).result[0].num_frames == 38
    turning = motion_ops.BlendMotions.execute(motion, other, 0.0, 1.0, "stretch").result[0]
    assert torch.allclose(turning.body[0], motion.body[0]) and torch.allclose(turning.body[-1], other.body[-1])
    even = motion_ops.BlendMotions.execute(motion, other, 0.25, 0.25, "cut").result[0]
    assert even.num_frames == 17
    both = motion_ops.CombineBodyAndHands.execute(motion, other, "cut").result[0]
    assert torch.equal(both.body, motion.body) and torch.equal(both.hands, other.hands[:17])


def test_info(motion: MotionClip) -> None:
    frames, fps, seconds, text = motion_ops.MotionInfo.execute(motion).result
    assert (frames, fps) == (17, motion.fps) and seconds == pytest.approx(17 / motion.fps)
    assert "17 frames" in text and motion.encoder_id in text


@pytest.mark.parametrize(
    ("node", "inputs", "said"),
    [
        ("TrimMotion", {"start": 10, "length": 9}, "the motion has 17"),
        ("TrimMotion", {"start": 17, "length": 0}, "leaves none"),
        ("TrimMotion", {"start": -30, "length": 5}, "the motion has 17"),
        ("LoopMotion", {"frames": 49, "fade": 17, "ping_pong": False}, "0 to 16"),
        ("HoldMotion", {"frame": 17, "frames": 5}, "frames 0 to 16"),
    ],
)
def test_impossible_edits_say_what_works(motion: MotionClip, node: str, inputs: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        getattr(motion_ops, node).execute(motion, **inputs)


# --- preview, export, camera ------------------------------------------------------------------------------


def preview(loaded: Any, motion: MotionClip) -> Any:
    return PreviewMotion.execute(loaded, motion, **PREVIEW)


def test_preview_draws_every_frame_and_shows_it(loaded: Any, motion: MotionClip, folders: Path) -> None:
    shown = preview(loaded, motion)
    images, fps = shown.result
    assert images.shape == (17, 96, 64, 3) and fps == motion.fps and images.min() >= 0 and images.max() <= 1
    ui = shown.ui.as_dict()
    assert ui["animated"] and (folders / "temp" / ui["images"][0]["filename"]).is_file()


def test_another_models_motion_is_refused(loaded: Any, motion: MotionClip, tmp_path: Path) -> None:
    adapter = adapter_for(mini_backbone(), decoder=False)
    with pytest.raises(ValueError, match="no geometric decoder"):
        preview(hold(adapter, tmp_path), motion)
    alien = MotionClip(motion.body, motion.hands, motion.hand_present, motion.fps, "another", motion.source_size)
    with pytest.raises(ValueError, match="another"):
        preview(loaded, alien)


@pytest.mark.parametrize(("form", "suffix"), [("BVH", ".bvh"), ("SMPL-X npz", ".npz")])
def test_export(loaded: Any, motion: MotionClip, folders: Path, form: str, suffix: str) -> None:
    name = ExportMotion.execute(loaded, motion, form, "motions/walk", motion_files.NUMBER, 0.05).result[0]
    assert name == f"motions/walk_00001{suffix}" and (folders / "output" / name).stat().st_size > 1000
    if suffix == ".npz":
        assert np.load(folders / "output" / name)["poses"].shape == (17, 165)


def test_camera_prompt_writes_and_shows_what_it_understood() -> None:
    made = CameraPrompt.execute(**CAMERA | {"move": "arc left", "angle": 45.0, "scene": "A dancer on a beach."})
    assert made.result[0] == "Front view. The camera arcs left 45 degrees. A dancer on a beach."
    assert "azimuth falls" in made.result[1] and made.ui["text"] == (made.result[1],)
    free = CameraPrompt.execute(**CAMERA | {"text": "slow dolly in from the left with a dutch tilt"})
    assert "Not understood" in free.result[1] and "left" in free.result[0].lower()


def test_contradicting_moves_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot run at the same time"):
        CameraPrompt.execute(**CAMERA | {"move": "arc left", "second_move": "move right"})


# --- all nodes --------------------------------------------------------------------------------------------


def test_every_node_is_named_explained_and_documented() -> None:
    docs = Path(extension.__file__).parent.parent / "web" / "docs"
    for node in extension.collect_nodes():
        schema = node.GET_SCHEMA()
        assert schema.node_id.startswith("ThreeDiMo") and schema.category.startswith("3DiMo") and schema.description
        for part in (*schema.inputs, *schema.outputs):
            assert part.tooltip, f"{schema.node_id}: {part.id or part.display_name} has no tooltip"
        page = (docs / f"{schema.node_id}.md").read_text()
        for part in schema.inputs:
            assert f"`{part.id}`" in page, f"{schema.node_id}.md does not name {part.id}"
