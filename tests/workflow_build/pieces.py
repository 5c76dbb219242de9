"""Groups that several workflows share: models, inputs, camera, sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graph import CAMERA, MODELS, MOTION, PERSON, VIDEO, Group, Node, Out, hub_file

MINI_FRAMES, MINI_FPS = 17, 16.0
NEGATIVE = "blurry, distorted, deformed hands, extra limbs, flicker, text, watermark"
UNSAID, NO_MOVE = "not said", "none"

_WAN22, _WAN21 = "Wan_2.2_ComfyUI_Repackaged", "Wan_2.1_ComfyUI_repackaged"
TI2V = hub_file(_WAN22, "diffusion_models", "wan2.2_ti2v_5B_fp16.safetensors")
VAE22 = hub_file(_WAN22, "vae", "wan2.2_vae.safetensors")
UMT5 = hub_file(_WAN21, "text_encoders", "umt5_xxl_fp8_e4m3fn_scaled.safetensors")
I2V_14B = hub_file(_WAN21, "diffusion_models", "wan2.1_i2v_480p_14B_fp8_scaled.safetensors")
VAE21 = hub_file(_WAN21, "vae", "wan_2.1_vae.safetensors")
CLIP_H = hub_file(_WAN21, "clip_vision", "clip_vision_h.safetensors")
FOR_TI2V, FOR_I2V_14B = "3dimo_wan2.2_ti2v_5B.safetensors", "3dimo_wan2.1_i2v_480p_14B.safetensors"

MINI_NOTE = """
**The mini comes with this pack**: nothing to download, and it runs on a CPU. It makes pictures of 96 × 96 px of
rendered people; real people come out blurred and unlike themselves. Its CLIP reads the camera language only.

For another video model replace this group by that of *2 motion transfer*.
"""


@dataclass
class Models:
    """The group, and what it gives."""

    group: Group
    model: Out
    clip: Out
    vae: Out
    model_3dimo: Out


def mini() -> Models:
    pipeline = Node("ThreeDiMoLoadMiniPipeline")
    loaded = Node("ThreeDiMoLoadModel", {"name": "mini (bundled)"})
    group = Group("1 Models", MODELS, [[pipeline, loaded]], MINI_NOTE)
    return Models(group, pipeline.out(0), pipeline.out(1), pipeline.out(2), loaded.out())


def source(file: dict[str, str]) -> str:
    """A line of Markdown: file, folder, link."""
    return f"- [{file['name']}]({file['url']}) → `models/{file['directory']}/`"


def trained(name: str, model: str) -> str:
    """Where the 3DiMo file would come from."""
    return (
        f"- `{name}` → `models/threedimo/`: a 3DiMo model trained for {model}. **None has been published yet.** Train "
        "one with this pack (`python -m training train --help`), or begin with *1 first run on the mini*.\n\n"
        "The Wan models are under Apache-2.0."
    )


def ti2v_5b(weights: str = "default") -> Models:
    unet = Node("UNETLoader", {"unet_name": TI2V["name"], "weight_dtype": weights}, models=[TI2V])
    clip = Node("CLIPLoader", {"clip_name": UMT5["name"], "type": "wan", "device": "default"}, models=[UMT5])
    vae = Node("VAELoader", {"vae_name": VAE22["name"]}, models=[VAE22])
    loaded = Node("ThreeDiMoLoadModel", {"name": FOR_TI2V})
    note = "\n".join(["Files:", "", source(TI2V), source(UMT5), source(VAE22), trained(FOR_TI2V, "Wan 2.2 TI2V-5B")])
    group = Group("1 Models", MODELS, [[unet, clip, vae, loaded]], note)
    return Models(group, unet.out(), clip.out(), vae.out(), loaded.out())


def demo_motion(models: Models, driver: str = "from the front left") -> tuple[Group, Node, Node]:
    """A bundled driving video, encoded and shown; also gives the demo inputs."""
    inputs = Node("ThreeDiMoDemoInputs", {"driver": driver})
    encode = encoder(models, inputs.out(0), inputs.out(1))
    preview = previewer(models, encode.out())
    note = """
The motion of the driving video becomes a few tokens per frame that do not know where the camera stood. The figure
shows what they hold. For a video of your own: *Load Video* → *Get Video Components* → `images` and `fps`.
"""
    return Group("2 Motion", MOTION, [[inputs, encode], [preview]], note), inputs, encode


def video_motion(models: Models, file: str = "driving.mp4") -> tuple[Group, Node, Node]:
    """A driving video of the user's own, encoded and shown; also gives the video's components."""
    load = Node("LoadVideo", {"file": file}, "Driving video")
    parts = Node("GetVideoComponents", {"video": load.out()})
    encode = encoder(models, parts.out(0), parts.out(2))
    preview = previewer(models, encode.out())
    note = """
