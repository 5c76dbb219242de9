"""Batches of a stage: pairs of views, augmented drivers, cached target latents, noise keyed by (seed, step, sample)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from threedimo_core.flow import keyed_generator, sample_sigma

from .augment import AugmentConfig, augment_driver, augment_hands, draw_batch
from .data.dataset import Key, PairDataset
from .precompute import LatentCache
from .recipe import Flow, Stage

FRAMES_PER_LATENT = 4


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
        frames = item["driver"].shape[0]
        if self.stage.kind == "poses":
            numbers = torch.randint(frames, (1,), generator=generator)
            return self._at(item, numbers)
        clip = self.latents.load(self.by_id[item["id"]], item["target_view"])
        clean, person, numbers = clip.latents, clip.person, torch.arange(frames)
        if self.stage.kind == "jumps":
            # One later latent frame beside the reference: its four driving frames, numbered as frames 1 … 4.
            latent = int(torch.randint(1, clean.shape[1], (), generator=generator))
            clean, person = clean[:, [0, latent]], person[[0, latent]]
            numbers = torch.arange(1, FRAMES_PER_LATENT + 1) + (latent - 1) * FRAMES_PER_LATENT
        item = self._at(item, numbers)
        item["frame_numbers"] = numbers if self.stage.kind == "clips" else torch.arange(1, len(numbers) + 1)
        return item | self._noise(clean, generator) | {"clean": clean, "person": person} | self._drops(item, generator)

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
