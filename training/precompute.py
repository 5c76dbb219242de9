"""Target latents, cached once: the VAE never runs inside the training loop.

One safetensors file a performance under `<data set>/latents/<vae id>/`, with the latents of every view and how much
of each latent cell the person covers. Idempotent and sharded: files that exist are left alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .data.clip_store import ClipStore
from .data.manifest import Record

Encode = Callable[[Tensor], Tensor]


class LatentCacheError(ValueError):
    """Latents that are missing; the message names the command that makes them."""


@dataclass(frozen=True)
class CachedClip:
    """`latents` [C, L, h, w] float32, normalised; `person` [L, h, w] float32 in [0, 1]."""

    latents: Tensor
    person: Tensor


def vae_id(vae: nn.Module) -> str:
    """Names the VAE's weights, so that latents of another VAE are never mixed in."""
    digest = hashlib.sha256()
    for name, value in sorted(vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


class LatentCache:
    """Reads the cache and keeps what it read, as float16, in memory."""

    def __init__(self, root: Path, vae: str) -> None:
        self.folder = root / "latents" / vae
        self._kept: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def path(self, record: Record) -> Path:
        return self.folder / f"{record['index'] // 1000:04d}" / f"{record['index']:07d}.safetensors"

    def load(self, record: Record, view: int) -> CachedClip:
        key = (record["id"], view)
        if key not in self._kept:
            path = self.path(record)
            if not path.exists():
                raise LatentCacheError(f"{path} is missing; run `python -m training precompute` on this data set first")
            with safe_open(path, "pt") as file:
                self._kept[key] = (file.get_tensor(f"latents_{view}"), file.get_tensor(f"person_{view}"))
        latents, person = self._kept[key]
        return CachedClip(latents.float(), person.float())

    def fill(self, records: list[Record], store: ClipStore, encode: Encode, shard: tuple[int, int]) -> Iterator[Record]:
        """Encode what is missing in this shard; yields each record when its file is published.

        `encode`: frames [B, T, 3, H, W] in [0, 1] → normalised latents.
        """
        for record in records:
            path = self.path(record)
            if record["index"] % shard[1] == shard[0] and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                beside = path.with_suffix(f".{os.getpid()}.tmp")
                save_file(self._encode(record, store, encode), beside)
                os.replace(beside, path)
                yield record

    @torch.no_grad()
    def _encode(self, record: Record, store: ClipStore, encode: Encode) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        for view in range(len(record["views"])):
            latents = encode(store.frames(record, view)[None].float() / 255)[0]
            mask = torch.from_numpy(store.mask(record, view)).float()
            tensors[f"latents_{view}"] = latents.half().contiguous()
            tensors[f"person_{view}"] = latent_coverage(mask, latents.shape[1:]).half()
        return tensors


def latent_coverage(mask: Tensor, shape: torch.Size) -> Tensor:
    """Share of each latent cell [L, h, w] that the person covers; latent i > 0 stands for four frames of [T, H, W]."""
    pooled = F.adaptive_avg_pool2d(mask[:, None], (shape[1], shape[2]))[:, 0]
    rest = pooled[1:].unflatten(0, (shape[0] - 1, -1)).mean(1)
    return torch.cat([pooled[:1], rest])
