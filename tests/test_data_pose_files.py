"""Files of pose estimators in their real layouts, read to the rotations they hold; hostile and damaged ones named."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pose_files as made
import pytest
import torch
from pose_files import BODY, KNOWS, POSE, F, Hostile, matrices, mean_hands, write, write_joblib

from training.data.poses.finding import estimators
from training.data.poses.readers import read_gvhmr, read_mean_hands, read_phalp, read_prompthmr, read_smplerx, read_wham
from training.data.poses.safe_pickle import read_pickle
from training.data.poses.track import PoseFileError, to_matrices

# --- the files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWS)
def test_every_estimator_gives_the_rotations_it_was_given(name, tmp_path):
    hands = read_mean_hands(mean_hands(tmp_path))
    file = estimators(hands)[name].read(write(name, tmp_path))
    (track,) = file.tracks
    body, fingers = KNOWS[name]
    assert track.frames.tolist() == list(range(F))
    assert track.known[:, :21].all() == body and track.known[:, 21:].all() == fingers
    assert track.known[:, :21].any() == body and track.known[:, 21:].any() == fingers
    expected = np.where(track.known[..., None, None], matrices(POSE), np.eye(3))
    np.testing.assert_allclose(track.rotations, expected, atol=1e-6)


def test_smplerx_hands_need_the_mean_hand(tmp_path):
    (track,) = read_smplerx(write("smplerx", tmp_path)).tracks
    assert track.known[:, :21].all() and not track.known[:, 21:].any()


def test_names_of_frames_may_count_from_any_number(tmp_path):
    path = write("smplerx", tmp_path)
    for first in (0, 1):
        assert estimators(None, first)["smplerx"].read(path).tracks[0].frames[0] == 1 - first
    with pytest.raises(PoseFileError, match="negative"):
        estimators(None, 5)["smplerx"].read(path)


def test_people_who_are_lost_are_not_known(tmp_path):
    """PHALP keeps the last pose of a person it lost; such entries are no estimates."""
    path = made.write_phalp(tmp_path / "a.pkl", BODY, lost=(4, 5), other=True)
    first, second = read_phalp(path).tracks
    assert (first.name, second.name) == ("1", "2") and first.size > second.size
    assert first.frames.tolist() == [n for n in range(F) if n not in (4, 5)] and len(second.frames) == F // 2


@pytest.mark.parametrize("alignment", [16, None])
@pytest.mark.parametrize("compress", [False, True])
def test_joblibs_format_is_read_without_joblib(alignment, compress, tmp_path):
    value = {
        "c": np.arange(12, dtype=np.float32).reshape(3, 4),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "bool": np.ones((2, 0, 3), bool), "zero": np.array(5.0), "big": np.zeros((70_000,), np.uint8),
        "same": [1, "x", None, (2, 3), {4}, b"bytes"], "scalar": np.float64(0.25), "tensor": torch.eye(3)[:, 1:],
    }  # fmt: skip
    read = read_pickle(write_joblib(tmp_path / "a.pkl", value, alignment, compress))
    assert read["same"] == value["same"] and read["scalar"] == 0.25
    for name in ("c", "f", "bool", "zero", "big"):
        assert read[name].dtype == value[name].dtype
        np.testing.assert_array_equal(read[name], value[name])
    assert torch.equal(read["tensor"], value["tensor"])


def test_joblibs_own_files_are_read(tmp_path):
    joblib = pytest.importorskip("joblib")
    value = {"a": np.arange(5.0), "f": np.asfortranarray(np.eye(3)[:2]), "l": [np.ones((2, 2), np.float16)]}
    for number, compress in enumerate((0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3))):
        path = tmp_path / f"{number}.pkl"
        joblib.dump(value, path, compress=compress)
        read = read_pickle(path)
        np.testing.assert_array_equal(read["a"], value["a"])
        np.testing.assert_array_equal(read["f"], value["f"])
        np.testing.assert_array_equal(read["l"][0], value["l"][0])


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_of_arrays_are_read(protocol, tmp_path):
    value = {"a": np.arange(6.0).reshape(2, 3), "s": np.int64(7), "t": (1, 2)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    read = read_pickle(tmp_path / "a.pkl")
    np.testing.assert_array_equal(read["a"], value["a"])
    assert read["s"] == 7 and read["t"] == (1, 2)
    assert np.dtype("float64").isnative, "numpy's own types are not changed by what a file says of its"


# --- hostile files ------------------------------------------------------------------------------------------------


def hostile(marker: Path) -> dict[str, object]:
    touch = f"open({str(marker)!r}, 'w')"
    return {
        "posix.system": Hostile(os.system, f"touch {marker}"),
        "builtins.eval": Hostile(eval, touch),
        "builtins.exec": Hostile(exec, touch),
        "subprocess.Popen": Hostile(subprocess.Popen, ["touch", str(marker)]),
        "builtins.getattr": Hostile(getattr, {}, "clear"),
        "builtins.bytearray": Hostile(bytearray, 1 << 40),
        "numpy.load": Hostile(np.load, str(marker)),
    }


@pytest.mark.parametrize("name", hostile(Path("x")))
@pytest.mark.parametrize("read", [read_phalp, read_wham, read_prompthmr])
def test_a_pickle_that_would_run_something_is_refused(name, read, tmp_path):
    marker = tmp_path / "marker"
    value = {"people": {1: hostile(marker)[name]}}
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(value))
    for path in (tmp_path / "plain.pkl", write_joblib(tmp_path / "joblib.pkl", value, compress=True)):
        with pytest.raises(PoseFileError, match=rf"asks for {name}, which poses do not need"):
            read(path)
    assert not marker.exists()


def test_a_torch_file_that_would_run_something_is_refused(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "hmr4d_results.pt"
    torch.save({"smpl_params_incam": hostile(marker)["posix.system"]}, path)
    with pytest.raises(PoseFileError, match="cannot be read as tensors alone"):
        read_gvhmr(path)
    assert not marker.exists()


def test_pickles_inside_pickles_are_refused_too(tmp_path):
    """A tensor's bytes are a torch file of their own, and arrays of objects are pickles of their own."""
    marker = tmp_path / "marker"
    inner = tmp_path / "inner.pt"
    torch.save({"x": hostile(marker)["posix.system"]}, inner)
    content = inner.read_bytes()
    nested = pickle.dumps(Hostile(torch.storage._load_from_bytes, content))
    (tmp_path / "a.pkl").write_bytes(nested)
    with pytest.raises(PoseFileError):
        read_pickle(tmp_path / "a.pkl")
    objects = np.array([hostile(marker)["posix.system"]], dtype=object)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(objects))
    with pytest.raises(PoseFileError, match=r"posix\.system"):
        read_pickle(tmp_path / "b.pkl")
    with pytest.raises(PoseFileError, match="array of objects"):
        read_pickle(write_joblib(tmp_path / "c.pkl", {"a": np.array([1, "x"], dtype=object)}))
    assert not marker.exists()


