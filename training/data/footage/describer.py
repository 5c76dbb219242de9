"""A vision-language model that says where the camera stands and how it moves: Qwen2.5-VL, from a local folder.

As in the paper (3DiMo, section 3.4, supplement), clips of which nothing is known are described by Qwen2.5-VL in the
shape of the camera language. The answer is read by the same parser that reads users' prompts; what it does not
understand is not used. The answer itself is kept beside it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import SafetensorError

from threedimo_core.camera_language import CameraPrompt, Move, MoveKind, View, parse

_MODEL_TYPE = "qwen2_5_vl"
_REPOSITORY = "Qwen/Qwen2.5-VL-7B-Instruct"
_SIDE = 448  # pixels of the longer side of a shown frame: 16 x 16 tokens
_ANSWER_TOKENS = 64
_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"

QUESTION = """These {count} pictures are frames of one short video of a person, in order, {seconds:.1f} seconds apart.
Describe the camera, not the person's actions, in exactly two sentences.
Sentence 1, the view in the first picture: which side of the person's own body the camera sees, the camera's height \
and how much of the person is in the picture. Choose from: front view, front-left view, left view, back-left view, \
back view, back-right view, right view, front-right view; low angle, eye level, high angle; full body, knees up, \
waist up. "Left view" means that the person's own left side is seen. A person who faces the camera is a front view.
Sentence 2, how the camera itself moves from the first picture to the last. Watch the background: when it stays where \
it is, the camera remains static. Choose from: remains static, remains static with handheld shake, moves forward, \
moves back, moves left, moves right, moves up, moves down, zooms in, zooms out, rapidly zooms in, rapidly zooms out, \
arcs left, arcs right, orbits left, orbits right, pans left, pans right, tilts up, tilts down, rises, descends; at \
most two joined by "while"; add slowly or quickly, or an angle in degrees, only if clear.
Example: Front-right view, eye level, full body. The camera arcs right 45 degrees slowly."""


class DescriberError(ValueError):
    """A model folder that is missing or of another kind; the message says what to download."""


@dataclass(frozen=True)
class Answer:
    """What the model said (`raw`), the prompt that was understood (None: nothing), and the parts that were not."""

    raw: str
    prompt: CameraPrompt | None
    not_understood: tuple[str, ...]


def read_answer(raw: str) -> Answer:
    """The camera prompt in an answer; anything else in it is listed."""
    parsed = parse(raw)
    known = parsed.prompt.view is not None or bool(parsed.prompt.moves)
    return Answer(raw, parsed.prompt if known else None, tuple(parsed.not_understood))


def without_contradiction(prompt: CameraPrompt, still: bool | None) -> tuple[CameraPrompt | None, str | None]:
    """The prompt without moves that the measured background contradicts, and the doubt in words (None: no doubt)."""
    static = any(move.kind is MoveKind.STATIC for move in prompt.moves)
    if still is None or not prompt.moves or static == still:
        return prompt, None
    doubt = "said static, but the background moves" if static else "said moving, but the background stands still"
    moves = (Move(MoveKind.STATIC),) if still else ()
    view: View | None = prompt.view
    return (CameraPrompt(view, moves) if view is not None or moves else None), doubt


class Describer:
    """Qwen2.5-VL with its tokenizer and image processor."""

    def __init__(self, model: Any, tokenizer: Any, images: Any, num_frames: int = 6) -> None:
        self.model, self.tokenizer, self.images, self.num_frames = model, tokenizer, images, num_frames

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", num_frames: int = 6) -> Describer:
        """Read a folder as Hugging Face publishes the model; nothing is downloaded, no code from it is run.

        DescriberError says what to download when there is no such model in the folder.
        """
        _require_model(folder)
        from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration

        try:
            # Newer transformers: the one that needs no torchvision.
            from transformers import Qwen2VLImageProcessorPil as ImageProcessor
        except ImportError:
            from transformers import Qwen2VLImageProcessor as ImageProcessor
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        try:
            model, found = Qwen2_5_VLForConditionalGeneration.from_pretrained(
                folder, torch_dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            images = ImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, KeyError, RuntimeError, ValueError, SafetensorError) as error:
            raise DescriberError(f"{folder} cannot be loaded ({error}); {_how_to_get()}") from error
        if found["missing_keys"]:  # they would be random numbers, and so would the answers
            some = ", ".join(sorted(found["missing_keys"])[:3])
            raise DescriberError(f"{folder} lacks {len(found['missing_keys'])} weights ({some} ...); {_how_to_get()}")
        return cls(model.to(device).eval(), tokenizer, images, num_frames)

    @torch.no_grad()
    def describe(self, frames: np.ndarray, fps: float) -> Answer:
        """What the camera of uint8 frames [T, H, W, 3] does. The same answer every time (no sampling)."""
        chosen = np.linspace(0, len(frames) - 1, min(self.num_frames, len(frames))).round().astype(int)
        shown = self.images(images=[_shrunk(frames[t]) for t in chosen], return_tensors="pt")
        step = (len(frames) - 1) / max(1, len(chosen) - 1) / fps
        text = self._prompt(shown["image_grid_thw"], QUESTION.format(count=len(chosen), seconds=step))
        tokens = self.tokenizer(text, return_tensors="pt")
        inputs = {
            "input_ids": tokens["input_ids"],
            "attention_mask": tokens["attention_mask"],
            "pixel_values": shown["pixel_values"].to(self.model.dtype),
            "image_grid_thw": shown["image_grid_thw"],
            # Newer transformers tell pictures from words by it; older ones leave it alone.
            "mm_token_type_ids": (tokens["input_ids"] == self.model.config.image_token_id).long(),
        }
        wanted = _accepted(self.model, inputs)
        device = self.model.device
        out = self.model.generate(
            **{name: value.to(device) for name, value in wanted.items()},
            max_new_tokens=_ANSWER_TOKENS,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
        )
        answer = out[0, tokens["input_ids"].shape[1] :]
        return read_answer(self.tokenizer.decode(answer, skip_special_tokens=True).strip())

    def _prompt(self, grids: torch.Tensor, question: str) -> str:
        """The model's chat form, with as many picture tokens as each picture has after merging."""
        merge = self.images.merge_size**2
        pictures = ""
        for grid in grids:
            count = int(grid.prod()) // merge
            pictures += _IMAGE.replace("<|image_pad|>", "<|image_pad|>" * count)
        system = "You describe camera views and camera moves precisely and briefly."
        return (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{pictures}{question}<|im_end|>\n"
            "<|im_start|>assistant\n"
        )


