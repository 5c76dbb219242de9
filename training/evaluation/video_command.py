"""The paper's metrics on real video: SSIM, PSNR, LPIPS, FID, KID, FVD of generated clips against real ones.

    python -m training bench video --generated MADE --real REAL --weights WEIGHTS --metrics ssim psnr lpips fid kid fvd

MADE and REAL hold videos of the same names. LPIPS, FID, KID and FVD need weight files in WEIGHTS; nothing is
downloaded: a missing file is told with its source and checksum. rf-fd needs none (fixed random features; it is not
FID). A real clip without a generated one is a failure and gets the worst values. Beside every distance stands its
floor: one half of the real clips against the other.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from threedimo_core.video import read_video

from . import frechet, intervals
from .image_metrics import Perceptual, Regions, image_scores
from .lpips import load_lpips
from .provenance import code_commit
from .report import Row, write_json
from .video_features import ClipFeatures, i3d_features, inception_features, random_features
from .viewset import Floats

PAIRED = ("ssim", "psnr", "lpips")
DISTANCES = ("fid", "kid", "fvd", "rf-fd")
_NEED_WEIGHTS = frozenset({"lpips", "fid", "kid", "fvd"})
_PART = "video"
_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--generated", type=Path, required=True, help="folder of generated videos")
    parser.add_argument("--real", type=Path, required=True, help="folder of real videos of the same names")
    parser.add_argument("--metrics", nargs="+", choices=[*PAIRED, *DISTANCES], default=["ssim", "psnr", "rf-fd"],
                        help="(%(default)s)")  # fmt: skip
    parser.add_argument("--weights", type=Path, default=None, help="folder of the weight files")
    parser.add_argument("--out", type=Path, default=None, help="also write the figures to this JSON file")


def run(arguments: argparse.Namespace) -> int:
    """Check everything that can be checked, then measure, print a table and write the JSON where asked."""
    names = list(dict.fromkeys(arguments.metrics))
    needing = [name for name in names if name in _NEED_WEIGHTS]
    if needing and arguments.weights is None:
        raise ValueError(f"{', '.join(needing)} need weight files: give --weights FOLDER (none is downloaded)")
    perceptual = load_lpips(arguments.weights) if "lpips" in names else None
    extractors = extractors_for(names, arguments.weights)
    pairs = paired_files(arguments.real, arguments.generated)
    rows = measure(pairs, names, extractors, perceptual)
    missing = sum(generated is None for _, generated in pairs)
    print(f"{len(pairs)} real clips, {missing} without a generated one (failures)")
    for row in rows:
        print(f"  {row.what:12}  {row.metric:22}  {row.text()}")
    if arguments.out:
        figures = [{"what": r.what, "metric": r.metric, **asdict(r.estimate)} for r in rows]
        write_json(arguments.out, {"clips": len(pairs), "failures": missing, "commit": code_commit(), "rows": figures})
    return 0


def extractors_for(names: list[str], weights: Path | None) -> dict[str, ClipFeatures]:
    """The feature extractor of each wanted distance; FID and KID share one."""
    found: dict[str, ClipFeatures] = {}
    if {"fid", "kid"} & set(names):
        assert weights is not None
        inception = inception_features(weights)
        found |= {name: inception for name in ("fid", "kid") if name in names}
    if "fvd" in names:
        assert weights is not None
        found["fvd"] = i3d_features(weights)
    if "rf-fd" in names:
        found["rf-fd"] = random_features()
    return found


def paired_files(real: Path, generated: Path) -> list[tuple[Path, Path | None]]:
    """Real videos by name, each with the generated one of the same name or None."""
    for folder in (real, generated):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder; give one that holds videos")
    made = {path.stem: path for path in sorted(generated.iterdir()) if path.suffix.lower() in _SUFFIXES}
    pairs = [(path, made.get(path.stem)) for path in sorted(real.iterdir()) if path.suffix.lower() in _SUFFIXES]
    if not any(other for _, other in pairs):
        raise ValueError(f"no video of {generated} has the name of one in {real}; names must agree but for the ending")
    return pairs


def measure(
    pairs: list[tuple[Path, Path | None]],
    names: list[str],
    extractors: dict[str, ClipFeatures],
    perceptual: Perceptual | None = None,
) -> list[Row]:
    """Rows for every metric; each distance with its floor."""
    scores: list[dict[str, float]] = []
    features: dict[ClipFeatures, tuple[list[Floats], list[Floats]]] = {f: ([], []) for f in set(extractors.values())}
    for real_path, made_path in tqdm(pairs, desc="clips", leave=False):
        real = frames_of(real_path)
        made = None if made_path is None else frames_of(made_path)
        if made is not None:
            real = _as_large(real, made, real_path, made_path)
        scores.append(_paired_scores(real, made, perceptual))
        for extractor, (of_real, of_made) in features.items():
            of_real.append(extractor(real))
            if made is not None:
                of_made.append(extractor(made))
    rows = [_paired_row(name, scores) for name in names if name in PAIRED]
    for name in names:
        if name in extractors:
            rows += _distance_rows(name, *features[extractors[name]])
    return rows


def frames_of(path: Path) -> Tensor:
    """[T, 3, H, W] in [0, 1]."""
    return rearrange(torch.from_numpy(read_video(path).frames), "t h w c -> t c h w").float() / 255


def _as_large(real: Tensor, made: Tensor, real_path: Path, made_path: Path | None) -> Tensor:
    """The real frames in the size of the generated ones."""
    if len(real) != len(made):
        raise ValueError(
            f"{real_path} has {len(real)} frames and {made_path} has {len(made)}; cut or resample one so that frame n "
            "of both shows the same moment"
        )
    if real.shape == made.shape:
        return real
    return F.interpolate(real, made.shape[-2:], mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def _paired_scores(real: Tensor, made: Tensor | None, perceptual: Perceptual | None) -> dict[str, float]:
    everywhere = torch.ones(real.shape[0], *real.shape[-2:], dtype=torch.bool)
    video = torch.full_like(real, float("nan")) if made is None else made
    return image_scores(video, real, Regions(everywhere, everywhere, everywhere), perceptual)


def _paired_row(name: str, scores: list[dict[str, float]]) -> Row:
    estimate = intervals.mean([s[f"{name.upper()}, whole"] for s in scores], range(len(scores)))
    return Row(_PART, "generated", name.upper(), estimate, "dB" if name == "psnr" else "")


def _distance_rows(name: str, real: list[Floats], made: list[Floats]) -> list[Row]:
    distance = frechet.kernel_distance if name == "kid" else frechet.frechet_distance
    rows = [Row(_PART, "generated", f"{name.upper()} (N = {len(made)})", frechet.estimate(distance, real, made))]
    if len(real) >= 4:
        metric = f"{name.upper()} (N = {len(real) // 2})"
        rows.append(Row(_PART, "real, halves", metric, frechet.floor(distance, real), control=True))
    return rows