def test_npz_files_with_objects_are_refused(tmp_path):
    folder = tmp_path / "smplx"
    folder.mkdir()
    np.savez(folder / "00001_0.npz", body_pose=np.array([Hostile(os.system, "true")], dtype=object))
    with pytest.raises(PoseFileError, match="cannot be read as npz of numbers"):
        read_smplerx(folder)


def test_claims_of_huge_arrays_allocate_nothing(tmp_path):
    path = write_joblib(tmp_path / "a.pkl", {"a": np.zeros(3)})
    wrapper = made.NumpyArrayWrapper(np.zeros(3), None)
    wrapper.shape = (1 << 50,)
    with open(path, "wb") as file:
        made.JoblibPickler(file, None).dump({"a": wrapper})
    with pytest.raises(PoseFileError, match="announces an array"):
        read_pickle(path)


# --- damaged files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KNOWS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_truncated_files_are_named(name, share, tmp_path):
    path = write(name, tmp_path)
    file = sorted(path.glob("*.npz"))[4] if path.is_dir() else path
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(PoseFileError, match=str(tmp_path)):
        estimators()[name].read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({0: {"pose": np.zeros((3, 70)), "frame_ids": np.arange(3)}}, "shape .*3, 70.* expected .*66"),
        ({0: {"pose": np.zeros((3, 72)), "frame_ids": np.arange(4)}}, "expected .4"),
        ({0: {"pose": np.full((3, 72), np.nan), "frame_ids": np.arange(3)}}, "not finite, first in entry 0"),
        ({0: {"pose": np.zeros((3, 72)), "frame_ids": np.array([0, 1, 1])}}, "come twice"),
        ({0: {"pose": np.zeros((3, 72)), "frame_ids": np.array([-1, 0, 1])}}, "negative"),
        ({0: {"pose": "words", "frame_ids": np.arange(3)}}, "expected numbers"),
        ({0: {"frame_ids": np.arange(3)}}, "lacks pose"),
        ({0: [1, 2]}, "holds list where a table is expected"),
        ([1, 2], "holds list where a table is expected"),
        ({}, "has nobody in it"),
    ],
)  # fmt: skip
def test_wrong_contents_are_named(content, message, tmp_path):
    path = write_joblib(tmp_path / "wham_output.pkl", content)
    with pytest.raises(PoseFileError, match=message) as caught:
        read_wham(path)
    assert str(path) in str(caught.value)


def test_matrices_that_are_no_rotations_are_named(tmp_path):
    nearly = matrices(BODY) + 1e-3
    np.testing.assert_allclose(to_matrices(tmp_path, "x", nearly, 21), matrices(BODY), atol=5e-3)
    determinant = np.linalg.det(to_matrices(tmp_path, "x", nearly, 21))
    np.testing.assert_allclose(determinant, 1.0, atol=1e-9)
    for wrong in (2 * matrices(BODY), -matrices(BODY), np.zeros((F, 21, 3, 3))):
        with pytest.raises(PoseFileError, match="joint 0 in entry 0 is no rotation"):
            to_matrices(tmp_path, "x", wrong, 21)


@pytest.mark.parametrize("name", KNOWS)
def test_files_of_another_estimator_are_named(name, tmp_path):
    """Whatever is handed to a reader, it answers with a PoseFileError, or with poses that the file does hold."""
    for other in KNOWS:
        path = write(other, tmp_path / other)
        try:
            file = estimators()[name].read(path)
        except PoseFileError:
            continue
        assert all(np.isfinite(track.rotations).all() for track in file.tracks)
        assert name == other or {name, other} <= {"smplerx", "camerahmr", "prompthmr", "wham", "4dhumans"}
