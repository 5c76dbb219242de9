"""What the diffusers folder of each backbone family holds: sub-folders, classes, file names, where to get it.

Classes are named here and looked up in diffusers or transformers only when a folder is loaded; a folder can choose
among them but cannot name others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Library = Literal["diffusers", "transformers"]


@dataclass(frozen=True)
class Piece:
    """One sub-folder. `classes`: the class it may hold (schedulers: any of these); `config`: its settings file;
    `weights`: stem of its weight files, None where it has none."""

    library: Library
    classes: tuple[str, ...]
    config: str
    weights: str | None = None


@dataclass(frozen=True)
class Family:
    """One family of folders.

    transformer: class name in transformer/config.json. pipeline: the diffusers pipeline the folder belongs to.
    settings: what model_index.json must say beside the pieces. source: where people get it.
    full_precision: pieces always loaded in float32, as their makers advise. others: what models of the same class
    with other settings are, and why they do not serve.
    """

    name: str
    title: str
    transformer: str
    pipeline: str
    pieces: dict[str, Piece]
    source: str
    settings: tuple[tuple[str, object], ...] = ()
    full_precision: tuple[str, ...] = ()
    others: str = ""


def _network(name: str) -> Piece:
    return Piece("diffusers", (name,), "config.json", "diffusion_pytorch_model")


def _encoder(name: str) -> Piece:
    return Piece("transformers", (name,), "config.json", "model")


TOKENIZER = Piece("transformers", ("AutoTokenizer",), "tokenizer_config.json")
SCHEDULER = Piece("diffusers", ("FlowMatchEulerDiscreteScheduler", "UniPCMultistepScheduler"), "scheduler_config.json")

WAN = Family(
    name="wan",
    title="Wan 2.2 TI2V",
    transformer="WanTransformer3DModel",
    pipeline="WanImageToVideoPipeline",
    pieces={
        "transformer": _network("WanTransformer3DModel"),
        "vae": _network("AutoencoderKLWan"),
        "text_encoder": _encoder("UMT5EncoderModel"),
        "tokenizer": TOKENIZER,
        "scheduler": SCHEDULER,
    },
    source="Wan-AI/Wan2.2-TI2V-5B-Diffusers on huggingface.co",
    # A timestep for every token: what makes it the TI2V model and not T2V.
    settings=(("expand_timesteps", True),),
    full_precision=("vae",),
    others="Wan's text-to-video models take no reference image, its 14B image-to-video models take it another way",
)

HUNYUAN_VIDEO15 = Family(
    name="hunyuan_video15",
    title="HunyuanVideo-1.5 480p image-to-video",
    transformer="HunyuanVideo15Transformer3DModel",
    pipeline="HunyuanVideo15ImageToVideoPipeline",
    pieces={
        "transformer": _network("HunyuanVideo15Transformer3DModel"),
        "vae": _network("AutoencoderKLHunyuanVideo15"),
        "text_encoder": _encoder("Qwen2_5_VLTextModel"),
        "tokenizer": TOKENIZER,
        "text_encoder_2": _encoder("T5EncoderModel"),
        "tokenizer_2": TOKENIZER,
        "image_encoder": _encoder("SiglipVisionModel"),
        "feature_extractor": Piece("transformers", ("SiglipImageProcessor",), "preprocessor_config.json"),
        "scheduler": SCHEDULER,
    },
    source="hunyuanvideo-community/HunyuanVideo-1.5-480p_i2v on huggingface.co",
)

FAMILIES: dict[str, Family] = {family.transformer: family for family in (WAN, HUNYUAN_VIDEO15)}
