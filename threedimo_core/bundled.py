"""The model that ships with this package: the mini's diffusers folder with its adapter in it."""

from __future__ import annotations

from pathlib import Path

MINI_FOLDER = Path(__file__).parent / "mini"
ADAPTER_FILE = "adapter.safetensors"
DEMO_FOLDER = Path(__file__).parent / "demo_inputs"

MINI_STATEMENT = (
    "The bundled mini model was trained on rendered, synthetic people, at small size, and its training has only begun: "
    "the person dissolves after the first frames and follows neither motion nor camera yet. "
    "For real work use --backbone with a trained adapter."
)


def mini_adapter() -> Path:
    """The mini's adapter file; ValueError where the installation lacks it."""
    path = MINI_FOLDER / ADAPTER_FILE
    if not path.is_file():
        raise ValueError(
            f"{path}: the bundled mini model is missing from this installation; install the package again, or name "
            "a model with --model and --backbone"
        )
    return path


def demo_input(name: str) -> Path:
    """driving.mp4, reference.png, or the pair with "_behind" in its names (the driver seen from behind).

    Raises ValueError where the installation lacks it.
    """
    path = DEMO_FOLDER / name
    if not path.is_file():
        raise ValueError(f"{path} is missing from this installation; install the package again")
    return path
