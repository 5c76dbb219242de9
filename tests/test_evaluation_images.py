"""Image scores and the distances of sets, on pictures and features whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from threedimo_core.video import write_video
from training.evaluation import frechet, lpips, video_features, weights
from training.evaluation.bench import main
from training.evaluation.image_metrics import Regions, boxes_of, image_scores, psnr
from training.evaluation.inception import FidInception
from training.evaluation.lpips import Lpips, load_lpips
from training.evaluation.video_command import measure, paired_files
from training.evaluation.video_features import random_features
from training.evaluation.weights import WeightFile


def a_video(seed: int = 0, frames: int = 5, size: int = 32) -> torch.Tensor:
    return torch.rand(frames, 3, size, size, generator=torch.Generator().manual_seed(seed))


def person() -> torch.Tensor:
    mask = torch.zeros(5, 32, 32, dtype=torch.bool)
    mask[:, 8:28, 10:20] = True
    mask[:, 8:28, 10] = False
    mask[:, 8, 10] = True
    return mask


def test_psnr_is_what_arithmetic_says_and_leaves_out_the_given_frame() -> None:
    true = torch.full((3, 3, 8, 8), 0.5)
    video = true + 0.1
    video[0] = 0  # the reference: whatever it is does not count
    assert psnr(video, true) == pytest.approx(20, abs=1e-3)


def test_regions_count_only_their_pixels() -> None:
    true, mask = torch.full((5, 3, 32, 32), 0.5), person()
    video = true + 0.1
    video[:, :, 8:28, 10:20] = 0.5 + 0.01
    scores = image_scores(video, true, Regions.of(mask))
    assert scores["PSNR, person"] > 35 and scores["PSNR, whole"] < scores["PSNR, box"] < scores["PSNR, person"]


def test_the_box_holds_the_person_with_a_margin() -> None:
    box = boxes_of(person())
    assert box[1, 6:30, 9:21].all() and not box[1, :6].any() and not box[1, :, 21:].any()
    assert not boxes_of(torch.zeros(2, 8, 8, dtype=torch.bool)).any()


def test_the_same_video_is_perfect_and_a_broken_one_gets_the_worst() -> None:
    true = a_video()
    regions = Regions.of(person())
    perfect = image_scores(true, true, regions)
    assert perfect["PSNR, whole"] == pytest.approx(100) and perfect["SSIM, box"] == pytest.approx(1, abs=1e-3)
    for broken in (true[:3], torch.full_like(true, float("nan"))):
        scores = image_scores(broken, true, regions, perceptual=lambda a, b: (a - b).abs().mean(1))
        assert {scores[f"{m}, box"] for m in ("PSNR", "SSIM")} == {0} and scores["LPIPS, box"] == 1


def test_a_frame_without_the_person_counts_whole() -> None:
    scores = image_scores(a_video(1), a_video(2), Regions.of(torch.zeros(5, 32, 32, dtype=torch.bool)))
    assert scores["PSNR, person"] == pytest.approx(scores["PSNR, whole"])


# ---- LPIPS, Inception: the networks take the published files, checked, and nothing else


@pytest.fixture
def lpips_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two files with random numbers, whose checksums are taken for the published ones."""
    torch.manual_seed(0)
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    backbone = {f"features.{n}.weight": torch.randn(s) * 0.05 for n, s in shapes.items()}
    backbone |= {f"features.{n}.bias": torch.zeros(s[0]) for n, s in shapes.items()}
    linear = {f"lin{i}.model.1.weight": torch.rand(1, s[0], 1, 1) for i, s in enumerate(shapes.values())}
    for name, content in (("ALEXNET", backbone), ("LPIPS_ALEX", linear)):
        published = getattr(weights, name)
        torch.save(content, tmp_path / published.name)
        monkeypatch.setattr(lpips, name, WeightFile(published.name, published.source, ""))
    return tmp_path


def test_lpips_is_zero_for_the_same_and_grows_with_the_difference(lpips_folder: Path) -> None:
    metric, true = load_lpips(lpips_folder), a_video(0, frames=2, size=64)
    noise = a_video(1, frames=2, size=64) - 0.5
    distances = [metric((true + s * noise).clamp(0, 1), true) for s in (0.0, 0.1, 0.4)]
    assert distances[0].shape == (2, 64, 64) and distances[0].abs().max() < 1e-6
    assert 0 < distances[1].mean() < distances[2].mean()
    assert torch.allclose(metric(true, true + 0.1), metric(true + 0.1, true))


def test_lpips_refuses_pictures_that_are_too_small() -> None:
    with pytest.raises(ValueError, match="at least 64 px a side, got 32 × 32"):
        Lpips()(a_video(), a_video())


