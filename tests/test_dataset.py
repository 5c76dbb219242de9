"""Cross-view pairs: what an item holds, which pairs a stage may draw, the same item for the same key."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch.utils.data import DataLoader

from training.data.clip_store import ClipStore
from training.data.dataset import PairDataset, StepSampler, buckets
from training.data.labels import LabelError, pack_mask, read_labels, unpack_mask
from training.data.manifest import ManifestError, ManifestWriter, performance_folder, read_manifest, write_settings
from training.data.pairs import STAGE_MIXTURES, PairKind, PairSampler, possible_pairs
from training.data.publish import publish_folder
from training.data.video_file import VideoFileError, decode_video, encode_video

FRAMES, SIZE, HAND = 5, 32, 16


def view(number: int, still: bool, identity: int = 0) -> dict:
    return {"video": f"view_{number}.mp4", "hands": f"hands_{number}.mp4", "identity": identity, "camera": number,
            "still": still, "captions": [f"wording {w} of view {number}" for w in range(3)]}  # fmt: skip


def picture(level: int, height: int, width: int) -> np.ndarray:
    """A clip of one grey level that brightens by 2 a frame: tells views and frames apart after compression."""
    return np.stack([np.full((height, width, 3), level + 2 * t, np.uint8) for t in range(FRAMES)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three performances: two still views; two moving views; one view without labels or hands."""
    root = tmp_path_factory.mktemp("set")
    write_settings(root, {"seed": 0})
    with ManifestWriter(root / "manifest.jsonl") as manifest:
        for index, stills in enumerate([(True, True), (True, False), (True,)]):
            manifest.append(publish(root, index, stills))
    return root


def publish(root, index, stills):
    views = [view(number, still) for number, still in enumerate(stills)]
    labels = {
        "pose": torch.eye(3, dtype=torch.float16).repeat(FRAMES, 51, 1, 1),
        "hand_present": torch.ones(len(views), FRAMES, 2, dtype=torch.uint8),
        **{f"mask_{n}": pack_mask(np.ones((FRAMES, SIZE, SIZE), np.uint8)) for n in range(len(views))},
    }
    files = {}
    for number in range(len(views)):
        level = 40 * index + 20 * number + 30
        files[f"view_{number}.mp4"] = encode_video(picture(level, SIZE, SIZE), 8)
        hands = np.concatenate([picture(50, HAND, HAND), picture(200, HAND, HAND)], axis=2)
        files[f"hands_{number}.mp4"] = encode_video(hands, 8)
    if index == 2:
        views[0]["hands"] = None
    else:
        files["labels.safetensors"] = save(labels)
    record = {
        "id": f"train-0-{index:07d}", "index": index, "path": performance_folder(index), "num_frames": FRAMES,
        "fps": 8.0, "height": SIZE, "width": SIZE, "views": views, "split": "train", "source": "render",
        "labels": None if index == 2 else "labels.safetensors",
        "files": {name: len(data) for name, data in files.items()},
    }  # fmt: skip
    publish_folder(root, record, files)
    return record


def level(frames: torch.Tensor) -> float:
    return float(frames.float().mean())


def test_an_item_holds_what_training_needs(folder):
    data = PairDataset(folder, {PairKind.MULTI_VIEW: 1.0}, seed=0, with_mask=True)
    item = data[(0, 0)]
    assert item["driver"].shape == item["target"].shape == (FRAMES, 3, SIZE, SIZE)
    assert item["driver"].dtype == torch.uint8
    assert item["hands"].shape == (FRAMES, 2, 3, HAND, HAND)
    assert item["hand_present"].all() and item["hand_present"].shape == (FRAMES, 2)
    assert torch.equal(item["reference"], item["target"][0])
    assert item["pose"].shape == (FRAMES, 51, 3, 3) and item["pose"].dtype == torch.float32
    assert item["pose_mask"].all()
    assert item["target_mask"].all() and item["target_mask"].shape == (FRAMES, SIZE, SIZE)
    assert item["caption"].endswith(f"of view {item['target_view']}")
    assert item["kind"] == "multi_view" and item["driver_view"] != item["target_view"]
    assert abs(level(item["driver"]) - level(item["target"])) > 10  # two different views
    assert level(item["hands"][:, 0]) < 100 < level(item["hands"][:, 1])  # left, right


def test_the_same_key_gives_the_same_item(folder):
    one, two = (PairDataset(folder, STAGE_MIXTURES[2], seed=3) for _ in range(2))
    for key in ((0, 0), (7, 2)):
        first, second = one[key], two[key]
        assert first["id"] == second["id"] and first["caption"] == second["caption"]
        assert torch.equal(first["driver"], second["driver"]) and torch.equal(first["target"], second["target"])
    drawn = {(one[(0, s)]["id"], one[(0, s)]["driver_view"], one[(0, s)]["caption"]) for s in range(30)}
    assert len(drawn) > 5


def test_stages_draw_the_kinds_they_may(folder):
    records = read_manifest(folder)
    for stage, mixture in STAGE_MIXTURES.items():
        sampler = PairSampler(records, mixture, seed=0)
        kinds = [sampler.draw(step, 0)[0].kind for step in range(300)]
        for kind in PairKind:
            assert abs(kinds.count(kind) / 300 - mixture.get(kind, 0.0)) < 0.1, (stage, kind)


