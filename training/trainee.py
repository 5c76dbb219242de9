"""Everything that trains, as one module: encoder, motion layers, geometric decoder and the generator itself.

One forward is one training step's losses (paper, section 3.4): the driving view is encoded, its tokens steer the
generator towards the target view, and D_g reads the pose from the same tokens.

A loss is a sum over this batch divided by a total over the whole step (all processes, all micro-batches), so the
pieces of a step add up to the same loss however it is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from threedimo_core.backbones import Backbone
from threedimo_core.flow import interpolate, velocity_target
from threedimo_core.geometric_decoder import GeometricDecoder, pose_loss
from threedimo_core.motion_attention import MotionContext, motion_context
from threedimo_core.motion_encoder import MotionEncoder, MotionTokens

from .controls.parts import attach
from .landmarks import LandmarkHead, hearing_patches, in_picture

# Tensors, dicts of tensors under "text" and "reference", and lists of texts under "prompts" and "id".
Batch = dict[str, Any]

# What a backbone's reference holds that is the target's own first latent frame, so that no cache repeats it: a causal
# video VAE sees only frame 0 there (paper, section 3.4: the reference is the first frame of the target).
REFERENCE_LATENT = {"wan": "first_latent", "hunyuan_video15": "image_latent"}


class Trainee(nn.Module):
    """Args: the parts. `backbone.transformer` (and a text encoder that trains along) become sub-modules.

    follow: D_g goes on learning, from tokens it cannot change, when geometric supervision has ended.
    """

    def __init__(
        self,
        backbone: Backbone,
        encoder: nn.Module,
        injection: Any,
        decoder: GeometricDecoder | None,
        person_weight: float = 1.0,
        train_text: bool = False,
        follow: bool = False,
        landmarks: LandmarkHead | None = None,
    ) -> None:
        super().__init__()
        # A `MotionEncoder` and a `MotionInjection`, or their counterparts of another control.
        self.encoder: Any = encoder
        self.injection: Any = injection
        self.decoder = decoder
        self.landmarks = landmarks
        self.transformer = backbone.transformer
        self.text_encoder = backbone.text_encoder if train_text else None
        self.person_weight = person_weight
        self.follow = follow
        # Not sub-modules of their own: the adapter holds the same transformer, and hooks hold no weights.
        self._helpers = (backbone, attach(backbone, injection))

    @property
    def backbone(self) -> Backbone:
        return self._helpers[0]

    @property
    def attached(self) -> Any:
        """`AttachedInjection`, or its counterpart of another control."""
        return self._helpers[1]

    @contextmanager
    def detached(self) -> Iterator[None]:
        """The generator as its own classes know it, without motion layers: to save it."""
        backbone, attached = self._helpers
        attached.detach()
        try:
            yield
        finally:
            self._helpers = (backbone, attach(backbone, self.injection))

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Forward and backward belong in here: gradient checkpointing runs the blocks again, motion included."""
        try:
            yield
        finally:
            self.attached.context = None

    def totals(self, batch: Batch) -> dict[str, float]:
        """What the losses of this batch are shares of; summed over a step they are its `flow_total` and so on."""
        pose = float(batch["pose_mask"].sum()) if self.decoder is not None else 0.0
        landmarks = float(in_picture(batch["landmarks"]).sum()) if "landmarks" in batch else 0.0
        flow = 0.0
        if "clean" in batch:
            flow = batch["clean"].shape[1] * float(self._weight(batch).sum(dtype=torch.float64))
        return {"flow": flow, "pose": pose, "landmarks": landmarks}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of a batch: `flow`, `pose` where there is a decoder, `landmarks` in a warm-up that has them.

        Call it, and backward, inside `hearing()`.

        Keys read: driver [B, T, 3, H, W], hands [B, T, 2, 3, h, w], hand_present, pose [B, T, 51, 3, 3], pose_mask,
        clean and noise [B, C, L, h, w], sigma [B], frame_numbers [B, T], drop_motion [B], person [B, L, h, w] in
        [0, 1], prompts or text (cached embeddings), reference (what the backbone wants beside the first latent),
        flow_total, pose_total, landmarks_total (floats; default: this batch's own), supervised (False: D_g only
        follows), tokens_of [B] (whose tokens steer each clip; default: its own), generate (False: no `flow`; default
        True), landmarks [B, T, 22, 3] (landmarks.py).
        """
        generate = batch.get("generate", True)
        if self.landmarks is not None and not generate:
            with hearing_patches(self.encoder.body) as patches:
                tokens = self.encode(batch)
            landmarks, total = batch["landmarks"].flatten(0, 1), batch.get("landmarks_total")
            losses = {"landmarks": self.landmarks.loss(patches[0], landmarks, total)}
        else:
            tokens, losses = self.encode(batch), {}
        if generate:
            joined = tokens.joined()
            losses["flow"] = self._flow_loss(joined[batch["tokens_of"]] if "tokens_of" in batch else joined, batch)
        if self.decoder is not None:
            losses["pose"] = self._pose_loss(tokens, batch)
        return losses

    def encode(self, batch: Batch) -> MotionTokens:
        if not isinstance(self.encoder, MotionEncoder):
            found: MotionTokens = self.encoder(batch)
            return found
        tokens: MotionTokens = self.encoder(batch["driver"], batch["hands"], batch["hand_present"])
        return tokens

    def context(self, tokens: Tensor, batch: Batch) -> MotionContext:
        """Joined tokens [B, T, K, D], lined up with the batch's latents."""
        layout = self.backbone.layout(batch["clean"])
        return motion_context(tokens, layout, self.injection.config, frame_numbers=batch["frame_numbers"])

    def conditions(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Text and reference of a batch, as the backbone wants them."""
        backbone = self.backbone
        text = batch["text"] if "text" in batch else backbone.encode_text(batch["prompts"])
        first = {REFERENCE_LATENT[backbone.family]: batch["clean"][:, :, :1]}
        return text, first | batch.get("reference", {})

    def _pose_loss(self, tokens: MotionTokens, batch: Batch) -> Tensor:
        if self.follow and not batch.get("supervised", True):
            tokens = MotionTokens(tokens.body.detach(), tokens.hands.detach())
        assert self.decoder is not None
        mask = batch["pose_mask"]
        own = mask.sum().clamp(min=1)
        loss = pose_loss(self.decoder(tokens.body, tokens.hands), batch["pose"], mask)
        return loss * (own / max(1.0, batch.get("pose_total", float(own))))

    def _flow_loss(self, tokens: Tensor, batch: Batch) -> Tensor:
        clean, noise, sigma = batch["clean"], batch["noise"], batch["sigma"]
        tokens = self.injection.drop(tokens, batch["drop_motion"])
        self.attached.context = self.context(tokens, batch)
        text, reference = self.conditions(batch)
        velocity = self.backbone.velocity(interpolate(clean, noise, sigma), sigma, text, reference)
        weight = self._weight(batch)
        error = (velocity - velocity_target(clean, noise)).square() * weight
        return error.sum() / batch.get("flow_total", clean.shape[1] * float(weight.sum()))

    def _weight(self, batch: Batch) -> Tensor:
        """[B, 1, L, h, w]: 0 where the backbone is given the answer, more where the person is."""
        generated = self.backbone.generated(batch["clean"])
        return generated * (1 + (self.person_weight - 1) * batch["person"][:, None])
