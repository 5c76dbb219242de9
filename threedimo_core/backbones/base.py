"""What a pretrained video generator must tell the method: its ports, its latent grid, its own text and image paths."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..config import InjectionConfig
from ..injection import Port
from ..motion_attention import VideoLayout


class BackboneError(ValueError):
    """A backbone folder lacks something or does not fit; the message names what and how to mend it."""


@dataclass(frozen=True, kw_only=True)
class BackboneDims:
    """The sizes an adapter depends on: motion layers trained for one set of them fit no other."""

    hidden_dim: int
    num_blocks: int
    latent_channels: int
    patch_size: tuple[int, int, int]
    frames_per_latent: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "patch_size", tuple(self.patch_size))

    def __str__(self) -> str:
        patch = "×".join(map(str, self.patch_size))
        return (
            f"width {self.hidden_dim}, {self.num_blocks} blocks, {self.latent_channels} latent channels, "
            f"patch {patch}, {self.frames_per_latent} frames a latent"
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Backbone(ABC):
    """A video DiT with its VAE and text path, seen through one interface.

    Latents are [B, C, L, h, w], normalised the way the transformer was trained. `text` and `reference` are dicts of
    tensors that only the adapter itself understands; all their tensors have the batch first.

    `module_names` are the attributes that hold networks. They stay where their owner puts them, unless `place` was
    called; a method that is about to use one asks `ready` for it.
    """

    family: ClassVar[str]
    port: ClassVar[Port]
    module_names: ClassVar[tuple[str, ...]]
    # Networks are `Any`: what diffusers calls its settings and layers is known to each adapter alone.
    transformer: Any
    vae: Any
    text_encoder: Any
    scheduler: Any
    _offload_to: torch.device | None = None

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The DiT blocks that carry motion layers."""

    @property
    @abstractmethod
    def hidden_dim(self) -> int:
        """Width of the DiT's residual stream."""

    @property
    @abstractmethod
    def size_multiple(self) -> int:
        """Picture height and width must be multiples of this."""

    @property
    def frames_per_latent(self) -> int:
        """Temporal stride of the VAE: clips have a multiple of this, plus one, frames."""
        return 4

    @property
    @abstractmethod
    def dims(self) -> BackboneDims:
        """What an adapter must have been trained for."""

    @property
    def device(self) -> torch.device:
        """Where the networks run (with offload: where each is brought to when its turn comes)."""
        return self._offload_to or next(self.transformer.parameters()).device

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """Type the transformer computes in; some of its weights may be kept in float32."""

    def place(self, device: torch.device | str, offload: bool = False) -> None:
        """Put all networks on `device`; with `offload` they wait in main memory and come one at a time."""
        self._offload_to = torch.device(device) if offload else None
        for name in self.module_names:
            getattr(self, name).to("cpu" if offload else device)

    def ready(self, name: str) -> Any:
        """The network `name`, on its device; with offload the others leave first, so that only one is there."""
        module = getattr(self, name)
        if self._offload_to is not None:
            for other in self.module_names:
                if other != name:
                    getattr(self, other).to("cpu")
            module.to(self._offload_to)
        return module

    def injection_config(self, token_dim: int, num_tokens: int, **settings: Any) -> InjectionConfig:
        """Sizes of the motion layers that fit this backbone."""
        return InjectionConfig(
            hidden_dim=self.hidden_dim,
            num_blocks=len(self.blocks),
            token_dim=token_dim,
            num_tokens=num_tokens,
            frames_per_latent=self.frames_per_latent,
            **settings,
        )

    @abstractmethod
    def layout(self, latents: Tensor) -> VideoLayout:
        """How the transformer lays out the tokens of these latents."""

    @abstractmethod
    def encode_text(self, prompts: list[str]) -> dict[str, Tensor]:
        """Prompts → text conditioning."""

    @abstractmethod
    def encode_video(self, frames: Tensor) -> Tensor:
        """Frames [B, T, 3, H, W] in [0, 1] → normalised latents."""

    @abstractmethod
    def encode_reference(self, images: Tensor, num_frames: int) -> dict[str, Tensor]:
        """Reference images [B, 3, H, W] in [0, 1] → the conditioning the backbone's own image path wants."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Normalised latents → frames [B, T, 3, H, W] in [0, 1]."""

    @abstractmethod
    def velocity(self, latents: Tensor, sigma: Tensor, text: dict[str, Tensor], reference: dict[str, Tensor]) -> Tensor:
        """Predicted velocity of noisy latents at noise levels σ [B]."""

    @abstractmethod
    def pin_reference(self, latents: Tensor, reference: dict[str, Tensor]) -> Tensor:
        """Put back what the reference fixes in the latents (a clean first latent frame), where it fixes anything."""

    @abstractmethod
    def generated(self, latents: Tensor) -> Tensor:
        """1 where the model generates, 0 where the reference is given; broadcasts over the latents."""

    @abstractmethod
    def latent_shape(self, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """(C, L, h, w) of a clip."""
