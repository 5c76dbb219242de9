"""3DiMo Sampler: one box that samples with a motion, with a guidance scale each for text and motion (section 3.3)."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io
from torch import Tensor

from ..threedimo_core.flow import guided_velocity
from ..threedimo_core.motion_clip import MotionClip
from .apply import motion_tokens, settings_from, strength_inputs
from .comfy_injection import Gate, add_injection
from .holding import LoadedModel
from .host_backbone import require_fit
from .motion_cond import MotionPayload, with_motion
from .types import CATEGORY, Model3DiMo, Motion

MAX_SEED = 0xFFFFFFFFFFFFFFFF


class MotionGuider(comfy.samplers.CFGGuider):
    """The host's guider with three conditionings: text and motion, text alone, neither.

    Scales of 1 need no forward of their own. The host's functions after guidance are called; the one that replaces
    its formula is not, as it knows one scale only.
    """

    def __init__(self, model: Any, gate: Gate, text_scale: float, motion_scale: float) -> None:
        super().__init__(model)
        self.gate, self.text_scale, self.motion_scale = gate, text_scale, motion_scale

    def predict_noise(
        self, x: Tensor, timestep: Tensor, model_options: dict[str, Any] | None = None, seed: int | None = None
    ) -> Tensor:
        """Foreseen clean latents; guidance is affine, so it may be applied to them as to velocities."""
        options = model_options or {}
        moving = self.gate.is_open(self.inner_model.model_sampling, float(timestep.flatten()[0]))
        motion_scale = self.motion_scale if moving else 1.0
        names = ["positive"]
        if self.text_scale != 1:
            names.append("negative")
        if moving and (self.text_scale != 1 or motion_scale != 1):
            names.append("text")
        conds = [self.conds[name] for name in names]
        found = dict(
            zip(names, comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, options), strict=True)
        )
        both, nothing = found["positive"], found.get("negative")
        text = found.get("text", both)
        guided = guided_velocity(nothing, text, both, self.text_scale, motion_scale)
        for function in options.get("sampler_post_cfg_function", []):
            guided = function(
                {
                    "denoised": guided,
                    "cond_denoised": both,
                    "uncond_denoised": text if nothing is None else nothing,
                    "cond": self.conds["positive"],
                    "uncond": self.conds.get("negative"),
                    "model": self.inner_model,
                    "sigma": timestep,
                    "model_options": options,
                    "input": x,
                }
            )
        return guided


def make_guider(
    model: Any,
    loaded: LoadedModel,
    payload: MotionPayload,
    positive: list[Any],
    negative: list[Any] | None,
    gate: Gate,
    text_scale: float,
    motion_scale: float,
) -> MotionGuider:
    """A guider whose MODEL listens to the motion.

    Raises ValueError for a text scale other than 1 without a negative, AdapterError for a MODEL that does not fit.
    """
    backbone = require_fit(model, loaded.adapter, loaded.name)
    if text_scale != 1 and negative is None:
        raise ValueError(
            f"text_guidance is {text_scale:g}, which needs a negative conditioning: connect one (an empty prompt, "
            "encoded, will do), or set text_guidance to 1"
        )
    guider = MotionGuider(add_injection(model, loaded, backbone, gate), gate, text_scale, motion_scale)
    none = MotionPayload(None)
    conds = {"positive": with_motion(positive, payload), "text": with_motion(positive, none)}
    if negative is not None:
        conds["negative"] = with_motion(negative, none)
    guider.inner_set_conds(conds)
    return guider


def run_sampler(
    guider: MotionGuider, latent: dict[str, Any], seed: int, steps: int, sampler_name: str, scheduler: str
) -> dict[str, Any]:
    """The LATENT sampled; preview, progress and cancel are the host's own."""
    model = guider.model_patcher
    samples = comfy.sample.fix_empty_latent_channels(model, latent["samples"])
    noise = comfy.sample.prepare_noise(samples, seed, latent.get("batch_index"))
    plan = comfy.samplers.KSampler(
        model, steps=steps, device=model.load_device, sampler=sampler_name, scheduler=scheduler,
        model_options=model.model_options,
    )  # fmt: skip
    made = guider.sample(
        noise,
        samples,
        comfy.samplers.sampler_object(sampler_name),
        plan.sigmas,
        denoise_mask=latent.get("noise_mask"),
        callback=latent_preview.prepare_callback(model, plan.sigmas.shape[-1] - 1),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    kept = {name: value for name, value in latent.items() if not name.startswith("downscale_ratio")}
    return {**kept, "samples": made.to(comfy.model_management.intermediate_device(), torch.float32)}


class Sampler3DiMo(io.ComfyNode):
    """MODEL, motion, conditioning, latent → latent."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoSampler",
            display_name="3DiMo Sampler",
            category=CATEGORY,
            description="Samples a video that follows a motion, with a guidance scale each for text and motion. It "
            "needs no Apply 3DiMo before it.",
            inputs=[
                io.Model.Input("model", tooltip="The MODEL as loaded, with LoRAs if you like; not from Apply 3DiMo."),
                Model3DiMo.Input("model_3dimo", tooltip="From Load 3DiMo; it must have been trained for this MODEL."),
                Motion.Input("motion", tooltip="From Encode Motion, Load Motion or the motion tools."),
                io.Conditioning.Input("positive", tooltip="Camera and scene in words, encoded."),
                io.Latent.Input("latent", tooltip="From 3DiMo Latent, which puts the reference picture in."),
                io.Int.Input("seed", default=0, min=0, max=MAX_SEED, control_after_generate=True,
                             tooltip="Same seed, same noise."),
                io.Int.Input("steps", default=0, min=0, max=1000,
                             tooltip="Steps of the sampling. 0: as many as the 3DiMo model was made for."),
                io.Float.Input(
                    "text_guidance", default=0.0, min=0.0, max=100.0, step=0.1,
                    tooltip="How much the text is exaggerated: 1 is not at all and twice as quick. 0: as the 3DiMo "
                    "model was made for. Other scales than 1 need a negative.",
                ),
                io.Float.Input(
                    "motion_guidance", default=0.0, min=0.0, max=100.0, step=0.1,
                    tooltip="How much the motion is exaggerated: 1 is not at all and quicker. 0: as the 3DiMo model "
                    "was made for.",
                ),
                io.Combo.Input("sampler_name", options=comfy.samplers.KSampler.SAMPLERS, default="euler",
                               tooltip="The host's samplers; video models of this kind were made for euler."),
                io.Combo.Input("scheduler", options=comfy.samplers.KSampler.SCHEDULERS, default="simple",
                               tooltip="The host's schedulers; simple is what the models were trained with."),
                *strength_inputs(),
                io.Conditioning.Input("negative", optional=True,
                                      tooltip="What the video should not show, encoded; an empty prompt will do."),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The sampled video, to be decoded by the VAE.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        model: Any,
        model_3dimo: LoadedModel,
        motion: MotionClip,
        positive: list[Any],
        latent: dict[str, Any],
        seed: int,
        steps: int,
        text_guidance: float,
        motion_guidance: float,
        sampler_name: str,
        scheduler: str,
        strength: float,
        start_percent: float,
        end_percent: float,
        body_strength: float,
        hand_strength: float,
        fps: float = 0.0,
        negative: list[Any] | None = None,
    ) -> io.NodeOutput:
        settings = settings_from(strength, start_percent, end_percent, body_strength, hand_strength, fps)
        record = model_3dimo.adapter.record
        guider = make_guider(
            model,
            model_3dimo,
            motion_tokens(model_3dimo, motion, settings),
            positive,
            negative,
            settings.gate,
            text_guidance or record.text_scale,
            motion_guidance or record.motion_scale,
        )
        return io.NodeOutput(run_sampler(guider, latent, seed, steps or record.sampling_steps, sampler_name, scheduler))


NODES = [Sampler3DiMo]