Choose the **driving video**: one person, most of the time in the picture. The camera may move, and the person may face
another way than the reference. Hands are read where the hand finder (mediapipe) is installed.
"""
    return Group("2 Motion", MOTION, [[load, parts, encode], [preview]], note), parts, encode


def encoder(models: Models, images: Out, fps: Any, hands: str = "find") -> Node:
    return Node(
        "ThreeDiMoEncodeMotion",
        {"model_3dimo": models.model_3dimo, "images": images, "fps": fps, "hands": hands, "crop_person": False,
         "chunk_frames": 64},
    )  # fmt: skip


def previewer(models: Models, motion: Out, title: str = "") -> Node:
    return Node(
        "ThreeDiMoPreviewMotion",
        {"model_3dimo": models.model_3dimo, "motion": motion, "width": 384, "height": 384, "turns": 1.0,
         "azimuth": 0.0, "elevation": 10.0, "smoothing": 0.0},
        title,
    )  # fmt: skip


def person(file: str = "reference.png") -> tuple[Group, Node]:
    load = Node("LoadImage", {"image": file}, "Reference image")
    note = """
The **person to animate**, seen as the first frame is to be seen. The whole body in the picture works best. Use
pictures of people only with the right to do so.
"""
    return Group("3 Person", PERSON, [[load]], note), load


@dataclass
class Text:
    """A camera prompt and its encoding."""

    camera: Node
    positive: Node


def camera(models: Models, title: str = "", **said: Any) -> Text:
    inputs = {
        "move": "static", "speed": "normal", "angle": 0.0, "second_move": NO_MOVE, "second_speed": "normal",
        "second_angle": 0.0, "view": "front", "elevation": UNSAID, "framing": UNSAID, "text": "", "scene": "", **said,
    }  # fmt: skip
    prompt = Node("ThreeDiMoCameraPrompt", inputs, title)
    return Text(prompt, Node("CLIPTextEncode", {"clip": models.clip, "text": prompt.out()}, "Positive"))


def negative(models: Models, text: str = "") -> Node:
    return Node("CLIPTextEncode", {"clip": models.clip, "text": text}, "Negative")


def camera_group(text: Text, no: Node, note: str = "") -> Group:
    note = (
        note
        or """
Choose the move, or write it in your own words into `text`: the node shows what it understood. `view` says from which
side the **reference** shows the person. Left and right of a move are the camera's own.
"""
    )
    return Group("4 Camera", CAMERA, [[text.camera], [text.positive, no]], note)


def latent(models: Models, text: Text, no: Node, reference: Out, motion: Out, **size: Any) -> Node:
    inputs = {
        "model": models.model, "model_3dimo": models.model_3dimo, "vae": models.vae, "positive": text.positive.out(),
        "negative": no.out(), "width": 0, "height": 0, "length": 0, "reference": reference, "motion": motion,
        "fps": 0.0, "batch_size": 1, **size,
    }  # fmt: skip
    return Node("ThreeDiMoLatent", inputs)


STRENGTHS = {
    "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0, "body_strength": 1.0, "hand_strength": 1.0, "fps": 0.0,
}  # fmt: skip


def sampler(models: Models, grid: Node, motion: Out, seed: int = 7) -> Node:
    inputs = {
        "model": models.model, "model_3dimo": models.model_3dimo, "motion": motion, "positive": grid.out(0),
        "latent": grid.out(2), "seed": seed, "steps": 0, "text_guidance": 0.0, "motion_guidance": 0.0,
        "sampler_name": "euler", "scheduler": "simple", **STRENGTHS, "negative": grid.out(1),
    }  # fmt: skip
    return Node("ThreeDiMoSampler", inputs)


def applied(models: Models, model: Out, grid: Node, motion: Out) -> Node:
    inputs = {
        "model": model, "model_3dimo": models.model_3dimo, "motion": motion, "positive": grid.out(0),
        "negative": grid.out(1), **STRENGTHS,
    }  # fmt: skip
    return Node("ThreeDiMoApply", inputs)


def k_sampler(apply: Node, model: Out, grid: Node, steps: int, cfg: float, name: str = "uni_pc") -> Node:
    inputs = {
        "model": model, "positive": apply.out(1), "negative": apply.out(2), "latent_image": grid.out(2), "seed": 7,
        "steps": steps, "cfg": cfg, "sampler_name": name, "scheduler": "simple", "denoise": 1.0,
    }  # fmt: skip
    return Node("KSampler", inputs)


def shifted(model: Out, shift: float) -> Node:
    return Node("ModelSamplingSD3", {"model": model, "shift": shift})


def decoded(models: Models, samples: Out) -> Node:
    return Node("VAEDecode", {"samples": samples, "vae": models.vae})


def saved(images: Out, fps: Out, name: str) -> list[Node]:
    video = Node("CreateVideo", {"images": images, "fps": fps})
    # Both hosts' words for "choose for me": newer ones have the codec below the format.
    choice = {"format": "auto", "codec": "auto", "format.codec": "auto"}
    return [video, Node("SaveVideo", {"video": video.out(), "filename_prefix": f"video/{name}", **choice})]


def native_video(models: Models, grid: Node, apply: Node, rest: list[Node], name: str, note: str) -> Group:
    """The group of a chain of the host's own nodes that ends in a KSampler."""
    decode = decoded(models, rest[-1].out())
    return Group("5 Video", VIDEO, [[grid], [apply, *rest], [decode, *saved(decode.out(), grid.out(3), name)]], note)