@pytest.mark.parametrize("file", [weights.ALEXNET, weights.LPIPS_ALEX, weights.INCEPTION, weights.I3D])
def test_a_missing_or_other_weight_file_is_told_with_source_and_checksum(file: WeightFile, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        file.find(tmp_path)
    assert all(part in str(missing.value) for part in (file.name, file.source, file.sha256[:8]))
    (tmp_path / file.name).write_bytes(b"another file")
    with pytest.raises(ValueError, match=f"expected {file.sha256[:8]}"):
        file.find(tmp_path)


def test_inception_has_the_shape_of_the_published_network() -> None:
    with torch.device("meta"):
        network = FidInception()
        assert network(torch.empty(2, 3, 299, 299)).shape == (2, 2048)
    names = set(network.state_dict())
    assert {
        "Conv2d_1a_3x3.conv.weight",
        "Mixed_6c.branch7x7dbl_3.bn.running_var",
        "Mixed_7c.branch_pool.bn.bias",
    } <= names
    assert sum(p.numel() for p in network.parameters()) == 21_785_568  # Inception v3 without its last layer


# ---- distances of sets


def test_frechet_distance_of_known_gaussians() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (40_000, 3)), rng.normal(0, 2, (40_000, 3)) + [3, 0, 0]
    # |m|² + Σ (1 - 2)² = 9 + 3
    assert frechet.frechet_distance(a, b) == pytest.approx(12, rel=0.02)
    assert frechet.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="at least 2 rows"):
        frechet.frechet_distance(a[:1], b)


def test_kid_of_two_samples_of_one_source_is_nothing() -> None:
    rng = np.random.default_rng(1)
    first, second, other = rng.normal(size=(500, 16)), rng.normal(size=(500, 16)), rng.normal(1, 1, (500, 16))
    assert abs(frechet.kernel_distance(first, second)) < 0.1
    assert frechet.kernel_distance(first, other) > 1


def test_the_floor_shows_that_few_clips_are_far_apart_by_chance() -> None:
    rng = np.random.default_rng(2)
    many = [rng.normal(size=(1, 16)) for _ in range(400)]
    few = frechet.floor(frechet.frechet_distance, many[:40])
    enough = frechet.floor(frechet.frechet_distance, many)
    assert few.value > 3 * enough.value > 0
    assert few.low < few.value < few.high and few.samples == 20


def test_random_features_tell_other_pictures_apart_and_are_always_the_same() -> None:
    features = random_features()
    plain = features(a_video(0, frames=40))
    assert np.array_equal(plain, random_features()(a_video(0, frames=40)))
    near, far = features(a_video(1, frames=40)), features(a_video(1, frames=40) * 0.3)
    assert frechet.frechet_distance(plain, near) < 0.2 * frechet.frechet_distance(plain, far)


# ---- the command


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    real, made = tmp_path / "real", tmp_path / "made"
    for folder in (real, made):
        folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        frames = rng.integers(0, 255, (6, 48, 64, 3), dtype=np.uint8)
        write_video(real / f"{number}.mp4", frames, 8.0)
        if number:
            write_video(made / f"{number}.mp4", frames[:, ::2, ::2], 8.0)
    return real, made


def test_a_missing_clip_is_a_failure_and_sizes_are_matched(folders, tmp_path: Path, capsys) -> None:
    out = tmp_path / "figures.json"
    words = ["--generated", folders[1], "--real", folders[0], "--out", out]
    assert main(["video", *map(str, words)]) == 0
    assert "5 real clips, 1 without a generated one" in capsys.readouterr().out
    document = json.loads(out.read_text())
    figures = {(row["what"], row["metric"]): row for row in document["rows"]}
    assert document["failures"] == 1 and figures["generated", "PSNR"]["samples"] == 5
    assert ("generated", "RF-FD (N = 4)") in figures and ("real, halves", "RF-FD (N = 2)") in figures
    assert not any("FID" in metric for _, metric in figures)


def test_weights_are_asked_for_before_anything_is_read(folders, capsys) -> None:
    assert main(["video", "--generated", "none", "--real", "none", "--metrics", "fvd", "lpips"]) == 1
    assert "fvd, lpips need weight files" in capsys.readouterr().err
    words = ["--generated", str(folders[1]), "--real", str(folders[0]), "--weights", str(folders[0])]
    assert main(["video", *words, "--metrics", "fid"]) == 1
    assert "pt_inception-2015-12-05-6726825d.pth is missing: fetch it from" in capsys.readouterr().err


def test_clips_of_other_length_or_names_are_refused(folders) -> None:
    real, made = folders
    write_video(made / "1.mp4", np.zeros((3, 32, 32, 3), np.uint8), 8.0)
    with pytest.raises(ValueError, match=r"has 6 frames and .* has 3"):
        measure(paired_files(real, made), ["psnr"], {})
    with pytest.raises(ValueError, match=r"no video of .* has the name"):
        paired_files(real, real.parent)


def test_fvd_needs_ten_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stand(torch.nn.Module):
        def forward(self, x, rescale: bool = True, resize: bool = True, return_features: bool = False):
            return x.mean((2, 3, 4))

    torch.jit.script(Stand()).save(str(tmp_path / weights.I3D.name))
    monkeypatch.setattr(video_features, "I3D", WeightFile(weights.I3D.name, "", ""))
    features = video_features.i3d_features(tmp_path)
    assert features(a_video(frames=12)).shape == (1, 3)
    with pytest.raises(ValueError, match="has 9 frames; FVD needs at least 10"):
        features(a_video(frames=9))
