"""The options of every command, apart from the commands themselves: --help needs no torch."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  threedimo animate --driving dance.mp4 --reference anna.png --camera "the camera arcs left" --out anna.mp4
  threedimo animate --motion dance.safetensors --reference anna.png --camera "front view, slow zoom in" \\
                    --camera "back-right view" --out anna.mp4      (two videos and one contact sheet)
  threedimo animate --novel-view --reference anna.png --camera "orbit left" --out around.mp4
  threedimo animate --stabilise --driving shaky.mp4 --out steady.mp4
  threedimo animate --backbone Wan2.2-TI2V-5B-Diffusers --model my_adapter.safetensors --offload ...

A driver who faces another way than the reference needs no option: the motion aligns itself."""


def add_animate(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    inputs = parser.add_argument_group("what to animate")
    driver = inputs.add_mutually_exclusive_group()
    driver.add_argument("--driving", type=Path, metavar="VIDEO", help="video (or picture) whose motion is taken")
    driver.add_argument("--motion", type=Path, metavar="FILE", help="motion file made by `threedimo encode`")
    driver.add_argument("--novel-view", action="store_true", help="hold the reference's own pose, move the camera")
    inputs.add_argument(
        "--stabilise",
        action="store_true",
        help="the driving video again with a still camera; its first frame is the reference",
    )
    inputs.add_argument("--reference", type=Path, metavar="IMAGE", help="picture of the person to animate")
    inputs.add_argument(
        "--camera",
        action="append",
        metavar="TEXT",
        help='view and camera moves, such as "front view, the camera arcs left"; several times '
        "for several videos (default: the camera remains static)",
    )
    inputs.add_argument("--out", type=Path, required=True, metavar="OUT.mp4", help="video to write")
    inputs.add_argument("--keep-audio", action="store_true", help="keep the sound of the driving video")
    inputs.add_argument("--no-sheet", action="store_true", help="write no contact sheet beside the video")
    _add_reading(parser)
    _add_generation(parser)
    _add_model(parser, backbone=True)


def add_encode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("driving", type=Path, metavar="VIDEO", help="video (or picture) whose motion is taken")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors", help="motion file to write")
    parser.add_argument("--fps", type=float, help="frame rate of the motion (default: the video's own)")
    parser.add_argument("--frames", type=int, help="stop after that many frames (default: all)")
    _add_reading(parser)
    _add_model(parser, backbone=False)


def add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="file or backbone folder to look into")


def add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="FOLDER", help="where to write (default demo)"
    )
    parser.add_argument("--steps", type=int, help="denoising steps (default: as the mini was made for)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default 0)")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reading the driving video")
    group.add_argument("--start", type=float, default=0.0, metavar="SECONDS", help="begin there (default 0)")
    group.add_argument("--no-hands", action="store_true", help="do not look for hands (that needs the extra `hands`)")
    group.add_argument(
        "--crop-person",
        action="store_true",
        help="cut the video to the person before encoding, where they are small in the picture",
    )
    group.add_argument(
        "--pose-model",
        type=Path,
        metavar="FILE.task",
        help="pose landmarker of mediapipe, where the installed mediapipe carries no models",
    )
    group.add_argument("--allow-damaged", action="store_true", help="use what a cut-off or damaged video still holds")


def _add_generation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("generation (defaults: what the model was trained with)")
    group.add_argument("--frames", type=int, help="frames of the output, 4n + 1")
    group.add_argument("--height", type=int, help="pixels; with --width, on the backbone's grid")
    group.add_argument("--width", type=int, help="pixels (default: the trained area in the reference's aspect)")
    group.add_argument("--fps", type=float, help="frame rate of the output; the motion keeps its speed")
    group.add_argument("--hold-last", action="store_true", help="hold the last pose of a motion that is too short")
    group.add_argument("--steps", type=int, help="denoising steps")
    group.add_argument("--guidance", type=float, metavar="SCALE", help="guidance by the text; 1 is none")
    group.add_argument("--motion-guidance", type=float, metavar="SCALE", help="guidance by the motion; 1 is none")
    group.add_argument("--strength", type=float, default=1.0, help="of the motion layers; 0 is the backbone alone")
    group.add_argument("--body-strength", type=float, default=1.0, help="0 takes no motion of the body, 1 all")
    group.add_argument("--hand-strength", type=float, default=1.0, help="0 takes no motion of the hands, 1 all")
    group.add_argument("--seed", type=int, default=0, help="of the noise; the same seed gives the same video")


def _add_model(parser: argparse.ArgumentParser, backbone: bool) -> None:
    group = parser.add_argument_group("model")
    group.add_argument("--model", type=Path, metavar="ADAPTER", help="3DiMo adapter file (default: the bundled mini)")
    if backbone:
        group.add_argument(
            "--backbone",
            type=Path,
            metavar="DIR",
            help="diffusers folder of the video generator the adapter was trained for, such as "
            "Wan2.2-TI2V-5B (default: the bundled mini's)",
        )
        group.add_argument(
            "--dtype",
            choices=("auto", "fp32", "bf16", "fp16"),
            default="auto",
            help="of the backbone (auto: bf16 on a GPU, fp32 on a CPU)",
        )
        group.add_argument(
            "--lora",
            type=Path,
            metavar="FILE",
            help="updates of the backbone that the adapter was trained with: lora/pytorch_lora_weights.safetensors "
            "beside it",
        )
        group.add_argument("--lora-strength", type=float, default=1.0, help="(default 1)")
        group.add_argument("--offload", action="store_true", help="keep the networks in main memory until their turn")
    group.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps ... (default: a GPU if there is one)")


ADD = {"animate": add_animate, "encode": add_encode, "info": add_info, "demo": add_demo}
