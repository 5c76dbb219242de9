"""Filling the caches: every clip through the VAE once, every caption through the text encoder once.

Idempotent and sharded: files that exist are left alone, and shards share nothing but the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from threedimo_core.backbones import Backbone
from threedimo_core.fitting import prepare_reference

from .buckets import Bucket, Shape
from .caches import LatentCache, TextCache, captions, pack_text, write_tensors
from .data.clip_store import ClipStore
from .data.labels import LabelError
from .data.manifest import Record
from .trainee import REFERENCE_LATENT

Encode = Callable[[Tensor], Tensor]
Describe = Callable[[Tensor], dict[str, Tensor]]
Shard = tuple[int, int]


def fill_latents(
    cache: LatentCache,
    bucket: Bucket,
    encode: Encode,
    shard: Shard = (0, 1),
    describe: Describe | None = None,
) -> Iterator[Record]:
    """Encode what is missing in this shard; yields each record when its file is published.

    encode: frames [1, T, 3, H, W] in [0, 1] → normalised latents. describe: first frame [1, 3, H, W] → what else the
    backbone wants to know of the reference.
    """
    store = ClipStore(bucket.root)
    for record in bucket.records:
        path = cache.path(record, bucket.shape)
        if record["index"] % shard[1] == shard[0] and not path.exists():
            write_tensors(path, _encode(record, bucket.shape, store, encode, describe))
            yield record


@torch.no_grad()
def _encode(
    record: Record, shape: Shape, store: ClipStore, encode: Encode, describe: Describe | None
) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for view in range(len(record["views"])):
        frames = fit_frames(store.frames(record, view)[: shape.frames].float() / 255, shape)
        latents = encode(frames[None])[0].cpu()
        tensors[f"latents_{view}"] = latents.half()
        mask = fit_frames(_mask(record, view, store)[: shape.frames], shape)
        tensors[f"person_{view}"] = latent_coverage(mask[:, 0], latents.shape[1:]).half()
        for name, value in (describe(frames[:1]) if describe else {}).items():
            tensors[f"reference.{name}_{view}"] = value[0].cpu().bfloat16()
    return tensors


def _mask(record: Record, view: int, store: ClipStore) -> Tensor:
    """Where the person is, float [T, 3, H, W]; nowhere when nobody has marked it (own footage)."""
    try:
        mask = torch.from_numpy(store.mask(record, view)).float()
    except (LabelError, KeyError):
        mask = torch.zeros(record["num_frames"], record["height"], record["width"])
    return mask[:, None].expand(-1, 3, -1, -1)


def fit_frames(frames: Tensor, shape: Shape) -> Tensor:
    """Clip [T, 3, H, W] at the bucket's size: cut evenly, then scaled, just as a reference image is when generating."""
    if frames.shape[-2:] == (shape.height, shape.width):
        return frames
    return torch.stack([prepare_reference(frame, shape.height, shape.width) for frame in frames])


def latent_coverage(mask: Tensor, shape: torch.Size) -> Tensor:
    """Share of each latent cell [L, h, w] that the person covers; latent i > 0 stands for four frames of [T, H, W]."""
    pooled = F.adaptive_avg_pool2d(mask[:, None], (shape[1], shape[2]))[:, 0]
    rest = pooled[1:].unflatten(0, (shape[0] - 1, -1)).mean(1)
    return torch.cat([pooled[:1], rest])


def describe_reference(backbone: Backbone) -> Describe | None:
    """The part of the reference that the latents do not hold already; None where they hold all of it."""
    if backbone.family == "wan":
        return None
    known = REFERENCE_LATENT[backbone.family]

    def describe(image: Tensor) -> dict[str, Tensor]:
        return {name: value for name, value in backbone.encode_reference(image, 1).items() if name != known}

    return describe


@torch.no_grad()
def fill_text(cache: TextCache, records: Iterable[Record], backbone: Backbone, shard: Shard = (0, 1)) -> Iterator[str]:
    """Encode the captions that are missing in this shard; yields each one when its file is published."""
    for number, text in enumerate(captions(records)):
        path = cache.path(text)
        if number % shard[1] == shard[0] and not path.exists():
            conditioning = {name: value[0].cpu() for name, value in backbone.encode_text([text]).items()}
            write_tensors(path, pack_text(conditioning), {"text": text})
            yield text
