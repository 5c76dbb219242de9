"""The adapter file: everything this method adds to a video generator, in one `.safetensors` file.

- Only our weights: motion encoder (`encoder.*`), motion layers and null tokens (`injection.*`) and, where kept, the
  geometric decoder (`decoder.*`); never the base model.
- The description in the header holds every size, so a file says what it fits before a weight is read, and a wrong
  backbone or a motion of another encoder is refused in words that name both sides.
- Files come from strangers: the description is bounded and built without memory first, then compared with the
  tensors of the file, and only then is anything allocated.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .backbones.base import Backbone, BackboneDims
from .config import InjectionConfig, MotionEncoderConfig, from_dict
from .geometric_decoder import GeometricDecoder, GeometricDecoderConfig
from .injection import AttachedInjection, MotionInjection
from .motion_clip import MotionClip
from .motion_encoder import MotionEncoder, encoder_id, weights_id
from .safe_file import (
    TensorFileError,
    TensorHeader,
    TensorSpec,
    read_header,
    read_tensor_file,
    require_kind,
    write_tensor_file,
)

KIND = "adapter"
FORMAT_VERSION = 1
TEXT_GRAMMARS = ("free", "camera_language")

# Far above any real model; they keep a hostile description from building for ever.
_MAX_SIZE = 2**20
_MAX_LAYERS = 1000
_LAYER_FIELDS = ("depth", "num_blocks")
_FLOATS = (torch.float32, torch.float16, torch.bfloat16)


class AdapterError(ValueError):
    """An adapter that does not fit the backbone or the motion it is used with; the message names both sides."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """How an adapter was trained, for people and for defaults.

    stage, steps: last stage of the curriculum and optimiser steps in all. data_licence: of the training data.
    fps, height, width, num_frames: of the training clips; generation defaults to them.
    sampling_steps, text_scale, motion_scale: what generation defaults to.
    text_grammar: "camera_language" where the text encoder knows only the camera language (the bundled mini), "free"
    where it reads anything. notes: free text.
    """

    stage: str
    steps: int
    data_licence: str
    made_by: str
    fps: float
    height: int
    width: int
    num_frames: int
    sampling_steps: int = 30
    text_scale: float = 1.0
    motion_scale: float = 1.0
    text_grammar: str = "free"
    notes: str = ""

    def __post_init__(self) -> None:
        for name in ("steps", "height", "width", "num_frames", "sampling_steps"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < (name != "steps"):
                raise ValueError(f"TrainingRecord.{name} is {value!r}; expected a whole number above 0")
        for name in ("fps", "text_scale", "motion_scale"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1000 or (name == "fps" and value == 0):
                raise ValueError(f"TrainingRecord.{name} is {value!r}; expected a number above 0 and at most 1000")
        if self.text_grammar not in TEXT_GRAMMARS:
            raise ValueError(
                f"TrainingRecord.text_grammar is {self.text_grammar!r}; expected one of {', '.join(TEXT_GRAMMARS)}"
            )
        for name in ("stage", "data_licence", "made_by", "notes"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"TrainingRecord.{name} is {getattr(self, name)!r}; expected a text")


@dataclass
class Adapter:
    """The modules of one adapter file and what they fit.

    family, dims: the backbone they were trained on. encoder_id: names the encoder's weights; motions carry it.
    """

    encoder: MotionEncoder
    injection: MotionInjection
    decoder: GeometricDecoder | None
    family: str
    dims: BackboneDims
    record: TrainingRecord
    encoder_id: str = field(default="")

    def __post_init__(self) -> None:
        self.encoder_id = self.encoder_id or encoder_id(self.encoder)
        _require_consistent(self.encoder.config, self.injection.config, self._decoder_config(), self.dims)

    def _decoder_config(self) -> GeometricDecoderConfig | None:
        return self.decoder.config if self.decoder is not None else None

    def modules(self) -> dict[str, nn.Module]:
        named = {"encoder": self.encoder, "injection": self.injection, "decoder": self.decoder}
        return {name: module for name, module in named.items() if module is not None}

    def check_backbone(self, backbone: Backbone) -> None:
        """Raise AdapterError unless the adapter was trained for this family and these sizes."""
        self.check_dims(backbone.family, backbone.dims)

    def check_dims(self, family: str, dims: BackboneDims) -> None:
        if (family, dims) != (self.family, self.dims):
            raise AdapterError(
                f"this adapter was trained for the backbone {self.family} ({self.dims}), but the backbone given is "
                f"{family} ({dims}): load the backbone it was trained for, or an adapter of this backbone"
            )

    def check_clip(self, clip: MotionClip) -> None:
        """Raise AdapterError unless the motion was encoded by this adapter's own encoder."""
        config = self.encoder.config
        expected = (config.num_body_tokens, config.num_hand_tokens, config.token_dim)
        given = (clip.body.shape[1], clip.hands.shape[1], clip.body.shape[2])
        if clip.encoder_id != self.encoder_id or given != expected:
            raise AdapterError(
                f"this motion was encoded by encoder {clip.encoder_id} ({_tokens(*given)}), this adapter reads "
                f"encoder {self.encoder_id} ({_tokens(*expected)}): encode the driving video again with this adapter, "
                "or load the adapter the motion was made with"
            )

    def attach(self, backbone: Backbone) -> AttachedInjection:
        """Hook the motion layers into the backbone; the caller detaches."""
        self.check_backbone(backbone)
        return AttachedInjection(backbone.blocks, self.injection, backbone.port)


