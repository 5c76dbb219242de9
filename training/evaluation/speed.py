"""What the method costs: encoder frames a second, a denoising step with and without injection, FLOPs, peak memory.

The timed transformer is a fresh mini with random weights (the time does not depend on them); with
and without injection alternate in one run. FLOPs are counted at the published sizes of the real backbones.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from threedimo_core.backbones import WanBackbone
from threedimo_core.config import InjectionConfig, MotionEncoderConfig
from threedimo_core.injection import AttachedInjection, MotionInjection
from threedimo_core.mini_tokenizer import MAX_TOKENS
from threedimo_core.motion_attention import VideoLayout, motion_context
from threedimo_core.motion_encoder import MotionEncoder
from threedimo_core.paths import atomic_path

from ..mini.backbone import build_transformer
from .flops import HUNYUAN_VIDEO15, WAN22_TI2V_5B, encoder_flops, injection_cost
from .measuring import alternating_medians, peak_memory

PAPER_FRAMES = 121
Clock = Callable[[], float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=("mini", "base", "large"), default="mini", help="encoder to time")
    parser.add_argument("--frames", type=int, default=17, help="frames of the timed clip, 4n + 1 (default 17)")
    parser.add_argument("--size", type=int, default=128, help="its height and width in pixels (default 128)")
    parser.add_argument("--inner", type=int, default=256, help="inner width of the motion attention (default 256)")
    parser.add_argument("--repeats", type=int, default=15, help="rounds of the timing (default 15)")
    parser.add_argument("--threads", type=int, default=None, help="torch threads (default: torch's own choice)")
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's seconds: for a shared CPU")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ... (default cpu)")
    parser.add_argument("--out", type=Path, default=None, help="also write the figures to this JSON file")


def run(arguments: argparse.Namespace) -> int:
    """Measure, print a table and write the JSON where asked."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    if arguments.cpu_time and device.type != "cpu":
        raise ValueError(f"--cpu-time counts the processor's seconds, but the work is on {device}; leave it out")
    clock: Clock = time.process_time if arguments.cpu_time else time.perf_counter
    figures: dict[str, Any] = {"where": _where(device), "clock": "processor" if arguments.cpu_time else "wall"}
    with torch.no_grad():
        figures["encoder"] = time_encoder(
            arguments.preset, arguments.frames, arguments.size, arguments.repeats, device, clock
        )
        figures["step"] = time_denoising_step(arguments, device, clock)
    figures["flops"] = [_cost(WAN22_TI2V_5B, 480, 832), _cost(HUNYUAN_VIDEO15, 480, 848)]
    figures["encoder_tflops"] = encoder_flops(MotionEncoderConfig.preset("base"), PAPER_FRAMES) / 1e12
    print(report(figures))
    if arguments.out:
        with atomic_path(arguments.out) as draft:
            draft.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def _where(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"device": f"{device.type} ({name})", "threads": torch.get_num_threads(), "torch": torch.__version__}


def time_encoder(
    preset: str, frames: int, size: int, repeats: int, device: torch.device, clock: Clock = time.perf_counter
) -> dict[str, Any]:
    """Frames a second of one clip of random pixels, without and with two hand crops a frame; peak memory with."""
    config = MotionEncoderConfig.preset(preset)
    encoder = MotionEncoder(config).to(device).eval()
    clip = torch.rand(1, frames, 3, size, size, device=device)
    hand_size = config.hand.image_size if config.hand else 1
    hands = torch.rand(1, frames, 2, 3, hand_size, hand_size, device=device)
    runs = {"body": lambda: encoder(clip), "body_and_hands": lambda: encoder(clip, hands)}
    seconds = alternating_medians(runs, repeats, device, clock=clock)
    return {
        "preset": preset,
        "parameters": sum(p.numel() for p in encoder.parameters()),
        "frames_per_second": {name: frames / value for name, value in seconds.items()},
        "peak_bytes": peak_memory(runs["body_and_hands"], device),
    }


