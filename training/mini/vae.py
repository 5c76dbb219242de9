"""The mini model's video VAE: the Wan 2.1 architecture (8×8×4, 16 channels) at a small base width, trained on renders.

Pictures first cost a seventeenth of a clip and teach most of it, so steps alternate: mostly single frames, some short
clips. Afterwards the latents are rescaled inside the network to the mean
and spread that Wan 2.1 publishes, so every host that knows Wan 2.1 latents knows these.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from einops import rearrange
from kornia.losses import ssim_loss
from torch import Tensor, nn

from threedimo_core.flow import keyed_generator

from ..muon import computes_bf16, muon
from .planar_vae import close_branches, decode_planar, encode_moments, planar


@dataclass(frozen=True, kw_only=True)
class VaeSettings:
    """`video_every`: one step in this many is a clip, as long as those the VAE shall code (trained on 5 frames, it
    drew nonsense from the sixth on). `crop`, `video_crop`: side of the squares cut out, in pixels: many small
    steps learn faster than few large ones. `person_weight`: how much more a person's pixel counts.
    `skeleton_steps`: steps at the start that leave out the residual branches (see `close_branches`).
    """

    base_dim: int = 16
    steps: int = 20_000
    batch: int = 16
    crop: int = 64
    video_batch: int = 2
    video_frames: int = 17
    video_crop: int = 32
    video_every: int = 8
    lr: float = 2e-3
    kl_weight: float = 1e-5
    ssim_weight: float = 0.1
    person_weight: float = 3.0
    ema: float = 0.999
    seed: int = 0
    minutes: float | None = None
    skeleton_steps: int = 4000


def build_vae(base_dim: int) -> AutoencoderKLWan:
    """Wan 2.1's layout; only the base width is smaller, so hosts detect it from its weights alone."""
    vae = AutoencoderKLWan(base_dim=base_dim, z_dim=16)
    close_branches(vae)
    with torch.no_grad():  # colour reaches the network as large as lightness, and latents carry little noise at first
        vae.quant_conv.weight[16:] = 0
        vae.quant_conv.bias[16:] = -6
        kernel = vae.encoder.conv_in.weight
        kernel.copy_(torch.einsum("ok...,kc->oc...", kernel, 2 * opponent(torch.eye(3)).T))
    return vae


COLOUR_GAIN = 3.0


def opponent(video: Tensor) -> Tensor:
    """RGB [B, 3, ...] → lightness and two colour differences, each of unit norm, the latter times COLOUR_GAIN."""
    red, green, blue = video.unbind(1)
    lightness = (red + green + blue) / 3**0.5
    differences = ((red - blue) / 2**0.5, (red - 2 * green + blue) / 6**0.5)
    return torch.stack([lightness, *(COLOUR_GAIN * d for d in differences)], dim=1)


def reconstruction_loss(output: Tensor, target: Tensor, mask: Tensor, settings: VaeSettings) -> Tensor:
    """L1 and L2 of lightness and of two amplified colour differences, weighted, plus structural similarity.

    Colour differences are a few times smaller than those of lightness: without the gain the network drew grey people
    for thousands of steps. Videos [B, 3, T, H, W] in [-1, 1]; mask [B, 1, T, H, W] in [0, 1].
    """
    weight = 1 + (settings.person_weight - 1) * mask
    error = opponent(output - target).abs()
    pixels = ((error + 2 * error.square()) * weight).mean() / weight.mean()
    pictures = [(rearrange(v, "b c t h w -> (b t) c h w") + 1) / 2 for v in (output, target)]
    return pixels + settings.ssim_weight * ssim_loss(*pictures, window_size=7)


