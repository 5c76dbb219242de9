"""What frozen networks say of the data, cached beside it: target latents and text embeddings.

`python -m training precompute` writes them (precompute.py), the training loop only reads. One safetensors file a clip
under `<data set>/latents/<id>/`, one a text under `<data set>/text/<id>/`; the id names the weights they come from.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from threedimo_core.paths import atomic_path

from .buckets import Shape
from .data.manifest import Record

COMMAND = "python -m training precompute"


class CacheError(ValueError):
    """Something that should be cached is missing or damaged; the message names the command that makes it."""


@dataclass(frozen=True)
class CachedClip:
    """`latents` [C, L, h, w] float32, normalised; `person` [L, h, w] float32 in [0, 1]; `reference`: what else the
    backbone wants to know of the first frame (without a batch dimension).
    """

    latents: Tensor
    person: Tensor
    reference: dict[str, Tensor] = field(default_factory=dict)


def vae_id(vae: nn.Module) -> str:
    """Names the VAE's weights, so that latents of another VAE are never mixed in."""
    digest = hashlib.sha256()
    for name, value in sorted(vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """A safetensors file that appears whole or not at all."""
    with atomic_path(path) as draft:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, draft, metadata)


class LatentCache:
    """Reads the latents of one data set and keeps what it read, as stored, up to `cache_bytes`."""

    def __init__(self, root: Path, vae: str, cache_bytes: int = 1 << 33) -> None:
        self.root, self.vae, self.cache_bytes = root, vae, cache_bytes
        self._kept: OrderedDict[tuple[str, int, Shape], dict[str, Tensor]] = OrderedDict()
        self._used = 0

    def path(self, record: Record, shape: Shape | None = None) -> Path:
        """Where the latents of a record are; `shape`: what it is brought to (None: its own)."""
        own = shape is None or shape == Shape.of(record)
        brought = "" if own or shape is None else f"-{shape.frames}x{shape.height}x{shape.width}"
        inside = Path(*Path(record["path"]).parts[1:])
        return self.root / "latents" / f"{self.vae}{brought}" / inside.with_suffix(".safetensors")

    def load(self, record: Record, view: int, shape: Shape | None = None) -> CachedClip:
        """CacheError when the file is missing or damaged."""
        tensors = self._read(record, view, shape or Shape.of(record))
        named = {name.split(".", 1)[1]: t for name, t in tensors.items() if name.startswith("reference.")}
        return CachedClip(tensors["latents"].float(), tensors["person"].float(), named)

    def _read(self, record: Record, view: int, shape: Shape) -> dict[str, Tensor]:
        key = (record["id"], view, shape)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        path = self.path(record, shape)
        tensors = _read_tensors(path, f"_{view}")
        if not {"latents", "person"} <= tensors.keys():
            raise CacheError(f"{path} lacks view {view}; delete it and run `{COMMAND}` again")
        self._kept[key] = tensors
        self._used += _bytes(tensors)
        while self._used > self.cache_bytes:
            self._used -= _bytes(self._kept.popitem(last=False)[1])
        return tensors

    def require(self, records: Iterable[Record], shape: Shape) -> None:
        """CacheError, naming the command, unless every record has its file."""
        missing = [record["id"] for record in records if not self.path(record, shape).exists()]
        if missing:
            raise CacheError(
                f"{len(missing)} clips of {self.root} have no latents of this backbone at {shape}, such as "
                f"{missing[0]}; run `{COMMAND}` with the same recipe and folders first"
            )


class TextCache:
    """Reads the text embeddings of one data set, padded back to the length the backbone wants."""

    def __init__(self, root: Path, text: str) -> None:
        self.root, self.text = root, text

    def path(self, text: str) -> Path:
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self.root / "text" / self.text / name[:2] / f"{name}.safetensors"

    def load(self, text: str) -> dict[str, Tensor]:
        """Text conditioning of one prompt, without a batch dimension."""
        return unpack_text(_read_tensors(self.path(text)))

    def require(self, texts: Iterable[str]) -> None:
        """CacheError, naming the command, unless every text has its file."""
        missing = [text for text in texts if not self.path(text).exists()]
        if missing:
            raise CacheError(
                f"{len(missing)} captions of {self.root} have no text embeddings of this backbone, such as "
                f"{missing[0]!r}; run `{COMMAND}` with the same recipe and folders first"
            )


def captions(records: Iterable[Record]) -> list[str]:
    """Every caption of these records, once, and the empty text that stands for none."""
    return sorted({text for record in records for view in record["views"] for text in view["captions"]} | {""})


# --- text without its padding -----------------------------------------------------------------------------


def pack_text(text: dict[str, Tensor]) -> dict[str, Tensor]:
    """One prompt's conditioning ([tokens, ...] each) without its padding; `unpack_text` puts zeros back.

    `<name>_embeds` is cut where `<name>_mask` ends, or, where there is no mask, where only zeros follow: that is the
    padding which its backbone gives no weight, or which it was trained with.
    """
    packed: dict[str, Tensor] = {}
    for name, value in text.items():
        mask = text.get(name.replace("_embeds", "_mask"))
        used = mask if mask is not None else (value != 0).flatten(1).any(1)
        length = int(used.nonzero().max()) + 1 if bool(used.any()) else 0
        packed[name] = value[:length].to(torch.uint8 if value.dtype == torch.bool else torch.bfloat16)
        packed[f"{name}.length"] = torch.tensor(len(value))
    return packed


def unpack_text(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """What `pack_text` packed: embeddings in bfloat16, masks as bool."""
    text = {}
    for name, value in packed.items():
        if not name.endswith(".length"):
            full = value.new_zeros(int(packed[f"{name}.length"]), *value.shape[1:])
            full[: len(value)] = value
            text[name] = full.bool() if value.dtype == torch.uint8 else full
    return text


# --- files ------------------------------------------------------------------------------------------------


def _read_tensors(path: Path, suffix: str = "") -> dict[str, Tensor]:
    """The tensors of a file whose names end with `suffix`, which is taken off."""
    try:
        with safe_open(path, "pt") as file:
            names = [name for name in file.keys() if name.endswith(suffix)]  # noqa: SIM118 (not a dict)
            return {name.removesuffix(suffix): file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise CacheError(f"{path} is missing; run `{COMMAND}` on this data set first") from None
    except (SafetensorError, OSError) as error:
        raise CacheError(f"{path} is damaged ({error}); delete it and run `{COMMAND}` again") from error


def _bytes(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())
