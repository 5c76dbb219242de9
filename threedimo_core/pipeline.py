"""The pipeline: reference image + motion + camera prompt → video (paper, section 3 and the supplement's uses).

    backbone = load_backbone(folder, device="cuda", offload=True)
    pipeline = Pipeline(backbone, load_adapter("adapter.safetensors"))
    motion = pipeline.encode_motion(frames, fps=24)
    video = pipeline.generate(reference, motion, "Front view. The camera arcs left.")

A driver who faces another way than the reference needs nothing special: tokens do not know where the camera stood,
and the reference image says which way the person faces (supplement, "automatic alignment").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .backbones.base import Backbone
from .camera_language import CameraPrompt, Move, MoveKind, canonical, write
from .cancelling import Cancelled
from .checkpoint import Adapter
from .encoding import encode_motion, require_frames, require_values, unit_pixels
from .fitting import fit_motion, prepare_reference
from .flow import keyed_generator
from .frame_grid import fit_size, require_size
from .motion_attention import MotionContext, motion_context
from .motion_clip import MotionClip, require_fps
from .motion_edit import hold
from .sampling import Conditions, Progress, SamplingSettings, denoise

__all__ = ["Cancelled", "GenerationSettings", "Pipeline", "fit_motion", "prepare_reference"]


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """How to generate; None takes what the adapter was trained with.

    num_frames: 4n + 1; None: as many as the motion has. height, width: in pixels, both or neither; None: the
    training area in the reference's aspect. fps: of the output; the motion is brought to it, so that it keeps its
    speed. strength: of the motion layers; 0 is the base model. body_strength, hand_strength: 0 replaces those
    tokens by "no motion", 1 keeps them. hold_last: a motion that is too short keeps its last pose.
    seed: same seed, same noise, on every device.
    """

    num_frames: int | None = None
    height: int | None = None
    width: int | None = None
    fps: float | None = None
    steps: int | None = None
    text_scale: float | None = None
    motion_scale: float | None = None
    strength: float = 1.0
    body_strength: float = 1.0
    hand_strength: float = 1.0
    hold_last: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("strength", "body_strength", "hand_strength"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 <= value <= 10:
                raise ValueError(f"{name} is {value!r}; expected a number from 0 to 10 (1 is as trained)")
        if self.fps is not None:
            require_fps(self.fps)
        # What `generate` would refuse is refused here: a model takes minutes to load.
        self.sampling(steps=1)
        if (self.height is None) != (self.width is None):
            raise ValueError(f"height is {self.height}, width is {self.width}: give both, or neither")

    def sampling(self, steps: int, text_scale: float = 1.0, motion_scale: float = 1.0) -> SamplingSettings:
        """Steps and scales as set here, else as given."""
        return SamplingSettings(
            steps=steps if self.steps is None else self.steps,
            text_scale=text_scale if self.text_scale is None else self.text_scale,
            motion_scale=motion_scale if self.motion_scale is None else self.motion_scale,
        )


class Pipeline:
    """A backbone with an adapter. The backbone is hooked only while it generates, and restored whatever happens."""

    def __init__(self, backbone: Backbone, adapter: Adapter) -> None:
        """Moves the adapter to the backbone's device and the motion layers to its type.

        Raises AdapterError when they do not fit each other.
        """
        adapter.check_backbone(backbone)
        adapter.encoder.to(backbone.device).eval()
        adapter.injection.to(backbone.device, backbone.dtype).eval()
        self.backbone = backbone
        self.adapter = adapter

    def encode_motion(
        self,
        frames: Tensor,
        fps: float,
        hands: Tensor | None = None,
        hand_present: Tensor | None = None,
        chunk: int = 64,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> MotionClip:
        """Driving video → motion, `chunk` frames at a time.

        Args:
            frames: [T, 3, H, W] in [0, 1], any count and size. uint8 in [0, 255] is taken too.
            hands: [T, 2, 3, h, w] crops, left then right, of the same type; None: hands are absent.
            hand_present: [T, 2] bool; False where no hand was found.
        """
        return encode_motion(self.adapter, frames, fps, hands, hand_present, chunk, progress, cancelled)

    def still_motion(self, image: Tensor, num_frames: int, fps: float | None = None) -> MotionClip:
        """The pose of one image, held: the driving video of a novel view (the frame repeated)."""
        image = _one_image(image)
        return hold(self.encode_motion(image[None], fps or self.adapter.record.fps), 0, num_frames)

    @torch.no_grad()
    def generate(
        self,
        reference: Tensor,
        motion: MotionClip,
        prompt: str = "",
        settings: GenerationSettings | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Tensor:
        """Reference image [3, H, W] or [1, 3, H, W] in [0, 1] → frames [T, 3, height, width] in [0, 1], on the CPU.

        Raises Cancelled when `cancelled()` says so, ValueError (with what would work) for sizes, counts, motions and
        prompts that do not fit.
        """
        settings = settings or GenerationSettings()
        image = _one_image(reference)
        height, width = self.output_size(image, settings)
        motion = self.fit(motion, settings)
        record = self.adapter.record
        sampling = settings.sampling(record.sampling_steps, record.text_scale, record.motion_scale)
        backbone = self.backbone
        shape = backbone.latent_shape(motion.num_frames, height, width)  # first: what is too large is told here
        conditions_text = self._encode_text(prompt, sampling)
        image = prepare_reference(image, height, width)[None]
        given = backbone.encode_reference(image, motion.num_frames)
        noise = torch.randn(1, *shape, generator=keyed_generator(settings.seed, "noise")).to(backbone.device)
        contexts = self._contexts(motion, noise, settings)
        conditions = Conditions(given, *conditions_text, *contexts)
        attached = self.adapter.attach(backbone)
        try:
            latents = denoise(backbone, attached, noise, conditions, sampling, progress, cancelled)
        finally:
            attached.detach()
        return backbone.decode(latents)[0].float().cpu()

    def novel_view(
        self, image: Tensor, prompt: str, settings: GenerationSettings | None = None, **callbacks: Any
    ) -> Tensor:
        """New views of one image: its own pose, held, under a camera prompt (supplement)."""
        settings = settings or GenerationSettings()
        count = settings.num_frames or self.adapter.record.num_frames
        return self.generate(image, self.still_motion(image, count, settings.fps), prompt, settings, **callbacks)

    def stabilise(
        self,
        frames: Tensor,
        fps: float,
        settings: GenerationSettings | None = None,
        motion: MotionClip | None = None,
        **callbacks: Any,
    ) -> Tensor:
        """A shaky clip again, with a still camera: its first frame as reference, itself as driver (supplement).

        motion: of the same frames, where it was encoded before (with hands, say).
        """
        require_frames(frames)
        motion = motion or self.encode_motion(frames, fps)
        still = write(CameraPrompt(moves=(Move(MoveKind.STATIC),)))
        return self.generate(unit_pixels(frames[0]), motion, still, settings, **callbacks)

    # --- what a run would use, for those who want to tell before they start ---

    def output_size(self, reference: Tensor, settings: GenerationSettings) -> tuple[int, int]:
        """(height, width) of the output."""
        multiple = self.backbone.size_multiple
        if settings.height is not None and settings.width is not None:
            return require_size(settings.height, settings.width, multiple)
        record = self.adapter.record
        return fit_size(reference.shape[-2], reference.shape[-1], multiple, record.height * record.width)

    def fit(self, motion: MotionClip, settings: GenerationSettings) -> MotionClip:
        """The motion at the output's fps and frame count."""
        self.adapter.check_clip(motion)
        fps = settings.fps or self.adapter.record.fps
        return fit_motion(motion, fps, settings.num_frames, self.backbone.frames_per_latent, settings.hold_last)

    def _encode_text(
        self, prompt: str, sampling: SamplingSettings
    ) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
        if self.adapter.record.text_grammar == "camera_language":
            prompt = canonical(prompt)
        text = self.backbone.encode_text([prompt])
        return text, self.backbone.encode_text([""]) if sampling.text_scale != 1 else None

    def _contexts(
        self, motion: MotionClip, latents: Tensor, settings: GenerationSettings
    ) -> tuple[MotionContext | None, MotionContext | None]:
        """The motion and "no motion", lined up with the latents; None for the base model alone."""
        if settings.strength == 0:
            return None, None
        injection, backbone = self.adapter.injection, self.backbone
        tokens = motion.tokens[None].to(backbone.device, backbone.dtype)
        body_tokens = self.adapter.encoder.config.num_body_tokens
        tokens = injection.fade(tokens, settings.body_strength, settings.hand_strength, body_tokens)
        none = injection.null_tokens.to(tokens).expand_as(tokens)
        layout = backbone.layout(latents)
        line_up = [motion_context(t, layout, injection.config, strength=settings.strength) for t in (tokens, none)]
        return line_up[0], line_up[1]


def _one_image(image: Tensor) -> Tensor:
    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3 or 0 in image.shape:
        raise ValueError(f"the reference image must be [3, height, width], got {list(image.shape)}")
    image = unit_pixels(image)
    require_values(image, "the reference image")
    return image
