"""3DiMo Latent: size, length and reference picture the way the MODEL's backbone takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.model_base
import comfy.model_management
import node_helpers
import torch
from comfy_api.latest import io
from einops import rearrange
from torch import Tensor

from ..threedimo_core.checkpoint import Adapter
from ..threedimo_core.encoding import require_values
from ..threedimo_core.fitting import fit_motion, prepare_reference
from ..threedimo_core.frame_grid import FrameGridError, fit_size, latent_frame_count, require_frame_count, require_size
from ..threedimo_core.motion_clip import MotionClip
from .holding import LoadedModel
from .host_backbone import HostBackbone, require_fit
from .types import CATEGORY, Model3DiMo, Motion


@dataclass(frozen=True)
class ClipPlan:
    """What is to be made: frames of height × width px at fps."""

    num_frames: int
    height: int
    width: int
    fps: float


def plan_clip(
    adapter: Adapter,
    multiple: int,
    reference: Tensor | None,
    motion: MotionClip | None,
    size: tuple[int, int],
    length: int,
    fps: float,
) -> ClipPlan:
    """The clip's grid; 0 in size (height, width), length and fps means: find it out.

    Raises ValueError for what does not fit, with what would.
    """
    record, per_latent = adapter.record, adapter.dims.frames_per_latent
    fps = fps or record.fps
    height, width = _size(record.height * record.width, multiple, reference, (record.height, record.width), size)
    if motion is not None:
        adapter.check_clip(motion)
        length = fit_motion(motion, fps, length or None, per_latent).num_frames
    return ClipPlan(require_frame_count(length or record.num_frames, per_latent), height, width, fps)


def _size(
    area: int, multiple: int, reference: Tensor | None, trained: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int]:
    if all(size):
        return require_size(*size, multiple)
    if any(size):
        raise FrameGridError(
            f"width is {size[1]} and height {size[0]}: give both, or leave both 0 to take the reference's shape"
        )
    height, width = trained if reference is None else reference.shape[1:3]
    return fit_size(height, width, multiple, area)


def reference_pixels(image: Tensor, plan: ClipPlan) -> Tensor:
    """IMAGE [N, H, W, C] → its first picture [1, height, width, 3], aspect kept, cut to the middle."""
    if image.ndim != 4 or image.shape[-1] < 3 or 0 in image.shape:
        raise ValueError(f"the reference must be an IMAGE [pictures, height, width, 3], got {list(image.shape)}")
    picture = rearrange(image[0, ..., :3], "h w c -> c h w").float()
    require_values(picture, "the reference")
    return rearrange(prepare_reference(picture, plan.height, plan.width), "c h w -> 1 h w c")


# --- the ways of the backbones ----------------------------------------------------------------------------


def empty_latent(backbone: HostBackbone, vae: Any, plan: ClipPlan, batch: int) -> Tensor:
    """Zeros [batch, C, L, h, w]."""
    stride = int(vae.spacial_compression_encode())
    frames = latent_frame_count(plan.num_frames, backbone.dims.frames_per_latent)
    shape = (batch, backbone.dims.latent_channels, frames, plan.height // stride, plan.width // stride)
    return torch.zeros(shape, device=comfy.model_management.intermediate_device())


def takes_clean_frame(model: Any) -> bool:
    """Wan 2.2 TI2V and the mini: the reference is the first latent frame itself, clean, at timestep 0."""
    return isinstance(model.model, comfy.model_base.WAN22)


def takes_channels(model: Any) -> bool:
    """Wan I2V and HunyuanVideo-1.5: the reference comes beside the latents, in channels of its own."""
    return isinstance(model.model, comfy.model_base.HunyuanVideo15) or getattr(model.model, "image_to_video", False)


def clean_first_frame(model: Any, vae: Any, latent: Tensor, pixels: Tensor) -> dict[str, Tensor]:
    """LATENT with the reference in frame 0, masked from noise."""
    encoded = vae.encode(pixels)
    # The sampler normalises the whole latent: what is zero after that must not be zero before.
    samples = model.model.process_latent_out(latent)
    samples[:, :, :1] = encoded
    mask = torch.ones_like(latent[:, :1])
    mask[:, :, :1] = 0
    return {"samples": samples, "noise_mask": mask}


def channels_beside(
    backbone: HostBackbone, vae: Any, latent: Tensor, pixels: Tensor, num_frames: int
) -> dict[str, Tensor]:
    """Values for the CONDITIONING: latents of the reference in frame 0, and a mask that is 0 there.

    Wan I2V was trained on the whole clip encoded, grey after the reference; HunyuanVideo-1.5 on zeros after it.
    """
    if backbone.family == "wan":
        grey = torch.full((num_frames, *pixels.shape[1:]), 0.5, device=pixels.device)
        grey[:1] = pixels
        image = vae.encode(grey)
    else:
        image = torch.zeros_like(latent[:1])
        image[:, :, :1] = vae.encode(pixels)
    mask = torch.ones_like(latent[:1, :1])
    mask[:, :, :1] = 0
    return {"concat_latent_image": image, "concat_mask": mask}


class Latent3DiMo(io.ComfyNode):
    """MODEL, VAE, reference, motion → conditioning and an empty latent that hold the reference."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoLatent",
            display_name="3DiMo Latent",
            category=CATEGORY,
            description="The latent to sample, of the right size and length for the MODEL, with the reference picture "
            "put in the way this MODEL takes it. The person and the place come from the reference.",
            inputs=[
                io.Model.Input("model", tooltip="Wan 2.1 or 2.2, HunyuanVideo-1.5 or the 3DiMo mini."),
                Model3DiMo.Input("model_3dimo", tooltip="From Load 3DiMo; knows size and frame rate of its training."),
                io.Vae.Input("vae", tooltip="The VAE of the MODEL."),
                io.Conditioning.Input("positive", tooltip="Passed on; some MODELs get the reference through it."),
                io.Conditioning.Input("negative", tooltip="Passed on; some MODELs get the reference through it."),
                io.Int.Input("width", default=0, min=0, max=8192, step=16,
                             tooltip="In pixels: a multiple of 16 (32 for Wan 2.2 TI2V-5B). 0: from the reference's "
                             "shape, at the area of the training."),
                io.Int.Input("height", default=0, min=0, max=8192, step=16,
                             tooltip="In pixels: a multiple of 16 (32 for Wan 2.2 TI2V-5B). 0: from the reference's "
                             "shape, at the area of the training."),
                io.Int.Input("length", default=0, min=0, max=4097, step=1,
                             tooltip="Frames: 4n + 1 (17, 81, 121). 0: as many as the motion has."),
                io.Image.Input("reference", optional=True,
                               tooltip="A picture of the person, seen as the first frame is to be seen. Of several "
                               "pictures the first is taken."),
                Motion.Input("motion", optional=True,
                             tooltip="Gives the length, and lets a length that it cannot fill be told at once."),
                io.ClipVisionOutput.Input("clip_vision_output", optional=True,
                                          tooltip="The reference through CLIP Vision Encode, for the MODELs that want "
                                          "it: HunyuanVideo-1.5 (SigLIP) and Wan 2.1 I2V (CLIP ViT-H)."),
                io.Float.Input("fps", default=0.0, min=0.0, max=240.0, step=0.01, optional=True,
                               tooltip="Frames a second of the video to make. 0: as the 3DiMo model was trained."),
                io.Int.Input("batch_size", default=1, min=1, max=64, optional=True,
                             tooltip="Videos at a time, each from noise of its own."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="With the reference, where it goes this way."),
                io.Conditioning.Output(display_name="negative", tooltip="With the reference, where it goes this way."),
                io.Latent.Output(display_name="latent", tooltip="For the sampler."),
                io.Float.Output(display_name="fps", tooltip="Frames a second of the video: for Create Video, and for "
                                "the fps of Apply 3DiMo where you chose one."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Any,
        model_3dimo: LoadedModel,
        vae: Any,
        positive: list[Any],
        negative: list[Any],
        width: int,
        height: int,
        length: int,
        reference: Tensor | None = None,
        motion: MotionClip | None = None,
        clip_vision_output: Any = None,
        fps: float = 0.0,
        batch_size: int = 1,
    ) -> io.NodeOutput:
        adapter = model_3dimo.adapter
        backbone = require_fit(model, adapter, model_3dimo.name)
        require_vae(vae, backbone)
        multiple = int(vae.spacial_compression_encode()) * backbone.dims.patch_size[1]
        plan = plan_clip(adapter, multiple, reference, motion, (height, width), length, fps)
        latent = empty_latent(backbone, vae, plan, batch_size)
        values: dict[str, Any] = {} if clip_vision_output is None else {"clip_vision_output": clip_vision_output}
        made = {"samples": latent}
        if reference is not None:
            pixels = reference_pixels(reference, plan)
            if takes_clean_frame(model):
                made = clean_first_frame(model, vae, latent, pixels)
            elif takes_channels(model):
                values |= channels_beside(backbone, vae, latent, pixels, plan.num_frames)
            else:
                raise ValueError(
                    "this MODEL makes videos from text alone and takes no reference picture: load Wan 2.2 TI2V-5B, a "
                    "Wan I2V model or HunyuanVideo-1.5 I2V, or leave the reference unconnected"
                )
        positive, negative = (node_helpers.conditioning_set_values(c, values) for c in (positive, negative))
        return io.NodeOutput(positive, negative, made, plan.fps)


def require_vae(vae: Any, backbone: HostBackbone) -> None:
    """ValueError unless the VAE's latents are the MODEL's."""
    wanted = backbone.dims.latent_channels
    if vae.latent_channels != wanted:
        raise ValueError(
            f"this VAE makes latents of {vae.latent_channels} channels, the MODEL takes {wanted}: load "
            "the VAE that belongs to the MODEL (Wan 2.1 VAE: 16, Wan 2.2 VAE: 48, HunyuanVideo-1.5 VAE: 32)"
        )


NODES = [Latent3DiMo]
