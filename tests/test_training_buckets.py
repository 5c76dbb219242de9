"""Which clips train together: sizes and lengths on the backbone's grid, what is left out and why, the largest first."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import wan_backbone

from training.buckets import Shape, SortedClips, StageDraw, kind_counts, sort_clips
from training.data.manifest import ManifestError
from training.data.pairs import PairKind
from training.recipe import ClipShapes

SAME, MULTI, MOVING = PairKind
GRID = 16  # of the tiny Wan: a VAE of 8 × 8, patches of 2


def record(name: str, frames: int = 9, size: tuple[int, int] = (64, 96), views: int = 1, **more: Any) -> dict[str, Any]:
    cameras = [
        {"camera": n, "identity": 0, "still": n < 2, "captions": ["The camera remains static."]} for n in range(views)
    ]
    shape = {"num_frames": frames, "height": size[0], "width": size[1], "fps": 24.0}
    return {"id": name, "views": cameras, "split": "train", **shape, **more}


def sort(monkeypatch, records: list[dict[str, Any]], split: str | None = "train", **shapes: Any) -> SortedClips:
    monkeypatch.setattr("training.buckets.read_manifest", lambda root: records)
    return sort_clips([Path("set")], ClipShapes(**shapes), wan_backbone(), split)


def test_clips_keep_their_aspect_on_the_grid_and_the_largest_bucket_is_first(monkeypatch):
    wide = [record(f"wide-{n}", 33, (480, 854)) for n in range(3)]
    tall, short = record("tall", 33, (854, 480)), record("short", 9, (480, 854))
    found = sort(monkeypatch, [short, tall, *wide], frames=[33, 9], area=160 * 288)
    assert [(b.shape, len(b.records)) for b in found.buckets] == [
        (Shape(33, 160, 288), 3), (Shape(33, 288, 160), 1), (Shape(9, 160, 288), 1),
    ]  # fmt: skip
    for bucket in found.buckets:
        height, width = bucket.shape.height, bucket.shape.width
        assert height % GRID == width % GRID == 0
        assert height * width <= 1.005 * 160 * 288
        own = bucket.records[0]
        assert abs(np.log(width / height * own["height"] / own["width"])) < 0.1
    assert not found.dropped and not found.cut


def test_a_clip_is_used_at_the_longest_length_that_it_fills(monkeypatch):
    found = sort(monkeypatch, [record("a", 120), record("b", 50), record("c", 8)], frames=[9, 121, 49])
    assert {b.shape.frames: [r["id"] for r in b.records] for b in found.buckets} == {49: ["a", "b"]}
    assert found.cut == ["a", "b"]
    assert found.dropped == {"shorter than 9 frames": ["c"]}


@pytest.mark.parametrize(
    ("changes", "shapes", "why"),
    [
        ({"split": "test"}, {}, "of the test split"),
        ({"fps": 30.0}, {"fps": 24.0}, r"at 30 frames/s; data.fps is 24"),
        ({"frames": 10}, {}, r"10 frames, not 4n \+ 1; name the lengths in data.frames"),
        ({"size": (60, 96)}, {}, r"60 × 96 px, not multiples of 16; name data.area to have clips resized"),
        ({"size": (64, 64)}, {"area": 128 * 128}, "would have to grow more than 1.25 times to 16384 px"),
        ({"size": (32, 320)}, {"area": 4096}, "longer than 4 : 1"),
        ({"frames": 257}, {}, "257 × 64 × 96: .* more than this backbone has positions for"),
    ],
)
def test_what_is_left_out_says_why(changes, shapes, why, monkeypatch):
    found = sort(monkeypatch, [record("good", size=(256, 256)), record("odd", **changes)], **shapes)
    assert [r["id"] for bucket in found.buckets for r in bucket.records] == ["good"]
    ((reason, names),) = found.dropped.items()
    assert names == ["odd"]
    assert re.search(why, reason), reason
    assert re.search(r"left out: \d clips, .*\(.*odd.*\)", found.report())


def test_a_view_without_caption_is_left_out(monkeypatch):
    silent = record("silent")
    silent["views"][0]["captions"] = []
    assert sort(monkeypatch, [record("good"), silent]).dropped == {"a view has no caption": ["silent"]}


def test_the_report_counts_pairs_and_names_examples(monkeypatch):
    records = [record(f"clip-{n}", views=3) for n in range(4)] + [record(f"odd-{n}", 10) for n in range(5)]
    told = sort(monkeypatch, records).report().splitlines()
    assert told[0] == "data: 4 clips in 1 buckets (frames × height × width), the largest first"
    assert told[1] == "  9 × 64 × 96: 4 clips of set (4 same_view, 4 multi_view, 4 moving_camera)"
    assert told[2].startswith("  left out: 5 clips, 10 frames") and told[2].endswith("(odd-0, odd-1, odd-2 and 2 more)")


def test_nothing_left_is_an_error_with_the_account(monkeypatch):
    with pytest.raises(ManifestError, match=r"no clip of set can be used\n(.|\n)*left out: 1 clips, 10 frames"):
        sort(monkeypatch, [record("odd", 10)])


# --- which bucket a step draws ----------------------------------------------------------------------------


@pytest.fixture
def two_buckets(monkeypatch):
    """30 long single views; 10 short clips of three cameras."""
    records = [record(f"long-{n}", 33) for n in range(30)] + [record(f"short-{n}", 9, views=3) for n in range(10)]
    return sort(monkeypatch, records).buckets


def test_the_first_step_of_a_stage_runs_its_largest_bucket(two_buckets):
    single = StageDraw(two_buckets, {SAME: 1.0}, 0, "stage-1")
    assert single.bucket_at(0, first=True) == single.bucket_at(777, first=True) == 0
    cross = StageDraw(two_buckets, {MULTI: 1.0}, 0, "stage-3")
    assert {cross.bucket_at(step, first=step == 0) for step in range(50)} == {1}, "the largest that serves the stage"


def test_every_clip_is_as_likely_and_kinds_keep_their_shares(two_buckets):
    mixture = {SAME: 1.0, MULTI: 1.0}
    draw = StageDraw(two_buckets, mixture, 0, "stage-2")
    steps = 20_000
    counts = Counter(draw.bucket_at(step, first=False) for step in range(1, steps))
    # Same-view pairs: 40 clips can give them, 30 of them long; multi-view ones: only the short.
    assert counts[0] / steps == pytest.approx(0.5 * 30 / 40, abs=0.02)
    assert draw.mixtures[0] == {SAME: 0.75} and draw.mixtures[1] == {SAME: 0.25, MULTI: 1.0}
    drawn = {
        kind: sum(counts[b] / steps * m.get(kind, 0) / sum(m.values()) for b, m in enumerate(draw.mixtures))
        for kind in mixture
    }
    assert drawn[SAME] == pytest.approx(0.5, abs=0.02)


def test_a_draw_is_a_function_of_seed_and_step(two_buckets):
    draws = [StageDraw(two_buckets, {SAME: 1.0}, seed, "stage-1") for seed in (0, 0, 1)]
    first, again, other = ([d.bucket_at(step, first=False) for step in range(200)] for d in draws)
    assert first == again != other


def test_a_kind_that_no_clip_can_give_is_refused_before_training(monkeypatch):
    buckets = sort(monkeypatch, [record("single")]).buckets
    assert kind_counts(buckets[0].records) == {SAME: 1, MULTI: 0, MOVING: 0}
    with pytest.raises(ValueError, match="stage stage-3: none of the clips can give a moving_camera pair"):
        StageDraw(buckets, {SAME: 1.0, MOVING: 1.0}, 0, "stage-3")