def test_kinds_of_pairs():
    record = {"views": [view(0, True), view(1, True), view(2, False), view(0, True, identity=1)]}
    pairs = possible_pairs(record)
    assert pairs[PairKind.SAME_VIEW] == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert pairs[PairKind.MULTI_VIEW] == [(0, 1), (1, 0)]
    assert set(pairs[PairKind.MOVING_CAMERA]) == {(0, 2), (2, 0), (1, 2), (2, 1)}
    crossed = possible_pairs(record, cross_identity=True)
    assert (1, 3) in crossed[PairKind.MULTI_VIEW] and (0, 3) not in crossed[PairKind.MULTI_VIEW]


def test_own_footage_without_labels_is_masked(folder):
    data = PairDataset(folder, {PairKind.SAME_VIEW: 1.0}, seed=0, hand_size=HAND)
    items = [data[(0, sample)] for sample in range(30)]
    bare = next(item for item in items if item["id"].endswith("2"))
    assert not bare["pose_mask"].any() and not bare["hand_present"].any()
    assert bare["hands"].shape == (FRAMES, 2, 3, HAND, HAND)


def test_cached_latents_stand_in_for_the_target(folder):
    data = PairDataset(
        folder, {PairKind.MULTI_VIEW: 1.0}, seed=0, latents=lambda record, view: torch.full((4, 2, 2, 2), float(view))
    )
    item = data[(0, 0)]
    assert "target" not in item and item["target_latents"][0, 0, 0, 0] == item["target_view"]


def test_a_loader_gives_the_steps_batches_to_any_number_of_processes(folder):
    data = PairDataset(folder, STAGE_MIXTURES[2], seed=0, hand_size=HAND)
    batch = next(iter(DataLoader(data, batch_sampler=StepSampler(5, 7, batch=4))))
    assert batch["driver"].shape == (4, FRAMES, 3, SIZE, SIZE) and batch["step"].tolist() == [5] * 4
    keys = [key for rank in range(2) for key in next(iter(StepSampler(5, 7, 4, rank, 2)))]
    assert sorted(keys) == [(5, sample) for sample in range(4)]
    with pytest.raises(ValueError, match="multiple"):
        StepSampler(0, 1, batch=3, world_size=2)


def test_the_cache_keeps_to_its_limit_and_changes_nothing(folder):
    record = read_manifest(folder)[0]
    one_clip = FRAMES * 3 * SIZE * SIZE
    store, plain = ClipStore(folder, cache_bytes=one_clip), ClipStore(folder)
    for number in (0, 1, 0, 0):
        assert torch.equal(store.frames(record, number), plain.frames(record, number))
    assert store.frames(record, 0) is store.frames(record, 0)


def test_what_cannot_be_drawn_is_said(folder, tmp_path):
    single = [r for r in read_manifest(folder) if len(r["views"]) == 1]
    with pytest.raises(ValueError, match="can give a multi_view pair"):
        PairSampler(single, {PairKind.MULTI_VIEW: 1.0}, seed=0)
    with pytest.raises(ManifestError, match="no clips of shape"):
        PairDataset(folder, STAGE_MIXTURES[1], seed=0, bucket=(9, 9, 9))
    assert buckets(read_manifest(folder)) == {(FRAMES, SIZE, SIZE): 3}
    write_settings(tmp_path, {})
    with pytest.raises(ManifestError, match="no performances"):
        PairDataset(tmp_path, STAGE_MIXTURES[1], seed=0)


def test_broken_files_are_named(folder, tmp_path):
    video = encode_video(picture(30, SIZE, SIZE), 8)
    (tmp_path / "cut.mp4").write_bytes(video[: len(video) // 2])
    with pytest.raises(VideoFileError, match=r"cut\.mp4"):
        decode_video(tmp_path / "cut.mp4")
    (tmp_path / "labels.safetensors").write_bytes(b"nothing")
    with pytest.raises(LabelError, match="cannot be read"):
        read_labels(tmp_path / "labels.safetensors")
    record = read_manifest(folder)[0] | {"path": "../.."}
    with pytest.raises(ManifestError, match="outside"):
        ClipStore(folder).frames(record, 0)


@pytest.mark.parametrize("shape", [(5, 31, 17), (1, 8, 8), (3, 64, 48)])
def test_masks_survive_packing(shape):
    mask = np.random.default_rng(0).random(shape) > 0.5
    assert np.array_equal(unpack_mask(pack_mask(mask.astype(np.uint8)), *shape), mask)
    with pytest.raises(LabelError):
        unpack_mask(pack_mask(mask), shape[0] + 8, shape[1], shape[2])


def test_videos_are_the_same_bytes_and_close_to_their_frames():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (8, 8, 3)).astype(np.float32)
    frame = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
    frames = np.stack([np.roll(frame, t, axis=1) for t in range(9)])
    data = encode_video(frames, 16)
    assert data == encode_video(frames, 16)
    error = (decode_video(data).astype(float) - frames) ** 2
    assert 10 * np.log10(255**2 / error.mean()) > 35
