"""Settings of the motion modules. Every class refuses nonsense when it is built and names the field to change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

NUM_BODY_JOINTS = 21
NUM_HAND_JOINTS = 15
NUM_POSE_JOINTS = NUM_BODY_JOINTS + 2 * NUM_HAND_JOINTS


_NUMBERS: dict[str, tuple[str, tuple[type, ...]]] = {
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """One 1D tokenizer (TiTok style): a square picture of `image_size` px becomes `num_tokens` latent tokens.

    `stem`: "linear" is the paper's patchify; "conv" is a chain of stride-2 3×3 convolutions, one per entry of
    `stem_channels`, which learns far sooner at small widths. `patch_size` is the total stride of either.
    """

    image_size: int
    num_tokens: int
    width: int
    depth: int
    heads: int
    patch_size: int = 16
    stem: Literal["linear", "conv"] = "conv"
    stem_channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "stem_channels", tuple(self.stem_channels))
        for name in ("image_size", "num_tokens", "width", "depth", "heads", "patch_size"):
            _require(getattr(self, name) > 0, f"{name} must be positive, got {getattr(self, name)}")
        _require(self.width % self.heads == 0, f"width {self.width} is not a multiple of heads {self.heads}")
        _require(
            self.image_size % self.patch_size == 0,
            f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}",
        )
        _require(self.stem in ("linear", "conv"), f"stem must be 'linear' or 'conv', got {self.stem!r}")
        if self.stem == "conv":
            _require(
                2 ** len(self.stem_channels) == self.patch_size,
                f"a conv stem halves the picture once per entry of stem_channels {self.stem_channels}: "
                f"{len(self.stem_channels)} entries give a stride of {2 ** len(self.stem_channels)}, "
                f"but patch_size is {self.patch_size}",
            )
            _require(
                all(channels > 0 and channels % 8 == 0 for channels in self.stem_channels),
                f"stem_channels are {self.stem_channels}; their norms have 8 groups, so use multiples of 8",
            )

    @property
    def num_patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True, kw_only=True)
class MotionEncoderConfig:
    """Body and hand tokenizers and the width of the tokens they give. `hand=None` is the ablation without hands."""

    body: TokenizerConfig
    hand: TokenizerConfig | None
    token_dim: int

    def __post_init__(self) -> None:
        _require(self.token_dim > 0, f"token_dim must be positive, got {self.token_dim}")

    @property
    def num_body_tokens(self) -> int:
        return self.body.num_tokens

    @property
    def num_hand_tokens(self) -> int:
        """Tokens of both hands together: left first, then right."""
        return 2 * self.hand.num_tokens if self.hand else 0

    @property
    def num_tokens(self) -> int:
        return self.num_body_tokens + self.num_hand_tokens

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MotionEncoderConfig:
        hand = data.get("hand")
        parts = {
            "body": from_dict(TokenizerConfig, data["body"]),
            "hand": from_dict(TokenizerConfig, hand) if hand else None,
        }
        return from_dict(cls, {**data, **parts})

    @classmethod
    def preset(cls, name: str) -> MotionEncoderConfig:
        """`mini` trains on a CPU, `base` on one GPU, `large` keeps the paper's linear patchify at full width."""
        if name not in _PRESETS:
            raise ValueError(f"unknown encoder preset {name!r}; choose one of {', '.join(_PRESETS)}")
        return _PRESETS[name]


_PRESETS: dict[str, MotionEncoderConfig] = {
    "mini": MotionEncoderConfig(
        body=TokenizerConfig(image_size=96, num_tokens=5, width=128, depth=3, heads=2, stem_channels=(16, 32, 64, 128)),
        hand=TokenizerConfig(image_size=48, num_tokens=2, width=96, depth=2, heads=2, stem_channels=(16, 32, 64, 96)),
        token_dim=128,
    ),
    "base": MotionEncoderConfig(
        body=TokenizerConfig(
            image_size=224, num_tokens=5, width=512, depth=8, heads=8, stem_channels=(64, 128, 256, 512)
        ),
        hand=TokenizerConfig(
            image_size=112, num_tokens=2, width=384, depth=6, heads=6, stem_channels=(64, 128, 256, 384)
        ),
        token_dim=512,
    ),
    "large": MotionEncoderConfig(
        body=TokenizerConfig(image_size=256, num_tokens=5, width=1024, depth=16, heads=16, stem="linear"),
        hand=TokenizerConfig(image_size=128, num_tokens=2, width=768, depth=8, heads=12, stem="linear"),
        token_dim=1024,
    ),
}


@dataclass(frozen=True, kw_only=True)
class InjectionConfig:
    """The cross-attention that carries motion into a video DiT (paper, section 3.2).

    `window`: a latent frame attends to the driving frames of itself and of this many latent frames on either side;
    None lets it attend to the whole clip. `frames_per_latent`: temporal stride of the backbone's causal video VAE.
    """

    hidden_dim: int
    num_blocks: int
    token_dim: int
    num_tokens: int
    inner_dim: int = 1024
    head_dim: int = 128
    window: int | None = 1
    frames_per_latent: int = 4
    rope_theta: float = 256.0

    def __post_init__(self) -> None:
        for name in ("hidden_dim", "num_blocks", "token_dim", "num_tokens", "inner_dim", "head_dim"):
            _require(getattr(self, name) > 0, f"{name} must be positive, got {getattr(self, name)}")
        _require(
            self.inner_dim % self.head_dim == 0,
            f"inner_dim {self.inner_dim} is not a multiple of head_dim {self.head_dim}",
        )
        _require(self.head_dim % 2 == 0, f"head_dim must be even for rotary embedding, got {self.head_dim}")
        _require(self.window is None or self.window >= 0, f"window must be None or >= 0, got {self.window}")
        _require(self.frames_per_latent > 0, f"frames_per_latent must be positive, got {self.frames_per_latent}")
        _require(self.rope_theta > 1, f"rope_theta must be above 1, got {self.rope_theta}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_dict(cls: type, data: dict[str, Any]) -> Any:
    """Build a flat config from a dict, refusing by name unknown keys (a newer file, or a typing error) and values that
    are no numbers where the config has numbers."""
    known = {f.name: str(f.type) for f in fields(cls)}
    unknown = sorted(set(data) - set(known))
    _require(not unknown, f"{cls.__name__} does not know {', '.join(unknown)}; it knows {', '.join(sorted(known))}")
    for name, value in data.items():
        what, kinds = _NUMBERS.get(known[name], ("", ()))
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        _require(fits or not kinds, f"{cls.__name__}.{name} is {str(value)[:40]!r}; expected {what}")
    return cls(**data)