class KernelMuon:
    """Muon on the convolution kernels, each as a matrix [out, in · taps]; AdamW on what is no hidden matrix.

    At the ends (first and last convolution, the bottleneck) a kernel's rows are pixels or latents, not features.
    """

    def __init__(self, vae: nn.Module, lr: float) -> None:
        ends = ("conv_in", "conv_out", "quant_conv")
        kernels = {n: p for n, p in vae.named_parameters() if p.ndim >= 4 and min(p.shape[:2]) >= 16}
        self.kernels = [p for n, p in kernels.items() if not any(end in n for end in ends)]
        chosen = {id(p) for p in self.kernels}
        self.rest = [p for p in vae.parameters() if id(p) not in chosen]
        # Views share their storage with the kernels, so that a step on a view is a step on the kernel.
        self.matrices = [nn.Parameter(p.data.flatten(1)) for p in self.kernels]
        self.muon = muon(self.matrices, lr=lr, weight_decay=1e-4)
        self.adam = torch.optim.AdamW(self.rest, lr=lr, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(self, lr: float) -> None:
        for matrix, kernel in zip(self.matrices, self.kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        for optimizer in (self.muon, self.adam):
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for kernel in self.kernels:
            kernel.grad = None


class VaeTrainer:
    """Trains from clips uint8 [N, T, 3, H, W] and masks uint8 [N, T, H, W] (255 on the person) held in memory."""

    def __init__(
        self,
        settings: VaeSettings,
        clips: Tensor,
        masks: Tensor,
        out: Path,
        compiled: bool = True,
        start: AutoencoderKLWan | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.clips, self.masks, self.out = settings, clips, masks, out
        self.vae = start or build_vae(settings.base_dim)
        self.ema = copy.deepcopy(self.vae)
        self.optimizer = KernelMuon(self.vae, settings.lr)
        self.step, self.progress = 0, 0.0
        self.encode = torch.compile(encode_moments, dynamic=False) if compiled else encode_moments
        self.decode = torch.compile(decode_planar, dynamic=False) if compiled else decode_planar
        out.mkdir(parents=True, exist_ok=True)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        s = self.settings
        generator = keyed_generator(s.seed, "vae", step)
        video = step % s.video_every == s.video_every - 1
        count, frames = (s.video_batch, s.video_frames) if video else (s.batch, 1)
        rows = torch.randint(len(self.clips), (count,), generator=generator)
        starts = torch.randint(self.clips.shape[1] - frames + 1, (count,), generator=generator)
        spans = [slice(int(a), int(a) + frames) for a in starts]
        height, width = self.clips.shape[-2:]
        side = s.video_crop if video else s.crop
        top = torch.randint(height - side + 1, (count,), generator=generator)
        left = torch.randint(width - side + 1, (count,), generator=generator)
        cuts = [(..., slice(t, t + side), slice(u, u + side)) for t, u in zip(top.tolist(), left.tolist(), strict=True)]
        clip = torch.stack([self.clips[r, span][cut] for r, span, cut in zip(rows, spans, cuts, strict=True)])
        mask = torch.stack([self.masks[r, span][cut] for r, span, cut in zip(rows, spans, cuts, strict=True)])
        clip = rearrange(clip, "b t c h w -> b c t h w").float() / 127.5 - 1
        return clip, mask[:, None].float() / 255

    def train_step(self) -> dict[str, float]:
        s = self.settings
        clip, mask = self.batch(self.step)
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_bf16()):
            # The graph of clips takes minutes to compile, which rare clips do not repay.
            rare = clip.shape[2] > 1 and s.video_every > 2
            encode, decode = (encode_moments, decode_planar) if rare else (self.encode, self.decode)
            posterior = DiagonalGaussianDistribution(encode(self.vae, clip).float())
            output = decode(self.vae, posterior.sample(keyed_generator(s.seed, "z", self.step)))
        reconstruction = reconstruction_loss(output.float(), clip, mask, s)
        loss = reconstruction + s.kl_weight * posterior.kl().mean() / posterior.mean[0].numel()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0)
        if not torch.isfinite(norm):
            raise RuntimeError(
                f"the VAE's gradient is not finite at step {self.step}; the last weights are in {self.out}"
            )
        self.optimizer.step(s.lr * self._schedule())
        decay = min(s.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.ema.parameters(), self.vae.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        self.step += 1
        psnr = -10 * torch.log10(F.mse_loss(output.float(), clip).detach() / 4)
        return {"loss": loss.item(), "psnr": psnr.item(), "frames": clip.shape[2]}

    def _schedule(self) -> float:
        """Warm-up, then a cosine over the share of the budget (steps or minutes) that is spent."""
        warm = min(1.0, (self.step + 1) / 200)
        return warm * (0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(self.progress * torch.pi)).item()))

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end of the budget, yielding a record every 50 steps and saving every 5 minutes."""
        s, start, saved = self.settings, time.monotonic(), time.monotonic()
        with ExitStack() as form:
            form.enter_context(planar(self.vae, skeleton=self.step < s.skeleton_steps))
            while self.progress < 1:
                if self.step == s.skeleton_steps:
                    form.close()
                    form.enter_context(planar(self.vae))
                record = self.train_step()
                spent = (time.monotonic() - start) / 60
                self.progress = spent / s.minutes if s.minutes else self.step / s.steps
                if self.step % 50 < 2:  # one picture step and one clip step each time
                    yield {"step": self.step, "minutes": spent, **record}
                if time.monotonic() - saved > 120:
                    self.save()
                    saved = time.monotonic()
        self.save()

    def save(self) -> None:
        """The averaged weights as a diffusers folder, written beside and then renamed."""
        partial = self.out / "vae.partial"
        self.ema.save_pretrained(partial)
        final = self.out / "vae"
        if final.exists():
            os.replace(final / "diffusion_pytorch_model.safetensors", self.out / "vae_previous.safetensors")
            for path in partial.iterdir():
                os.replace(path, final / path.name)
            partial.rmdir()
        else:
            os.replace(partial, final)
        (self.out / "vae_state.json").write_text(json.dumps({"step": self.step}))


@torch.no_grad()
def fold_statistics(vae: AutoencoderKLWan, latents_mean: Tensor, latents_std: Tensor) -> None:
    """Rescale the latent space in place so that measured `mean` and `std` [16] become those of the config.

    z' = (z − mean) / std · std_wan + mean_wan, folded into the 1×1×1 convolutions around the bottleneck: pictures
    come out exactly as before.
    """
    config_mean = torch.tensor(vae.config.latents_mean)
    config_std = torch.tensor(vae.config.latents_std)
    scale = config_std / latents_std
    shift = config_mean - latents_mean * scale
    dim = len(scale)
    vae.quant_conv.weight[:dim] *= scale[:, None, None, None, None]
    vae.quant_conv.bias[:dim] = vae.quant_conv.bias[:dim] * scale + shift
    vae.quant_conv.bias[dim:] += 2 * scale.log()
    weight = vae.post_quant_conv.weight / scale[None, :, None, None, None]
    vae.post_quant_conv.bias -= torch.einsum("ocijk,c->o", weight, shift)
    vae.post_quant_conv.weight.copy_(weight)
