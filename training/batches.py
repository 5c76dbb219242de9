"""Batches of a stage: pairs of views, augmented drivers, cached target latents, noise keyed by (seed, step, sample)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from threedimo_core.flow import keyed_generator, sample_sigma

from .augment import AugmentConfig, augment_driver, augment_hands, draw_batch
from .backgrounds import noise_picture, replace_background
from .data.dataset import Key, PairDataset
from .precompute import LatentCache
from .recipe import Flow, Stage


class BatchMaker:
    """Makes the batch of any (step, sample) keys of one stage; calling it twice gives the same batch."""

    def __init__(
        self, dataset: PairDataset, latents: LatentCache, stage: Stage, flow: Flow, augment: AugmentConfig, seed: int
    ) -> None:
        self.dataset, self.latents, self.stage = dataset, latents, stage
        self.flow, self.augment, self.seed = flow, augment, seed
        self.by_id = {record["id"]: record for record in dataset.records}

    def __call__(self, keys: list[Key]) -> dict[str, Any]:
        items = [self._item(key) for key in keys]
        batch = default_collate(items)
        params = draw_batch(self.augment, self.seed, [k[0] for k in keys], [k[1] for k in keys])
        batch["driver"] = augment_driver(batch["driver"], params, self.augment)
        batch["hands"] = augment_hands(batch["hands"], params, self.augment)
        return batch

    def _item(self, key: Key) -> dict[str, Any]:
        item = self.dataset[key]
        item["prompts"] = item.pop("caption")
        generator = keyed_generator(self.seed, "batch", *key)
        clip = self.latents.load(self.by_id[item["id"]], item["target_view"])
        numbers = spread(item["driver"].shape[0], self.flow.driver_frames, generator)
        item["driver"] = self._elsewhere(item, generator)
        cached = {"clean": clip.latents, "person": clip.person, "frame_numbers": numbers}
        item = self._at(item, numbers) | cached
        return item | self._noise(clip.latents, generator) | self._drops(item, generator)

    def _elsewhere(self, item: dict[str, Any], generator: torch.Generator) -> Tensor:
        """The driving frames before another background, as often as the recipe says."""
        frames: Tensor = item["driver"]
        chance, kind = torch.rand(2, generator=generator).tolist()
        record = self.by_id[item["id"]]
        if chance >= self.flow.new_background or record.get("labels") is None:
            return frames
        store = self.dataset.store
        mask = torch.from_numpy(store.mask(record, item["driver_view"]))
        if kind < 0.5:
            return replace_background(frames, mask, noise_picture(*frames.shape[-2:], generator))
        records = self.dataset.records
        other = records[int(torch.randint(len(records), (), generator=generator))]
        return replace_background(frames, mask, store.frames(other, 0)[0])

    def _at(self, item: dict[str, Any], numbers: Tensor) -> dict[str, Any]:
        """The item with only these driving frames."""
        timed = ("driver", "hands", "hand_present", "pose", "pose_mask")
        kept = {name: item[name][numbers] for name in timed}
        return {"id": item["id"], "prompts": item["prompts"], "kind": item["kind"], **kept}

    def _noise(self, clean: Tensor, generator: torch.Generator) -> dict[str, Any]:
        noise = torch.randn(clean.shape, generator=generator)
        return {"noise": noise, "sigma": torch.tensor(sample_sigma(generator, self.flow.shift))}

    def _drops(self, item: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
        drop_motion, drop_text = torch.rand(2, generator=generator).tolist()
        prompt = "" if drop_text < self.flow.drop_text else item["prompts"]
        return {"drop_motion": torch.tensor(drop_motion < self.flow.drop_motion), "prompts": prompt}


def spread(frames: int, count: int | None, generator: torch.Generator) -> Tensor:
    """Numbers of `count` frames spread evenly over a clip, from a random start; all of them for None."""
    if count is None or count >= frames:
        return torch.arange(frames)
    stride = (frames - 1) / max(1, count - 1)
    jitter = torch.rand((), generator=generator) * stride - stride / 2
    return (torch.arange(count) * stride + jitter).round().long().clamp(0, frames - 1)