def save_adapter(path: str | os.PathLike[str], adapter: Adapter, dtype: torch.dtype | None = None) -> Path:
    """Write an adapter file that appears whole or not at all; returns its path.

    dtype: float32, float16 or bfloat16 to store weights in (None: as they are). The encoder id is that of the
    stored weights, so motions must be encoded with the file, not with the more precise weights it came from.
    """
    if dtype is not None and dtype not in _FLOATS:
        raise ValueError(f"adapter weights are stored as float32, float16 or bfloat16, not {dtype}")
    tensors = {
        f"{part}.{name}": value.detach().to("cpu", dtype or value.dtype)
        for part, module in adapter.modules().items()
        for name, value in module.state_dict().items()
    }
    stored_encoder = {k.removeprefix("encoder."): v for k, v in tensors.items() if k.startswith("encoder.")}
    decoder = adapter.decoder.config if adapter.decoder is not None else None
    info = {
        "family": adapter.family,
        "backbone": adapter.dims.to_dict(),
        "encoder": adapter.encoder.config.to_dict(),
        "injection": adapter.injection.config.to_dict(),
        "decoder": asdict(decoder) if decoder is not None else None,
        "encoder_id": weights_id(adapter.encoder.config, stored_encoder),
        "training": asdict(adapter.record),
    }
    return write_tensor_file(path, KIND, FORMAT_VERSION, tensors, info)


def load_adapter(
    path: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
    operations: Any = nn,
) -> Adapter:
    """Read an adapter file; TensorFileError names the file and what is wrong with it.

    dtype: type of the weights in memory; None keeps the file's. operations: namespace the layers come from.
    """
    header = read_header(path)
    require_kind(header, KIND, FORMAT_VERSION)
    description = _describe(header)
    try:
        with torch.device("meta"):  # sizes without memory
            modules = description.build(operations)
    except (ValueError, TypeError, RuntimeError) as error:
        raise TensorFileError(f"{path}: its description makes no sense: {error}") from error
    expected = {
        f"{part}.{name}": TensorSpec(tuple(value.shape), _stored_type(header, f"{part}.{name}"))
        for part, module in modules.items()
        for name, value in module.state_dict().items()
    }
    tensors = read_tensor_file(path, KIND, FORMAT_VERSION, expected).tensors
    for part, module in modules.items():
        weights = {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}
        if part == "encoder" and weights_id(description.encoder, weights) != description.encoder_id:
            raise TensorFileError(
                f"{path}: its encoder is not the one its description names ({description.encoder_id}); the file "
                "was changed after it was made: fetch it again"
            )
        module.load_state_dict(weights, assign=True)
        module.requires_grad_(False).eval().to(device=device, dtype=dtype)
    return Adapter(
        encoder=modules["encoder"],
        injection=modules["injection"],
        decoder=modules.get("decoder"),
        family=description.family,
        dims=description.dims,
        record=description.record,
        encoder_id=description.encoder_id,
    )


