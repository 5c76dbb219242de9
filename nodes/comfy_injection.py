"""Motion layers in the host's own MODEL, for the duration of each forward and no longer.

The host's Wan block does `x = x + cross_attn(norm3(x))`: norm3 reads the raw residual right after self-attention, so
adding δ to x in place there is exactly the layer of the paper; HunyuanVideo-1.5's double blocks do the same at
img_norm2. A wrapper around the host's `apply_model` puts our forward in place of the norm's on the live modules and
takes it away again, whatever happens: LoRAs, fp8, GGUF, unloading and whole-model compilation never see it.
What depends on the step (strength, start, end, window) is settled in the wrapper, outside code that may be compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from comfy.patcher_extension import WrappersMP
from einops import repeat
from torch import Tensor, nn

from ..threedimo_core.motion_attention import MotionContext, VideoLayout, motion_context
from .holding import LoadedModel
from .host_backbone import HostBackbone
from .motion_cond import COND_KEY, MotionPayload, payloads_of

KEY = "threedimo"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """strength of the motion layers (0 to 10); start, end: the part of the sampling they act in, 0 is pure noise."""

    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def is_open(self, model_sampling: Any, sigma: float) -> bool:
        """Whether the motion acts at this noise level: from `start` up to, not including, `end`."""
        if self.strength == 0 or self.start >= self.end:
            return False
        first = self.start <= 0 or sigma <= float(model_sampling.percent_to_sigma(self.start))
        return first and (self.end >= 1 or sigma > float(model_sampling.percent_to_sigma(self.end)))


def add_injection(model: Any, loaded: LoadedModel, backbone: HostBackbone, gate: Gate) -> Any:
    """A clone of the MODEL that listens to the motion in its CONDITIONING.

    Raises ValueError where the MODEL does so already.
    """
    if model.get_wrappers(WrappersMP.APPLY_MODEL, KEY):
        raise ValueError(
            "this MODEL carries a 3DiMo motion already: connect the MODEL from before the first Apply 3DiMo. To use "
            "two motions one after the other, join or blend them with the motion nodes"
        )
    model = model.clone()
    wrapper = MotionWrapper(loaded, backbone, gate)
    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, KEY, wrapper)
    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, wrapper.before_sampling)
    model.set_additional_models(KEY, [loaded.injection])
    return model


class MotionWrapper:
    """What the host calls around the sampling and around every forward of the MODEL."""

    def __init__(self, loaded: LoadedModel, backbone: HostBackbone, gate: Gate) -> None:
        self.injection = loaded.adapter.injection
        self.backbone = backbone
        self.gate = gate
        self._ports: list[Port] = []

    def before_sampling(self, executor: Any, noise: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Tell what cannot work before a model is loaded."""
        payloads = payloads_of(getattr(executor.class_obj, "conds", {}))
        if not payloads:
            raise ValueError(
                "this MODEL carries a 3DiMo motion, but the conditioning that reached the sampler does not: connect "
                "the positive and negative that come out of the same Apply 3DiMo"
            )
        if noise.ndim == 5:
            for payload in payloads:
                self._require_length(payload, noise.shape[2])
        return executor(noise, *args, **kwargs)

    def __call__(self, executor: Any, x: Tensor, t: Tensor, *args: Any, **kwargs: Any) -> Any:
        """x [B, C, L, h, w], t [B] noise levels; the rest as in the host's `BaseModel.apply_model`."""
        payloads = kwargs.pop(COND_KEY, None) or (MotionPayload(None),)
        model = executor.class_obj
        if not self.gate.is_open(model.model_sampling, float(t.flatten()[0])):
            return executor(x, t, *args, **kwargs)
        options = args[3] if len(args) > 3 else kwargs.get("transformer_options", {})
        context = self._context(payloads, x, options.get("context_window"))
        skipped = self.backbone.tokens_before(model.diffusion_model, kwargs)
        with self._open(model.diffusion_model, context, skipped):
            return executor(x, t, *args, **kwargs)

    # --- what the layers read -----------------------------------------------------------------------------

    def _context(self, payloads: tuple[MotionPayload, ...], x: Tensor, window: Any) -> MotionContext:
        """The motion lined up with the latent frames of this forward, on the device of x."""
        layout, config = self.backbone.layout(x), self.injection.config
        rows, total = _latent_rows(window, layout.latent_frames)
        needed = (total - 1) * config.frames_per_latent + 1
        tokens = torch.stack([self._tokens(payload, total, needed) for payload in payloads])
        tokens = repeat(tokens, "p t k d -> (p b) t k d", b=x.shape[0] // len(payloads))
        whole = motion_context(tokens, replace(layout, latent_frames=total), config, strength=self.gate.strength)
        return _part(whole, layout, rows, x.device)

    def _tokens(self, payload: MotionPayload, total: int, needed: int) -> Tensor:
        if payload.tokens is None:
            return repeat(self.injection.null_tokens.detach().float().cpu(), "k d -> t k d", t=needed)
        self._require_length(payload, total)
        return payload.tokens[:needed]

    def _require_length(self, payload: MotionPayload, latent_frames: int) -> None:
        per_latent = self.injection.config.frames_per_latent
        needed = (latent_frames - 1) * per_latent + 1
        if payload.tokens is not None and len(payload.tokens) < needed:
            given = len(payload.tokens)
            raise ValueError(
                f"the motion has {given} frames at the frame rate of this MODEL, the latent {needed} ({latent_frames} "
                f"latent frames): make the latent {(given - 1) // per_latent * per_latent + 1} frames long or shorter, "
                "or lengthen the motion (loop it, hold its last frame, or encode a longer video)"
            )

    # --- where they act -----------------------------------------------------------------------------------

    @contextmanager
    def _open(self, diffusion_model: nn.Module, context: MotionContext, skipped: int) -> Iterator[None]:
        ports = self._ports_of(diffusion_model)
        try:
            for port in ports:
                port.open(context, skipped)
            yield
        finally:
            for port in ports:
                port.close()

    def _ports_of(self, diffusion_model: nn.Module) -> list[Port]:
        """One port a block; the same ones every time, so that a compiled model meets the same objects again."""
        norms = self.backbone.norms(diffusion_model)
        if [port.norm for port in self._ports] != norms:
            self._ports = [Port(norm, layer) for norm, layer in zip(norms, self.injection.layers, strict=True)]
        return self._ports


class Port:
    """The norm of one block, with the motion layer before it while open."""

    def __init__(self, norm: nn.Module, layer: nn.Module) -> None:
        self.norm, self.layer = norm, layer
        self.context: MotionContext | None = None
        self.skipped = 0
        self.original: Any = None
        self._forward_before: Any = None

    def open(self, context: MotionContext, skipped: int) -> None:
        self.context, self.skipped = context, skipped
        # Another extension may have put its own forward on the instance: it stays in the chain, and comes back.
        self._forward_before = self.norm.__dict__.get("forward")
        self.original = self.norm.forward
        self.norm.forward = self.forward

    def close(self) -> None:
        if self.norm.__dict__.get("forward") == self.forward:
            if self._forward_before is None:
                del self.norm.forward
            else:
                self.norm.forward = self._forward_before
        self.context = self.original = self._forward_before = None

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """[B, N, C]: adds δ to the block's own residual, then runs the norm on it."""
        assert self.context is not None
        layout = self.context.layout
        count = layout.latent_frames * layout.tokens_per_frame
        clip = hidden_states[:, self.skipped : self.skipped + count]
        clip += self.layer(clip, self.context).to(clip.dtype)
        return self.original(hidden_states, *args, **kwargs)


def _latent_rows(window: Any, latent_frames: int) -> tuple[Tensor | None, int]:
    """Numbers of this forward's latent frames in the whole clip (None: all of them), and how many that has."""
    if window is None or window.total_frames == latent_frames:
        return None, latent_frames
    # The host adds an anchor frame to some windows; its own method knows.
    rows = window.get_tensor(torch.arange(window.total_frames)[None], "cpu", dim=1)[0]
    if len(rows) != latent_frames:
        raise ValueError(
            f"the context window names {len(rows)} latent frames, but the MODEL runs {latent_frames}: 3DiMo cannot "
            "line the motion up with windows over another axis than time; set the windows' dim to 2"
        )
    return rows, window.total_frames


def _part(whole: MotionContext, layout: VideoLayout, rows: Tensor | None, device: torch.device) -> MotionContext:
    """The latent frames of a window; their times stay those in the whole clip, so that seams keep the phase."""
    if rows is not None:
        per_latent = ("frame_index", "frame_valid", "latent_time")
        whole = replace(whole, **{name: getattr(whole, name)[:, rows] for name in per_latent})
    tensors = {f.name: getattr(whole, f.name) for f in fields(whole) if isinstance(getattr(whole, f.name), Tensor)}
    return replace(whole, layout=layout, **{name: value.to(device) for name, value in tensors.items()})