def _accepted(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inputs that this version of the model takes."""
    import inspect

    names = set(inspect.signature(model.forward).parameters)
    return {name: value for name, value in inputs.items() if name in names}


def _require_model(folder: Path) -> None:
    config = folder / "config.json"
    if not config.is_file():
        raise DescriberError(f"there is no model in {folder} (no config.json); {_how_to_get()}")
    try:
        kind = json.loads(config.read_text("utf-8")).get("model_type")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise DescriberError(f"{config} is damaged ({error}); {_how_to_get()}") from error
    if kind != _MODEL_TYPE:
        raise DescriberError(f"{folder} holds a model of type {kind!r}, expected {_MODEL_TYPE!r}; {_how_to_get()}")


def _how_to_get() -> str:
    return (
        f"download {_REPOSITORY} from Hugging Face (16 GB; Qwen2.5-VL-3B-Instruct, 7 GB, is rougher), for example "
        f"`hf download {_REPOSITORY} --local-dir models/qwen2.5-vl`, and name that folder with --model"
    )


def _shrunk(frame: np.ndarray) -> np.ndarray:
    scale = min(1.0, _SIDE / max(frame.shape[:2]))
    size = (max(28, round(frame.shape[1] * scale)), max(28, round(frame.shape[0] * scale)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