@dataclass(frozen=True)
class _Description:
    """The checked description of an adapter file."""

    family: str
    dims: BackboneDims
    encoder: MotionEncoderConfig
    injection: InjectionConfig
    decoder: GeometricDecoderConfig | None
    encoder_id: str
    record: TrainingRecord

    def build(self, operations: Any) -> dict[str, Any]:
        modules: dict[str, Any] = {
            "encoder": MotionEncoder(self.encoder, operations),
            "injection": MotionInjection(self.injection, operations),
        }
        if self.decoder is not None:
            modules["decoder"] = GeometricDecoder(self.decoder, operations)
        return modules


def read_description(path: str | os.PathLike[str]) -> _Description:
    """What an adapter file says of itself, without reading its weights (`threedimo info`)."""
    header = read_header(path)
    require_kind(header, KIND, FORMAT_VERSION)
    return _describe(header)


def _describe(header: TensorHeader) -> _Description:
    info = header.info
    try:
        for part in ("backbone", "encoder", "injection", "decoder", "training"):
            _require_sane_sizes(part, info[part])
        description = _Description(
            family=_text(info, "family"),
            dims=from_dict(BackboneDims, info["backbone"]),
            encoder=MotionEncoderConfig.from_dict(info["encoder"]),
            injection=from_dict(InjectionConfig, info["injection"]),
            decoder=from_dict(GeometricDecoderConfig, info["decoder"]) if info["decoder"] is not None else None,
            encoder_id=_text(info, "encoder_id"),
            record=from_dict(TrainingRecord, info["training"]),
        )
        _require_consistent(description.encoder, description.injection, description.decoder, description.dims)
        return description
    except KeyError as error:
        raise TensorFileError(f"{header.path}: its description lacks {error}; the file is damaged") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise TensorFileError(f"{header.path}: its description makes no sense: {error}") from error


def _require_sane_sizes(name: str, value: Any) -> None:
    """Whole numbers bounded; numbers that are sizes must not come as fractions or texts."""
    if isinstance(value, dict):
        for key, child in value.items():
            _require_sane_sizes(key, child)
    elif isinstance(value, list):
        if len(value) > 64:
            raise ValueError(f"{name} has {len(value)} entries")
        for child in value:
            _require_sane_sizes(name, child)
    elif isinstance(value, int) and name != "steps":
        most = _MAX_LAYERS if name in _LAYER_FIELDS else _MAX_SIZE
        if not 0 <= value <= most:
            raise ValueError(f"{name} is {value}; in real models it is 0 to {most}")


def _require_consistent(
    encoder: MotionEncoderConfig,
    injection: InjectionConfig,
    decoder: GeometricDecoderConfig | None,
    dims: BackboneDims,
) -> None:
    pairs = [
        ("token_dim", encoder.token_dim, injection.token_dim),
        ("num_tokens", encoder.num_tokens, injection.num_tokens),
        ("hidden_dim", dims.hidden_dim, injection.hidden_dim),
        ("num_blocks", dims.num_blocks, injection.num_blocks),
        ("frames_per_latent", dims.frames_per_latent, injection.frames_per_latent),
    ]
    if decoder is not None:
        pairs += [
            ("token_dim of the decoder", encoder.token_dim, decoder.token_dim),
            ("body_tokens of the decoder", encoder.num_body_tokens, decoder.body_tokens),
            ("hand_tokens of the decoder", encoder.num_hand_tokens, 2 * decoder.hand_tokens),
        ]
    for name, first, second in pairs:
        if first != second:
            raise ValueError(f"the parts of this adapter do not fit each other: {name} is {first} and {second}")


def _stored_type(header: TensorHeader, name: str) -> torch.dtype:
    spec = header.tensors.get(name)
    return spec.dtype if spec is not None and spec.dtype in _FLOATS else torch.float32


def _text(info: dict[str, Any], name: str) -> str:
    if not isinstance(info[name], str):
        raise ValueError(f"{name} is {info[name]!r}, expected a text")
    return info[name]


def _tokens(body: int, hands: int, width: int) -> str:
    return f"{body} body and {hands} hand tokens of width {width}"