def time_denoising_step(
    arguments: argparse.Namespace, device: torch.device, clock: Clock = time.perf_counter
) -> dict[str, Any]:
    """One forward of a Wan transformer for one clip, TI2V way, bare and with motion, in one run."""
    transformer = build_transformer().to(device).eval()
    sizes = transformer.config
    stride = 8
    latent = ((arguments.frames - 1) // 4 + 1, arguments.size // stride, arguments.size // stride)
    if arguments.frames % 4 != 1 or arguments.size % (2 * stride):
        raise ValueError(
            f"--frames must be 4n + 1 and --size a multiple of {2 * stride}, "
            f"got {arguments.frames} and {arguments.size}"
        )
    layout = VideoLayout(latent[0], (latent[1] // 2) * (latent[2] // 2))
    inputs = {
        "hidden_states": torch.randn(1, 16, *latent, device=device),
        "timestep": torch.full((1, layout.latent_frames * layout.tokens_per_frame), 500.0, device=device),
        "encoder_hidden_states": torch.randn(1, MAX_TOKENS, sizes.text_dim, device=device),
    }
    encoder = MotionEncoderConfig.preset("mini")
    config = InjectionConfig(
        hidden_dim=sizes.num_attention_heads * sizes.attention_head_dim,
        num_blocks=sizes.num_layers,
        token_dim=encoder.token_dim,
        num_tokens=encoder.num_tokens,
        inner_dim=arguments.inner,
        head_dim=64,
    )
    motion = torch.randn(1, arguments.frames, encoder.num_tokens, encoder.token_dim, device=device)
    context = motion_context(motion, layout, config)
    attached = AttachedInjection(transformer.blocks, MotionInjection(config).to(device).eval(), WanBackbone.port)

    def bare() -> None:
        transformer(**inputs)

    def injected() -> None:
        with attached.motion(context):
            transformer(**inputs)

    seconds = alternating_medians({"bare": bare, "injected": injected}, arguments.repeats, device, clock=clock)
    return {
        "video_tokens": layout.latent_frames * layout.tokens_per_frame,
        "seconds": seconds,
        "ratio": seconds["injected"] / seconds["bare"],
        "peak_bytes": {"bare": peak_memory(bare, device), "injected": peak_memory(injected, device)},
    }


def _cost(model: Any, height: int, width: int) -> dict[str, Any]:
    cost = injection_cost(model, PAPER_FRAMES, height, width, MotionEncoderConfig.preset("base"))
    return {**asdict(cost), "share": cost.share}


def report(figures: dict[str, Any]) -> str:
    """The figures as markdown."""
    where, encoder, step = figures["where"], figures["encoder"], figures["step"]
    mib = 1024**2
    rates, seconds, peaks = encoder["frames_per_second"], step["seconds"], step["peak_bytes"]
    lines = [
        f"{where['device']}, {where['threads']} threads, torch {where['torch']}, {figures['clock']} time",
        "",
        "| | figure |",
        "|---|---|",
        f"| encoder {encoder['preset']} ({encoder['parameters'] / 1e6:.1f} M parameters), body only "
        f"| {rates['body']:.0f} frames/s |",
        f"| the same, with both hands | {rates['body_and_hands']:.0f} frames/s, "
        f"peak {encoder['peak_bytes'] / mib:.0f} MiB |",
        f"| denoising step, {step['video_tokens']} video tokens, bare "
        f"| {seconds['bare'] * 1e3:.1f} ms, peak {peaks['bare'] / mib:.0f} MiB |",
        f"| the same, with injection | {seconds['injected'] * 1e3:.1f} ms, peak {peaks['injected'] / mib:.0f} MiB |",
        f"| ratio | {step['ratio']:.3f} |",
        "",
        "| FLOPs of one step, counted | blocks | injection | share | its parameters |",
        "|---|---|---|---|---|",
    ]
    for cost in figures["flops"]:
        lines.append(
            f"| {cost['model']}, {cost['frames']} × {cost['height']} × {cost['width']}, "
            f"{cost['video_tokens']} tokens, inner width {cost['inner_dim']} | {cost['base_flops'] / 1e12:.1f} T "
            f"| {cost['injection_flops'] / 1e12:.2f} T | {cost['share']:.2%} "
            f"| {cost['injection_parameters'] / 1e6:.0f} M |"
        )
    lines.append("")
    lines.append(
        f"Encoding {PAPER_FRAMES} frames with both hands (preset base): "
        f"{figures['encoder_tflops']:.2f} TFLOPs, once a clip."
    )
    return "\n".join(lines)
