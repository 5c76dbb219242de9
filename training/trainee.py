"""Everything that trains, as one module: encoder, motion layers, geometric decoder and the generator itself.

One forward is one training step's losses (paper, section 3.4): the driving view is encoded, its tokens steer the
generator towards the target view, and D_g reads the pose from the same tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from threedimo_core.backbones import Backbone
from threedimo_core.flow import interpolate, velocity_target
from threedimo_core.geometric_decoder import GeometricDecoder, pose_loss
from threedimo_core.injection import AttachedInjection, MotionInjection
from threedimo_core.motion_attention import motion_context
from threedimo_core.motion_encoder import MotionEncoder

# Tensors, and under "prompts" a list of texts.
Batch = dict[str, Any]


class Trainee(nn.Module):
    """Args: the parts. `backbone.transformer` (and a text encoder that trains along) become sub-modules."""

    def __init__(
        self,
        backbone: Backbone,
        encoder: MotionEncoder,
        injection: MotionInjection,
        decoder: GeometricDecoder | None,
        person_weight: float = 1.0,
        train_text: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.injection, self.decoder = encoder, injection, decoder
        self.transformer = backbone.transformer
        self.text_encoder = backbone.text_encoder if train_text else None
        self.person_weight = person_weight
        # Not sub-modules of their own: the adapter holds the same transformer, and hooks hold no weights.
        self._helpers = (backbone, AttachedInjection(backbone.blocks, injection, backbone.port))

    @contextmanager
    def detached(self) -> Iterator[None]:
        """The generator as its own classes know it, without motion layers: to save it."""
        backbone, attached = self._helpers
        attached.detach()
        try:
            yield
        finally:
            self._helpers = (backbone, AttachedInjection(backbone.blocks, self.injection, backbone.port))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of a batch: `flow`, and `pose` where there is a decoder.

        Keys read: driver [B, T, 3, H, W], hands [B, T, 2, 3, h, w], hand_present, pose [B, T, 51, 3, 3], pose_mask,
        clean and noise [B, C, L, h, w], sigma [B], frame_numbers [B, T], drop_motion [B], prompts, person
        [B, L, h, w] in [0, 1].
        """
        tokens = self.encoder(batch["driver"], batch["hands"], batch["hand_present"])
        losses = {"flow": self._flow_loss(tokens.joined(), batch)}
        if self.decoder is not None:
            pose = self.decoder(tokens.body, tokens.hands)
            losses["pose"] = pose_loss(pose, batch["pose"], batch["pose_mask"])
        return losses

    def _flow_loss(self, tokens: Tensor, batch: Batch) -> Tensor:
        backbone, attached = self._helpers
        clean, noise, sigma = batch["clean"], batch["noise"], batch["sigma"]
        tokens = self.injection.drop(tokens, batch["drop_motion"])
        context = motion_context(
            tokens, backbone.layout(clean), self.injection.config, frame_numbers=batch["frame_numbers"]
        )
        reference = {"first_latent": clean[:, :, :1]}
        with attached.motion(context):
            velocity = backbone.velocity(
                interpolate(clean, noise, sigma), sigma, backbone.encode_text(batch["prompts"]), reference
            )
        weight = backbone.generated(clean) * (1 + (self.person_weight - 1) * batch["person"][:, None])
        error = (velocity - velocity_target(clean, noise)).square() * weight
        return error.sum() / (weight.expand_as(clean).sum())
