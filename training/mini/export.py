"""Write the mini model as it ships: an ordinary diffusers folder and, beside it, the adapter file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from threedimo_core.backbones import Backbone
from threedimo_core.backbones.loading import save_backbone
from threedimo_core.checkpoint import Adapter, TrainingRecord, save_adapter
from threedimo_core.motion_encoder import encoder_id

from ..trainee import Trainee


def export_mini(trainee: Trainee, backbone: Backbone, record: TrainingRecord, folder: Path) -> None:
    """`folder` appears whole or not at all; weights are stored as float16 (their range is small)."""
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    with trainee.detached():
        save_backbone(backbone, beside, torch.float16)
    adapter = Adapter(
        encoder=trainee.encoder,
        injection=trainee.injection,
        decoder=trainee.decoder,
        family=backbone.family,
        dims=backbone.dims,
        record=record,
        encoder_id=encoder_id(trainee.encoder),
    )
    save_adapter(beside / "adapter.safetensors", adapter, torch.float16)
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(beside, folder)
