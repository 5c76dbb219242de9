"""A trainee with any control as a `System` of the benchmark: all variants are scored by the same code.

Nothing is exported and read back: hosts know only the method's own adapter. Call it, and score, within
`trainer.averaged()`, so that the averaged weights are what is scored.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from threedimo_core.camera_language import canonical
from threedimo_core.checkpoint import TrainingRecord
from threedimo_core.fitting import prepare_reference
from threedimo_core.flow import keyed_generator
from threedimo_core.motion_clip import MotionClip
from threedimo_core.sampling import Conditions, SamplingSettings, denoise

from ..data.clip_store import ClipStore
from ..data.manifest import Record
from ..data.motion import mirror_pose
from ..evaluation.heldout import Pictures
from ..evaluation.system import System, Take, VideoMaker
from ..recipe import Recipe
from ..trainee import Batch, Trainee
from .parts import build_encoder
from .pose_picture import draw_skeletons


def system_of(
    name: str, recipe: Recipe, trainee: Trainee, record: TrainingRecord, steps: int, plain: bool, seed: int = 0
) -> System:
    """The trainee as it is now.

    record: of its training clips; steps: of the sampling; seed: of the encoder that has learned nothing.
    """
    hand = recipe.encoder.hand
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        untrained = build_encoder(recipe).eval()
    hears = _Hearing(recipe, trainee.encoder, record)
    return System(
        name=name,
        checkpoint=_weights_hash(trainee),
        pictures=Pictures.of_model(record, hand.image_size if hand else 48, plain),
        encode=hears,
        chance=_Hearing(recipe, untrained, record),
        make=_maker(trainee, hears, steps),
        round_trip=lambda video: _round_trip(trainee, video),
    )


class _Hearing:
    """The motion of a view, by an encoder of any control."""

    def __init__(self, recipe: Recipe, encoder: Any, record: TrainingRecord) -> None:
        self.recipe, self.encoder, self.record = recipe, encoder, record

    @torch.no_grad()
    def __call__(self, store: ClipStore, record: Record, view: int, mirrored: bool) -> MotionClip:
        batch = self.batch(store, record, view, mirrored)
        if self.recipe.control in ("tokens", "channels"):
            tokens = self.encoder(batch["driver"], batch["hands"], batch["hand_present"])
        else:
            tokens = self.encoder(batch)
        return MotionClip(
            body=tokens.body[0].float(),
            hands=tokens.hands[0].float(),
            hand_present=batch["hand_present"][0],
            fps=record["fps"],
            encoder_id=self.recipe.name,
            source_size=(record["height"], record["width"]),
        )

    def batch(self, store: ClipStore, record: Record, view: int, mirrored: bool) -> Batch:
        """One clip as training has it, without augmentation."""
        height, width, frames = record["height"], record["width"], record["num_frames"]
        labels = store.labels(record, "pose", "joints_2d", "hand_present")
        driver, hands, pose = store.frames(record, view), store.hands(record, view), labels["pose"].float()
        present = labels["hand_present"][view].bool()
        if hands is None:
            hands, present = torch.zeros(frames, 2, 3, 16, 16, dtype=torch.uint8), torch.zeros_like(present)
        if mirrored:
            driver, hands, present, pose = driver.flip(-1), hands.flip(-1).flip(1), present.flip(1), mirror_pose(pose)
        size = self.recipe.encoder.body.image_size
        drawn = draw_skeletons(labels["joints_2d"][view], height, width, size, mirrored)
        mask = torch.ones(pose.shape[:2], dtype=torch.bool)
        whole = {"driver": driver.float() / 255, "hands": hands.float() / 255, "hand_present": present}
        return {n: v[None] for n, v in {**whole, "pose": pose, "pose_mask": mask, "pose_picture": drawn}.items()}


def _maker(trainee: Trainee, hears: _Hearing, steps: int) -> VideoMaker:
    backbone, injection = trainee.backbone, trainee.injection

    @torch.no_grad()
    def make(reference: Tensor, driver: Take | None, prompt: str, num_frames: int, seed: int) -> Tensor:
        height, width = reference.shape[-2:]
        noise = torch.randn(
            1, *backbone.latent_shape(num_frames, height, width), generator=keyed_generator(seed, "noise")
        )
        if driver is None:
            config = injection.config
            tokens = injection.null_tokens.expand(1, num_frames, config.num_tokens, config.token_dim)
        else:
            tokens = hears(driver.store, driver.record, driver.view, False).tokens[None, :num_frames]
        numbers = torch.arange(tokens.shape[1])
        context = trainee.context(tokens, {"clean": noise, "frame_numbers": numbers})
        given = backbone.encode_reference(prepare_reference(reference, height, width)[None], num_frames)
        conditions = Conditions(given, backbone.encode_text([canonical(prompt)]), None, context, None)
        latents = denoise(backbone, trainee.attached, noise, conditions, SamplingSettings(steps=steps))
        found: Tensor = backbone.decode(latents)[0].float().cpu()
        return found

    return make


@torch.no_grad()
def _round_trip(trainee: Trainee, video: Tensor) -> Tensor:
    found: Tensor = trainee.backbone.decode(trainee.backbone.encode_video(video[None]))[0]
    return found.float().cpu()


def _weights_hash(trainee: Trainee) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(trainee.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
