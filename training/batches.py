"""Batches of a stage: pairs of views, augmented drivers, cached target latents, noise keyed by (seed, step, sample).

A batch is a pure function of its keys: whoever makes it, in whatever order and on however many processes, gets the
same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from threedimo_core.backbones import Backbone
from threedimo_core.flow import keyed_generator, sample_sigma

from .augment import AugmentConfig, augment_driver, augment_hands, augment_points, draw_batch
from .backgrounds import noise_picture, replace_background
from .buckets import Bucket, SortedClips, StageDraw, sort_clips
from .caches import LatentCache, TextCache, captions
from .controls.pose_picture import draw_skeletons
from .data.clip_store import ClipStore
from .data.dataset import Key, PairDataset
from .data.labels import LabelError
from .data.manifest import Record
from .data.pairs import Mixture, PairSampler
from .landmarks import NUM_LANDMARKS, landmarks_of
from .recipe import Recipe
from .trainee import Batch

_TIMED = ("driver", "hands", "hand_present", "pose", "pose_mask")
_TEXTS = ("prompts", "id", "kind")


class BucketPairs(PairDataset):
    """Pairs of views from the records of one bucket; pictures and labels come from a store that buckets share."""

    def __init__(self, bucket: Bucket, store: ClipStore, mixture: Mixture, seed: int, hand_size: int) -> None:
        self.records = list(bucket.records)
        self.store = store
        self.pairs = PairSampler(self.records, mixture, seed)
        self.latents = None
        self.with_target = self.with_mask = False
        self.hand_size = hand_size


class BatchMaker:
    """Makes batches of one bucket in one stage.

    text: cached embeddings stand in the batch, instead of the captions themselves. latents: None makes batches
    without a target, for a stage without a generator.
    """

    def __init__(
        self,
        bucket: Bucket,
        dataset: PairDataset,
        latents: LatentCache | None,
        text: TextCache | None,
        recipe: Recipe,
        augment: AugmentConfig,
        driver_frames: int | None = None,
    ) -> None:
        self.bucket, self.dataset, self.latents, self.text = bucket, dataset, latents, text
        self.recipe, self.augment = recipe, augment
        self.flow, self.seed, self.driver_frames = recipe.flow, recipe.seed, driver_frames
        self.by_id = {record["id"]: record for record in dataset.records}

    def __call__(self, keys: list[Key]) -> Batch:
        items = [self._item(key) for key in keys]
        drivers = [(item.pop("driver"), item.pop("hands")) for item in items]
        batch: Batch = default_collate(items)
        return batch | self._augmented(drivers, keys, batch.get("landmarks"))

    def _augmented(
        self, drivers: list[tuple[Tensor, Tensor]], keys: list[Key], landmarks: Tensor | None = None
    ) -> Batch:
        """Driving frames, hands and landmarks in the encoder's picture; clips of several sizes go there one by one."""
        same = len({(frames.shape, hands.shape) for frames, hands in drivers}) == 1
        groups = [list(range(len(keys)))] if same else [[i] for i in range(len(keys))]
        made: dict[str, list[Tensor]] = {"driver": [], "hands": []}
        for group in groups:
            params = draw_batch(self.augment, self.seed, [keys[i][0] for i in group], [keys[i][1] for i in group])
            frames, hands = (torch.stack([drivers[i][part] for i in group]) for part in (0, 1))
            made["driver"].append(augment_driver(frames, params, self.augment))
            made["hands"].append(augment_hands(hands, params, self.augment))
            if landmarks is not None:
                places, depth = landmarks[group].split((2, 1), dim=-1)
                height, width = frames.shape[-2:]
                moved = augment_points(places, params, self.augment, (height, width))
                made.setdefault("landmarks", []).append(torch.cat([moved, depth], dim=-1))
        return {name: torch.cat(parts) for name, parts in made.items()}

    def _item(self, key: Key) -> dict[str, Any]:
        item = self.dataset[key]
        item["prompts"] = item.pop("caption")
        generator = keyed_generator(self.seed, "batch", *key)
        shape = self.bucket.shape
        item |= {name: item[name][: shape.frames] for name in _TIMED}
        numbers = spread(shape.frames, self.driver_frames, generator)
        item["driver"] = self._elsewhere(item, generator)
        given: dict[str, Any] = {"frame_numbers": numbers}
        if self.recipe.control == "pose_2d":
            given["pose_picture"] = self._pose_picture(item)[numbers]
        if self.recipe.geometric.landmarks and self.latents is None:  # of a warm-up
            given["landmarks"] = self._joints(item)[numbers]
        kept = {name: item[name][numbers] for name in _TIMED} | {name: item[name] for name in _TEXTS}
        return self._worded(kept | given | self._target(item, generator) | self._drops(item, generator))

    def _target(self, item: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
        if self.latents is None:
            return {}
        clip = self.latents.load(self.by_id[item["id"]], item["target_view"], self.bucket.shape)
        reference = {"reference": clip.reference} if clip.reference else {}
        return {"clean": clip.latents, "person": clip.person} | reference | self._noise(clip.latents, generator)

    def _elsewhere(self, item: dict[str, Any], generator: torch.Generator) -> Tensor:
        """The driving frames before another background, as often as the recipe says."""
        frames: Tensor = item["driver"]
        chance, kind = torch.rand(2, generator=generator).tolist()
        if chance >= self.flow.new_background:
            return frames
        mask = self._mask(self.by_id[item["id"]], item["driver_view"])
        if mask is None:
            return frames
        if kind < 0.5:
            height, width = frames.shape[-2:]
            return replace_background(frames, mask[: len(frames)], noise_picture(height, width, generator))
        records = self.dataset.records
        other = self.dataset.store.frames(records[int(torch.randint(len(records), (), generator=generator))], 0)[0]
        if other.shape[-2:] != frames.shape[-2:]:
            return frames
        return replace_background(frames, mask[: len(frames)], other)

    def _pose_picture(self, item: dict[str, Any]) -> Tensor:
        record = self.by_id[item["id"]]
        joints = self.dataset.store.labels(record, "joints_2d")["joints_2d"][item["driver_view"]]
        return draw_skeletons(joints, record["height"], record["width"], self.recipe.encoder.body.image_size)

    def _joints(self, item: dict[str, Any]) -> Tensor:
        record, view = self.by_id[item["id"]], item["driver_view"]
        labels = self.dataset.store.labels(record, "joints", "joints_2d", "world_to_camera")
        if not labels:  # own footage
            return torch.full((record["num_frames"], NUM_LANDMARKS, 3), float("nan"))
        body = labels["joints"][record["views"][view]["identity"]]
        cameras, places = labels["world_to_camera"][view], labels["joints_2d"][view]
        return landmarks_of(body, places, cameras, record["height"], record["width"])

    def _mask(self, record: Record, view: int) -> Tensor | None:
        """Where the person is, bool [T, H, W]; None where nobody has marked it (own footage)."""
        if record.get("labels") is None:
            return None
        try:
            return torch.from_numpy(self.dataset.store.mask(record, view))
        except LabelError:
            return None

    def _noise(self, clean: Tensor, generator: torch.Generator) -> dict[str, Any]:
        noise = torch.randn(clean.shape, generator=generator)
        return {"noise": noise, "sigma": torch.tensor(sample_sigma(generator, self.flow.shift))}

    def _drops(self, item: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
        drop_motion, drop_text = torch.rand(2, generator=generator).tolist()
        prompt = "" if drop_text < self.flow.drop_text else item["prompts"]
        return {"drop_motion": torch.tensor(drop_motion < self.flow.drop_motion), "prompts": prompt}

    def _worded(self, item: dict[str, Any]) -> dict[str, Any]:
        return item if self.text is None else item | {"text": self.text.load(item["prompts"])}


def spread(frames: int, count: int | None, generator: torch.Generator) -> Tensor:
    """Numbers of `count` frames spread evenly over a clip, from a random start; all of them for None."""
    if count is None or count >= frames:
        return torch.arange(frames)
    if count == 1:
        return torch.randint(frames, (1,), generator=generator)
    stride = (frames - 1) / max(1, count - 1)
    jitter = torch.rand((), generator=generator) * stride - stride / 2
    return (torch.arange(count) * stride + jitter).round().long().clamp(0, frames - 1)


class RunBatches:
    """The batches of a whole run: (step, samples) → batch, from whichever bucket the step draws.

    Args:
        roots: folders of data sets with their caches.
        latents: id of the latents; text: id of the text embeddings, None where captions are encoded in training.
        cache_bytes: memory for decoded video, and the same for latents.
        split: of the records to use.

    Raises:
        ManifestError, CacheError, ValueError: before the first step, for whatever is missing.
    """

    def __init__(
        self,
        recipe: Recipe,
        roots: Sequence[Path],
        backbone: Backbone,
        latents: str,
        text: str | None = None,
        cache_bytes: int = 0,
        split: str | None = "train",
    ) -> None:
        self.recipe = recipe
        self.clips: SortedClips = sort_clips(roots, recipe.data, backbone, split)
        self.draws = {s.name: StageDraw(self.clips.buckets, s.mixture, recipe.seed, s.name) for s in recipe.stages}
        share = cache_bytes // len(roots)
        self.stores = {root: ClipStore(root, share) for root in roots}
        self.latents = {root: LatentCache(root, latents, max(share, 1 << 28)) for root in roots}
        self.text = {root: TextCache(root, text) if text else None for root in roots}
        body, hand = recipe.encoder.body, recipe.encoder.hand
        self.hand_size = hand.image_size if hand else 48
        sizes = {"size": (body.image_size,) * 2, "hand_size": (self.hand_size,) * 2}
        self.augment = AugmentConfig(**sizes | {k: _tupled(v) for k, v in recipe.augment.items()})
        # Buckets of a stage that is over are not needed again.
        self._maker = lru_cache(maxsize=max(8, len(self.clips.buckets)))(self._make)
        self._require_caches()

    def _require_caches(self) -> None:
        if not any(stage.generate for stage in self.recipe.stages):
            return
        for bucket in self.clips.buckets:
            self.latents[bucket.root].require(bucket.records, bucket.shape)
            text = self.text[bucket.root]
            if text is not None:
                text.require(captions(bucket.records))

    def __call__(self, step: int, samples: Sequence[int]) -> Batch:
        """The batch of these samples of a global step."""
        stage, within = self.recipe.stage_at(step)
        number = self.draws[stage.name].bucket_at(step, first=within == 0)
        return self._maker(stage.name, number)([(step, sample) for sample in samples])

    def _make(self, stage: str, number: int) -> BatchMaker:
        bucket, recipe = self.clips.buckets[number], self.recipe
        mixture = self.draws[stage].mixtures[number]
        settings = next(s for s in recipe.stages if s.name == stage)
        dataset = BucketPairs(bucket, self.stores[bucket.root], mixture, recipe.seed, self.hand_size)
        return BatchMaker(
            bucket,
            dataset,
            self.latents[bucket.root] if settings.generate else None,
            self.text[bucket.root],
            recipe,
            self.augment,
            settings.driver_frames or recipe.flow.driver_frames,
        )


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
