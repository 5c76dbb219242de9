"""Does the generated person follow the driver? Pictures against the true render of the other view.

For held-out performances a driving view steers the target view's first frame, with the target's caption; the result
is compared with the true render of that view. Controls: another clip's tokens, null tokens, a frozen reference, and
the VAE's own round trip (the ceiling). The same noise seed is used for all of a case, so differences are paired.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from threedimo_core.backbones.loading import load_backbone
from threedimo_core.checkpoint import load_adapter
from threedimo_core.motion_clip import MotionClip
from threedimo_core.pipeline import GenerationSettings, Pipeline

from ..data.clip_store import ClipStore
from ..data.manifest import Record, read_manifest
from ..data.pairs import PairKind, possible_pairs

ROWS = ("right tokens", "another clip's tokens", "null tokens", "frozen reference", "VAE round trip")


@dataclass(frozen=True)
class Case:
    """One pair of views of a held-out performance, and the performance whose tokens are the wrong ones."""

    record: Record
    driver: int
    target: int
    wrong: Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="diffusers folder of the backbone")
    parser.add_argument("--adapter", type=Path, default=None, help="adapter file (default: adapter.safetensors there)")
    parser.add_argument("--data", type=Path, required=True, help="held-out set: data render --split test")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures (JSON) and the contact sheet")
    parser.add_argument("--cases", type=int, default=24, help="performances to compare (%(default)s)")
    parser.add_argument("--kind", choices=[k.value for k in PairKind], default="multi_view", help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=None, help="sampling steps (default: the adapter's)")
    parser.add_argument("--motion-scale", type=float, default=None, help="motion guidance (default: the adapter's)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    adapter = load_adapter(arguments.adapter or arguments.model / "adapter.safetensors")
    pipeline = Pipeline(load_backbone(arguments.model, torch.float32), adapter)
    settings = GenerationSettings(
        seed=arguments.seed, steps=arguments.steps, motion_scale=arguments.motion_scale, num_frames=None
    )
    store = ClipStore(arguments.data)
    cases = choose_cases(read_manifest(arguments.data), PairKind(arguments.kind), arguments.cases, arguments.seed)
    scores: dict[str, list[tuple[float, float]]] = {row: [] for row in ROWS}
    strips = []
    for case in tqdm(cases, desc="cases"):
        true = store.frames(case.record, case.target).float() / 255
        mask = torch.from_numpy(store.mask(case.record, case.target))
        videos = outcomes(pipeline, store, case, true, settings)
        for row, video in videos.items():
            scores[row].append((psnr(video, true), psnr(video, true, mask)))
        driver = store.frames(case.record, case.driver).float() / 255
        strips.append({"driving view": driver, "true render": true, **videos})
    table = summarise(scores)
    arguments.out.mkdir(parents=True, exist_ok=True)
    document = {"cases": len(cases), "kind": arguments.kind, "model": str(adapter.record), "rows": table}
    (arguments.out / "cross_view.json").write_text(json.dumps(document, indent=2))
    save_strips(strips[:8], arguments.out / "cross_view.png")
    for row, values in table.items():
        print(f"{row:24s} PSNR {values['psnr']:.2f} dB   person {values['person']:.2f} dB", flush=True)
    print(_verdict(scores))
    return 0


def choose_cases(records: list[Record], kind: PairKind, count: int, seed: int) -> list[Case]:
    """One pair a performance; the wrong tokens come from the next performance chosen."""
    rng = np.random.default_rng([seed, 0x637673])
    able = [record for record in records if possible_pairs(record)[kind]]
    if len(able) < 2:
        raise ValueError(f"{len(able)} performances of the set have a {kind} pair; at least 2 are needed")
    chosen = [able[i] for i in rng.permutation(len(able))[:count]]
    cases = []
    for record, wrong in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        pairs = possible_pairs(record)[kind]
        driver, target = pairs[rng.integers(len(pairs))]
        cases.append(Case(record, driver, target, wrong))
    return cases


def outcomes(
    pipeline: Pipeline, store: ClipStore, case: Case, true: Tensor, settings: GenerationSettings
) -> dict[str, Tensor]:
    """The video of every row, [T, 3, H, W] in [0, 1]."""
    caption = case.record["views"][case.target]["captions"][0]
    right = encode_view(pipeline, store, case.record, case.driver)
    wrong = encode_view(pipeline, store, case.wrong, 0)
    null = GenerationSettings(**{**vars(settings), "body_strength": 0.0, "hand_strength": 0.0})
    backbone = pipeline.backbone
    with torch.no_grad():
        round_trip = backbone.decode(backbone.encode_video(true[None]))[0]
    return {
        "right tokens": pipeline.generate(true[0], right, caption, settings),
        "another clip's tokens": pipeline.generate(true[0], wrong, caption, settings),
        "null tokens": pipeline.generate(true[0], right, caption, null),
        "frozen reference": true[:1].expand_as(true),
        "VAE round trip": round_trip,
    }


def encode_view(pipeline: Pipeline, store: ClipStore, record: Record, view: int) -> MotionClip:
    """Tokens of a rendered view, with its hand views."""
    present = store.labels(record, "hand_present")["hand_present"][view].bool()
    return pipeline.encode_motion(store.frames(record, view), record["fps"], store.hands(record, view), present)


def psnr(video: Tensor, true: Tensor, mask: Tensor | None = None) -> float:
    """Over all pixels, or over those of `mask` [T, H, W]; the first frame is given and does not count."""
    error = (video - true)[1:].square().mean(1)
    mean = error.mean() if mask is None else error[mask[1:]].mean()
    return float(-10 * torch.log10(mean.clamp(min=1e-10)))


def summarise(scores: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    return {
        row: {"psnr": float(np.mean([v[0] for v in values])), "person": float(np.mean([v[1] for v in values]))}
        for row, values in scores.items()
    }


def _verdict(scores: dict[str, list[tuple[float, float]]]) -> str:
    """Paired gain of the right tokens inside the person, with a 95 % bootstrap interval over performances."""
    right = np.array([v[1] for v in scores["right tokens"]])
    lines = []
    for row in ROWS[1:3]:
        gain = right - np.array([v[1] for v in scores[row]])
        draws = np.random.default_rng(0).choice(gain, (2000, len(gain))).mean(1)
        low, high = np.percentile(draws, [2.5, 97.5])
        lines.append(f"right tokens − {row}: {gain.mean():+.2f} dB inside the person, 95 % [{low:+.2f}, {high:+.2f}]")
    return "\n".join(lines)


def save_strips(strips: list[dict[str, Tensor]], path: Path, picks: int = 5) -> None:
    """A sheet: one block a case, one line a row, `picks` frames across."""
    from threedimo_core.images import write_image

    blocks = []
    for strip in strips:
        lines = []
        for video in strip.values():
            frames = video[torch.linspace(0, len(video) - 1, picks).long()]
            lines.append(torch.cat(list(frames), dim=2))
        blocks.append(torch.cat(lines, dim=1))
    rows = [torch.cat(blocks[i : i + 4], dim=2) for i in range(0, len(blocks), 4) if len(blocks[i : i + 4]) == 4]
    sheet = torch.cat(rows or [torch.cat(blocks, dim=2)], dim=1)
    write_image(path, (sheet.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy())
