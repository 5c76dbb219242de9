"""Motion clips: validation, the file, and every edit by its effect on tokens whose values tell their frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from threedimo_core import motion_edit
from threedimo_core.motion_clip import MotionClip, MotionClipError
from threedimo_core.safe_file import TensorFileError, write_tensor_file


def clip(frames: int = 9, fps: float = 24.0, hands: int = 4, encoder: str = "mini-abc", seed: int = 0) -> MotionClip:
    generator = torch.Generator().manual_seed(seed)
    return MotionClip(
        body=torch.randn(frames, 5, 8, generator=generator),
        hands=torch.randn(frames, hands, 8, generator=generator),
        hand_present=torch.ones(frames, 2, dtype=torch.bool),
        fps=fps,
        encoder_id=encoder,
        source_size=(480, 854),
    )


def same(first: MotionClip, second: MotionClip) -> bool:
    tensors = ("body", "hands", "hand_present")
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in tensors)


# --- the clip and its file ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "hands"), [(1, 4), (2, 4), (121, 4), (9, 0)])
def test_save_and_load(tmp_path: Path, frames: int, hands: int) -> None:
    original = clip(frames, fps=29.97, hands=hands)
    original.hand_present[0, 1] = False
    loaded = MotionClip.load(original.save(tmp_path / "walk.safetensors"))
    assert same(original, loaded)
    assert (loaded.fps, loaded.encoder_id, loaded.source_size) == (29.97, "mini-abc", (480, 854))
    assert loaded.num_frames == frames and loaded.tokens.shape == (frames, 5 + hands, 8)
    assert loaded.duration == pytest.approx(frames / 29.97)


def test_saving_over_a_loaded_file(tmp_path: Path) -> None:
    path = clip().save(tmp_path / "walk.safetensors")
    loaded = MotionClip.load(path)
    clip(seed=1).save(path)
    assert same(loaded, clip())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"body": torch.zeros(0, 5, 8)}, "at least one frame"),
        ({"body": torch.zeros(9, 5)}, r"body tokens are torch.float32 \[9, 5\]; expected"),
        ({"body": torch.zeros(9, 5, 8).half()}, r"torch\.float16"),
        ({"body": torch.full((9, 5, 8), float("nan"))}, "body tokens hold NaN"),
        ({"hands": torch.full((9, 4, 8), float("inf"))}, "hands tokens hold NaN or infinite"),
        ({"hands": torch.zeros(8, 4, 8)}, r"hand tokens are \[8, 4, 8\]; expected \[9, 2 \* K_h, 8\]"),
        ({"hands": torch.zeros(9, 3, 8)}, "2 \\* K_h"),
        ({"hands": torch.zeros(9, 4, 7)}, "hand tokens"),
        ({"hand_present": torch.ones(9, 2)}, "hand_present is torch.float32"),
        ({"hand_present": torch.ones(9, dtype=torch.bool)}, "hand_present"),
        ({"fps": 0.0}, "fps is 0.0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"fps": -24}, "fps is -24"),
        ({"encoder_id": ""}, "encoder_id"),
        ({"source_size": (480,)}, "source_size"),
        ({"source_size": (0, 854)}, "source_size"),
    ],
)
def test_nonsense_is_refused(change: dict, words: str) -> None:
    with pytest.raises(MotionClipError, match=words):
        replace(clip(), **change)


@pytest.mark.parametrize("info", [{}, {"fps": "24"}, {"fps": 24.0, "encoder_id": 3}, {"fps": -1.0}])
def test_a_motion_file_with_a_bad_description(tmp_path: Path, info: dict) -> None:
    full = {"fps": 24.0, "encoder_id": "a", "source_size": [4, 4], **info} if info else {}
    source = clip()
    tensors = {"body": source.body, "hands": source.hands, "hand_present": source.hand_present}
    path = write_tensor_file(tmp_path / "a.safetensors", "motion_clip", 1, tensors, full)
    with pytest.raises(TensorFileError, match=r"a\.safetensors: damaged motion file"):
        MotionClip.load(path)


# --- single-clip edits ----------------------------------------------------------------------------------------


def test_trim_reverse_hold() -> None:
    source = clip(9)
    assert torch.equal(motion_edit.trim(source, 2, 5).body, source.body[2:5])
    assert torch.equal(motion_edit.trim(source, -3).hands, source.hands[6:])
    assert torch.equal(motion_edit.reverse(source).body, source.body.flip(0))
    held = motion_edit.hold(source, -1, 5)
    assert held.num_frames == 5 and torch.equal(held.body, source.body[8:].expand(5, 5, 8))
    with pytest.raises(MotionClipError, match="leaves none"):
        motion_edit.trim(source, 5, 5)
    with pytest.raises(MotionClipError, match="no frame 9; the motion has frames 0 to 8"):
        motion_edit.hold(source, 9, 5)
    with pytest.raises(MotionClipError, match="at least one"):
        motion_edit.hold(source, 0, 0)


@pytest.mark.parametrize(
    ("frames", "fps", "new_fps", "expected"), [(49, 24, 12, 25), (25, 12, 24, 49), (49, 24, 30, 61)]
)
def test_resample_counts_and_shared_frames(frames: int, fps: float, new_fps: float, expected: int) -> None:
    source = clip(frames, fps)
    for interpolation in ("linear", "nearest"):
        out = motion_edit.resample(source, new_fps, interpolation)
        assert (out.num_frames, out.fps) == (expected, new_fps)
        assert torch.equal(out.body[0], source.body[0]) and torch.equal(out.body[-1], source.body[-1])
    assert motion_edit.resample(clip(1), 60).num_frames == 1


def test_linear_interpolation_keeps_token_length() -> None:
    source = clip(2, fps=10)
    out = motion_edit.resample(source, 20)
    lengths = torch.linalg.vector_norm(out.body, dim=-1)
    assert torch.allclose(lengths[1], (lengths[0] + lengths[2]) / 2, rtol=1e-5)
    middle = (source.body[0] + source.body[1]) / 2
    assert torch.allclose(torch.cosine_similarity(out.body[1], middle, dim=-1), torch.ones(5), atol=1e-5)


def test_nearest_resampling_only_repeats_frames() -> None:
    source = clip(5, fps=10)
    out = motion_edit.resample(source, 25, "nearest")
    assert all(any(torch.equal(frame, known) for known in source.body) for frame in out.body)
    with pytest.raises(MotionClipError, match="'linear' or 'nearest'"):
        motion_edit.resample(source, 25, "cubic")


def test_to_length_keeps_both_ends_and_fps() -> None:
    source = clip(9)
    for count in (1, 2, 5, 17, 121):
        out = motion_edit.to_length(source, count)
        assert out.num_frames == count and out.fps == 24
        assert torch.equal(out.body[0], source.body[0])
        assert count == 1 or torch.equal(out.body[-1], source.body[-1])
    assert torch.equal(motion_edit.to_length(source, 5).body, source.body[::2])


def test_a_hand_that_appears_is_not_mixed_with_its_absence() -> None:
    source = clip(2, fps=10)
    source.hand_present[0, 0] = False
    out = motion_edit.resample(source, 40)
    assert out.hand_present[:, 0].tolist() == [False, False, True, True, True]
    left = out.hands[:, :2]
    assert torch.equal(left[1], source.hands[0, :2]) and torch.equal(left[2], source.hands[1, :2])
    assert not torch.equal(out.hands[2, 2:], source.hands[1, 2:])


def test_loop() -> None:
    source = clip(4)
    assert torch.equal(motion_edit.loop(source, 10).body, source.body[[0, 1, 2, 3] * 2 + [0, 1]])
    there_and_back = motion_edit.loop(source, 8, ping_pong=True)
    assert torch.equal(there_and_back.body, source.body[[0, 1, 2, 3, 2, 1, 0, 1]])
    assert torch.equal(motion_edit.loop(source, 2).body, source.body[:2])
    assert motion_edit.loop(clip(1), 7, ping_pong=True).num_frames == 7
    faded = motion_edit.loop(source, 13, fade=1)
    assert faded.num_frames == 13
    assert torch.equal(faded.body[:3], source.body[:3]) and torch.equal(faded.body[4:6], source.body[1:3])
    assert torch.equal(faded.body[3], faded.body[6]) and torch.equal(faded.body[6], faded.body[9])
    with pytest.raises(MotionClipError, match="it must be 0 to 3"):
        motion_edit.loop(source, 10, fade=4)


# --- two clips ------------------------------------------------------------------------------------------------


def test_join_with_and_without_a_fade() -> None:
    first, second = clip(6), clip(5, seed=1)
    plain = motion_edit.join(first, second)
    assert torch.equal(plain.body, torch.cat([first.body, second.body]))
    faded = motion_edit.join(first, second, fade=3)
    assert faded.num_frames == 8
    assert torch.equal(faded.body[:3], first.body[:3]) and torch.equal(faded.body[6:], second.body[3:])
    towards = [torch.cosine_similarity(faded.body[3 + i], second.body[i], dim=-1).mean() for i in range(3)]
    assert towards[0] < towards[1] < towards[2]
    assert motion_edit.join(first, second, fade=5).num_frames == 6
    with pytest.raises(MotionClipError, match="choose 0 to 5"):
        motion_edit.join(first, second, fade=6)


def test_join_brings_the_second_to_the_first_fps() -> None:
    joined = motion_edit.join(clip(5, fps=24), clip(5, fps=12, seed=1))
    assert (joined.fps, joined.num_frames) == (24, 5 + 9)


def test_blend() -> None:
    first, second = clip(5), clip(9, seed=1)
    assert same(motion_edit.blend(first, second, 0.0), first)
    assert same(motion_edit.blend(first, second, 1.0), motion_edit.trim(second, 0, 5))
    assert torch.equal(motion_edit.blend(first, second, 1.0, align="stretch").body, second.body[::2])
    ramp = motion_edit.blend(first, second, torch.linspace(0, 1, 5))
    assert torch.equal(ramp.body[0], first.body[0]) and torch.equal(ramp.body[4], second.body[4])
    opposite = replace(first, body=-first.body, hands=-first.hands)
    assert bool(motion_edit.blend(first, opposite).body.isfinite().all())
    for weight, words in ((1.5, "between 0 and 1"), (float("nan"), "between 0 and 1"), (torch.ones(3) / 2, r"\[5\]")):
        with pytest.raises(MotionClipError, match=words):
            motion_edit.blend(first, second, weight)
    with pytest.raises(MotionClipError, match="'cut' or 'stretch'"):
        motion_edit.blend(first, second, align="fit")


def test_combine_body_and_hands() -> None:
    body, hands = clip(5), clip(9, seed=1)
    hands.hand_present[1, 0] = False
    out = motion_edit.combine(body, hands)
    assert torch.equal(out.body, body.body) and torch.equal(out.hands, hands.hands[:5])
    assert out.hand_present[1].tolist() == [False, True]
    with pytest.raises(MotionClipError, match="no hand tokens"):
        motion_edit.combine(clip(5, hands=0), clip(5, hands=0))


@pytest.mark.parametrize("operation", [motion_edit.join, motion_edit.blend, motion_edit.combine])
def test_encoders_are_not_mixed(operation: object) -> None:
    with pytest.raises(MotionClipError, match="'mini-abc' and 'base-xyz'"):
        operation(clip(), clip(encoder="base-xyz"))
    with pytest.raises(MotionClipError, match="differ in shape"):
        operation(clip(), clip(hands=2))


def test_edits_leave_their_inputs_alone() -> None:
    first, second, kept_first, kept_second = clip(6), clip(6, seed=1), clip(6), clip(6, seed=1)
    edits = [
        motion_edit.trim(first, 1),
        motion_edit.join(first, second, 2),
        motion_edit.blend(first, second),
        motion_edit.combine(first, second),
        motion_edit.loop(first, 20, 2),
        motion_edit.resample(first, 30),
    ]
    for edited in edits:
        edited.body.zero_()
    assert same(first, kept_first) and same(second, kept_second)
