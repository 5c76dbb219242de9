"""What a DiT block with its motion layer, and the encoder, keep and need at their peak; traced on fake tensors.

One block is traced and multiplied: all blocks of a DiT are alike. Nothing is allocated, so a plan for 8 B parameters
takes a second on a laptop.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from threedimo_core.backbones import Backbone
from threedimo_core.backbones.wan import MAX_TEXT_TOKENS
from threedimo_core.injection import AttachedInjection, MotionInjection
from threedimo_core.mini_tokenizer import MAX_TOKENS as MINI_TEXT_TOKENS
from threedimo_core.motion_attention import MotionContext, motion_context
from threedimo_core.motion_encoder import MotionEncoder

from .buckets import Shape
from .building import checkpoint_tokenizers
from .recipe import Recipe
from .tracing import Traced, faked, trace, weights_and_gradients
from .trainee import Trainee

# Qwen2.5-VL, ByT5 and SigLIP tokens of HunyuanVideo-1.5 with all their padding: the most there can be.
HUNYUAN_TEXT_TOKENS = 1000 + 256 + 729


@dataclass(frozen=True)
class Footprint:
    """Activations of one micro-batch. `inputs`: bytes of what all blocks read; `blocks`: how many there are."""

    video_tokens: int
    blocks: int
    inputs: int
    block: Traced
    encoder: Traced

    @property
    def peak(self) -> int:
        """In the backward pass of the last block everything kept is still there; the encoder's comes at the end."""
        in_dit = self.encoder.kept + self.inputs + (self.blocks - 1) * self.block.kept + self.block.peak
        return max(in_dit, self.encoder.peak)


def measure(recipe: Recipe, trainee: Trainee, clip: Shape, batch: int) -> Footprint:
    """Footprint of `batch` clips of this shape. `trainee` is on the meta device; it is left without motion layers."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    autocast = partial(torch.autocast, "cpu", torch.bfloat16, recipe.precision == "bf16", False)
    trainee.attached.detach()
    backbone, config = trainee.backbone, trainee.injection.config
    channels, *latent = backbone.latent_shape(clip.frames, clip.height, clip.width)
    layout = backbone.layout(torch.empty(1, channels, *latent, device="meta"))
    numbers = torch.arange(0, clip.frames, _stride(recipe, clip.frames))
    tokens = torch.zeros(batch, len(numbers), config.num_tokens, config.token_dim)
    context = motion_context(tokens, layout, config, frame_numbers=numbers)
    block = nn.ModuleList([faked(copy.deepcopy(backbone.blocks[0]), mode)])
    with torch.device("meta"):
        injection = MotionInjection(replace(config, num_blocks=1))
    injection.layers.requires_grad_(any(p.requires_grad for p in trainee.injection.layers.parameters()))
    faked(injection, mode)
    attached = AttachedInjection(block, injection, backbone.port)
    with mode:
        inputs = _block_inputs(recipe, backbone, (channels, *latent), batch)
        leaves = [x for x in _leaves(inputs) if x.requires_grad]
        for leaf in leaves:
            leaf.grad = torch.empty_like(leaf)
        heard = _faked_context(context)
        known = [*_leaves(inputs), *(leaf.grad for leaf in leaves if leaf.grad is not None)]
        known += [value for value in vars(heard).values() if isinstance(value, Tensor)]
        known += weights_and_gradients(block, injection)
        with attached.motion(heard):
            traced = trace(_runner(recipe, block[0], inputs), known, autocast())
    shared = sum(x.nbytes * (1 + x.requires_grad) for x in _leaves(inputs))
    encoder = _trace_encoder(recipe, trainee, len(numbers), batch, mode, autocast)
    return Footprint(layout.latent_frames * layout.tokens_per_frame, len(backbone.blocks), shared, traced, encoder)


def _stride(recipe: Recipe, frames: int) -> int:
    count = recipe.flow.driver_frames
    return 1 if count is None or count >= frames else max(1, (frames - 1) // max(1, count - 1))


def _runner(recipe: Recipe, block: nn.Module, inputs: tuple[Any, ...]) -> Callable[[], Any]:
    if recipe.gradient_checkpointing:
        return lambda: checkpoint(block, *inputs, use_reentrant=False)
    return lambda: block(*inputs)


def _leaves(inputs: Any) -> list[Tensor]:
    if isinstance(inputs, Tensor):
        return [inputs]
    return [leaf for child in inputs for leaf in _leaves(child)]


def _faked_context(context: MotionContext) -> MotionContext:
    tensors: dict[str, Any] = {
        name: torch.empty(value.shape, dtype=value.dtype)
        for name, value in vars(context).items()
        if torch.is_tensor(value)
    }
    tensors["tokens"].requires_grad_(True)
    tensors["tokens"].grad = torch.empty_like(tensors["tokens"])
    return replace(context, **tensors)


def _block_inputs(recipe: Recipe, backbone: Backbone, latent: tuple[int, ...], batch: int) -> tuple[Any, ...]:
    """What a block is called with. Behind a trained DiT its timestep embedding trains too; streams always carry a
    gradient, since the motion layer of the block before does."""
    dim, full = backbone.hidden_dim, "full" in recipe.dit
    dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    transformer = backbone.transformer
    make = partial(torch.empty, dtype=dtype)
    turns = tuple(torch.empty(t.shape, dtype=t.dtype) for t in transformer.rope(torch.empty(1, *latent, device="meta")))
    layout = backbone.layout(torch.empty(1, *latent, device="meta"))
    tokens = layout.latent_frames * layout.tokens_per_frame
    video = make(batch, tokens, dim, requires_grad=True)
    if backbone.family == "wan":
        words = MINI_TEXT_TOKENS if recipe.backbone == "mini" else MAX_TEXT_TOKENS
        timestep = make(batch, tokens, 6, dim, requires_grad=full)
        return video, make(batch, words, dim, requires_grad=full), timestep, turns
    text = make(batch, HUNYUAN_TEXT_TOKENS, dim, requires_grad=True)
    mask = torch.empty(batch, HUNYUAN_TEXT_TOKENS, dtype=torch.bool)
    return video, text, make(batch, dim, requires_grad=full), mask, turns


def _trace_encoder(
    recipe: Recipe, trainee: Trainee, frames: int, batch: int, mode: FakeTensorMode, autocast: Any
) -> Traced:
    config = recipe.encoder
    with torch.device("meta"):
        encoder = MotionEncoder(config)
    encoder.requires_grad_(any(p.requires_grad for p in trainee.encoder.parameters()))
    faked(encoder, mode)
    if recipe.gradient_checkpointing:
        checkpoint_tokenizers(encoder)
    with mode:
        pictures = torch.empty(batch, frames, 3, config.body.image_size, config.body.image_size)
        size = config.hand.image_size if config.hand else 1
        hands, present = torch.empty(batch, frames, 2, 3, size, size), torch.ones(batch, frames, 2, dtype=torch.bool)

        def run() -> Tensor:
            found: Tensor = encoder(pictures, hands, present).joined()
            return found

        known = [pictures, hands, present, *weights_and_gradients(encoder)]
        if not any(p.requires_grad for p in encoder.parameters()):
            return Traced(0, 0)
        return trace(run, known, autocast())
