"""The nine workflows that ship with the pack."""

from __future__ import annotations

import pieces as p
from graph import CAMERA, MODELS, MOTION, PERSON, VIDEO, Group, Node, Workflow

_ONE_BOX = """
*3DiMo Latent* sets size and length right for the model and puts the reference in; *3DiMo Sampler* lets the model follow
the motion. 0 in their fields means: as the 3DiMo model was trained.
"""
_NATIVE = """
*3DiMo Latent* sets size and length right for the model and puts the reference in. *Apply 3DiMo* makes the MODEL follow
the motion; everything behind it is ComfyUI's own, so other samplers, schedulers and patches can take its place.
"""


def first_run() -> Workflow:
    models = p.mini()
    motion, inputs, encode = p.demo_motion(models)
    text, no = p.camera(models, move="arc left", angle=45.0), p.negative(models)
    grid = p.latent(models, text, no, inputs.out(2), encode.out(), length=p.MINI_FRAMES)
    sample = p.sampler(models, grid, encode.out())
    decode = p.decoded(models, sample.out())
    video = Group("4 Video", VIDEO, [[grid], [sample], [decode, *p.saved(decode.out(), grid.out(3), "3dimo_first")]],
                  _ONE_BOX)  # fmt: skip
    camera = p.camera_group(text, no)
    camera.title = "3 Camera"
    about = "A motion, a person and a camera in words, with nothing to download. Press **Run**."
    return Workflow(
        "1_first_run_on_the_mini", "First run on the mini", about, [models.group, camera.below(), motion, video]
    )


def motion_transfer() -> Workflow:
    models = p.ti2v_5b()
    motion, _, encode = p.video_motion(models)
    who, picture = p.person()
    text = p.camera(models, move="arc right", angle=45.0, speed="slow", framing="full body",
                    scene="A woman in a red coat dances on a square in soft daylight.")  # fmt: skip
    no = p.negative(models, p.NEGATIVE)
    grid = p.latent(models, text, no, picture.out(), encode.out())
    shift = p.shifted(models.model, 8.0)
    apply = p.applied(models, shift.out(), grid, encode.out())
    sample = p.k_sampler(apply, apply.out(), grid, steps=30, cfg=5.0)
    video = p.native_video(models, grid, apply, [sample], "3dimo_transfer", _NATIVE)
    video.columns[0].insert(0, shift)
    about = "The motion of a video, the person of a picture, the camera in words, on Wan 2.2 TI2V-5B."
    groups = [models.group, p.camera_group(text, no).below(), motion, who.below(), video]
    return Workflow("2_motion_transfer", "Motion transfer with a camera prompt", about, groups)


def three_cameras() -> Workflow:
    models = p.mini()
    motion, inputs, encode = p.demo_motion(models)
    no = p.negative(models)
    said = {
        "Static": {"move": "static"},
        "Arc left": {"move": "arc left", "angle": 45.0},
        "Arc right": {"move": "arc right", "angle": 45.0},
    }
    groups, decodes = [models.group, motion.below()], []
    for row, (title, choice) in enumerate(said.items()):
        text = p.camera(models, title, **choice)
        grid = p.latent(models, text, no, inputs.out(2), encode.out(), length=p.MINI_FRAMES)
        sample = p.sampler(models, grid, encode.out())
        decodes.append(p.decoded(models, sample.out()))
        column = [text.positive, no] if row == 0 else [text.positive]
        groups.append(Group(f"Camera {row + 1}: {title.lower()}", CAMERA,
                            [[text.camera], [*column, grid], [sample, decodes[-1]]], row=row))  # fmt: skip
    first, second, third = decodes
    pair = _beside(first, second)
    all_three = _beside(pair, third)
    note = "The three videos side by side. All have the same motion, person and seed: only the words differ."
    groups.append(Group("Video", VIDEO, [[pair, all_three, *p.saved(all_three.out(), grid.out(3), "3dimo_cameras")]],
                        note))  # fmt: skip
    about = "One motion under three cameras, side by side: the motion is encoded once and does not know the view."
    return Workflow("3_one_motion_three_cameras", "One motion, three cameras", about, groups)


def _beside(first: Node, second: Node) -> Node:
    return Node("ImageStitch", {
        "image1": first.out(), "image2": second.out(), "direction": "right", "match_image_size": True,
        "spacing_width": 4, "spacing_color": "white",
    })  # fmt: skip


def novel_views() -> Workflow:
    models = p.mini()
    inputs = Node("ThreeDiMoDemoInputs", {"driver": "from the front left"})
    encode = p.encoder(models, inputs.out(2), p.MINI_FPS, hands="leave out")
    hold = Node("ThreeDiMoHoldMotion", {"motion": encode.out(), "frame": 0, "frames": 2 * p.MINI_FRAMES})
    note = """
The reference itself is the driving video: its one pose is **held** while the camera moves. For a picture of your own
put *Load Image* in the place of the demo inputs, on both wires.
"""
    motion = Group("2 A pose, held", MOTION, [[inputs, encode, hold], [p.previewer(models, hold.out())]], note)
    text, no = p.camera(models, move="orbit right", angle=90.0), p.negative(models)
    grid = p.latent(models, text, no, inputs.out(2), hold.out(), length=p.MINI_FRAMES)
    sample = p.sampler(models, grid, hold.out())
    decode = p.decoded(models, sample.out())
    video = Group("4 Video", VIDEO, [[grid], [sample], [decode, *p.saved(decode.out(), grid.out(3), "3dimo_views")]],
                  _ONE_BOX)  # fmt: skip
    camera = p.camera_group(text, no)
    camera.title = "3 Camera"
    about = "New views of a person from one picture: the pose stands still, the camera goes around."
    return Workflow("4_novel_views_from_one_image", "Novel views from one image", about,
                    [models.group, camera.below(), motion, video])  # fmt: skip


def stabilise() -> Workflow:
    models = p.ti2v_5b()
    motion, parts, encode = p.video_motion(models, "shaky.mp4")
    motion.title = "2 Shaky video and its motion"
    motion.columns[0][0].title = "Shaky video"
    first = Node("ImageFromBatch", {"image": parts.out(0), "batch_index": 0, "length": 1}, "First frame")
    who = Group(
        "3 Person", PERSON, [[first]], "The **first frame** of the video is the reference: person and place stay."
    )
    text, no = p.camera(models, move="static", view=p.UNSAID), p.negative(models, p.NEGATIVE)
    grid = p.latent(models, text, no, first.out(), encode.out())
    shift = p.shifted(models.model, 8.0)
    apply = p.applied(models, shift.out(), grid, encode.out())
    sample = p.k_sampler(apply, apply.out(), grid, steps=30, cfg=5.0)
    video = p.native_video(models, grid, apply, [sample], "3dimo_steady", _NATIVE)
    video.columns[0].insert(0, shift)
    note = "A camera that **remains static** is asked for; the shake of the driving video is not in its motion tokens."
    about = "A shaky clip again, with a camera that stands still."
    groups = [models.group, p.camera_group(text, no, note).below(), motion, who.below(), video]
    return Workflow("5_stabilise_a_shaky_clip", "Stabilise a shaky clip", about, groups)


def another_way() -> Workflow:
    models = p.mini()
    motion, inputs, turned = p.demo_motion(models, driver="from behind")
    motion.note = """
The driver is filmed **from behind**, the reference shows the person from the front. There is nothing to set: tokens
hold the pose and how the body turns from frame to frame, not the direction it is seen from. The person raises the
same arm and the same leg as the driver, as seen from the other side.
"""
    text, no = p.camera(models, view="front"), p.negative(models)
    text.camera.title = "View of the reference"
    grid = p.latent(models, text, no, inputs.out(2), turned.out(), length=p.MINI_FRAMES)
    sample = p.sampler(models, grid, turned.out())
    decode = p.decoded(models, sample.out())
    note = "`view` names the side from which the **reference** shows the person; nothing is said of the driver."
    camera = p.camera_group(text, no, note)
    camera.title = "3 Camera"
    video = Group("4 Video", VIDEO, [[grid], [sample], [decode, *p.saved(decode.out(), grid.out(3), "3dimo_turned")]],
                  _ONE_BOX)  # fmt: skip
    about = "A driver who faces another way than the reference: the motion aligns itself with the person."
    return Workflow("6_driver_facing_another_way", "A driver who faces another way", about,
                    [models.group, camera.below(), motion, video])  # fmt: skip


def motion_tools() -> Workflow:
    models = p.mini()
    inputs = Node("ThreeDiMoDemoInputs", {"driver": "from the front left"})
    encode = p.encoder(models, inputs.out(0), inputs.out(1))
    source = Group("2 Motion", MOTION, [[inputs, encode]], "Every tool takes a motion and gives a new one.")
    start = Node("ThreeDiMoTrimMotion", {"motion": encode.out(), "start": 0, "length": 13}, "First half")
    end = Node("ThreeDiMoTrimMotion", {"motion": encode.out(), "start": -13, "length": 13}, "Second half")
    slow = Node("ThreeDiMoRetimeMotion", {
        "motion": start.out(), "mode": "by speed", "fps": p.MINI_FPS, "frames": p.MINI_FRAMES, "speed": 0.75,
        "interpolation": "linear",
    }, "Slower")  # fmt: skip
    blend = Node("ThreeDiMoBlendMotions", {
        "first": slow.out(), "second": end.out(), "weight": 0.0, "weight_end": 1.0, "align": "stretch",
    }, "One into the other")  # fmt: skip
    info = Node("ThreeDiMoMotionInfo", {"motion": blend.out()})
    tools = Group(
        "3 Tools",
        CAMERA,
        [[start, end], [slow, blend, info], [p.previewer(models, blend.out())]],
        """
The first half, slower, turns into the second half. Also there: *Loop*, *Reverse*, *Join* with a cross-fade, *Hold*, and
*Combine Body and Hands*.
""",
    )
    save = Node("ThreeDiMoSaveMotion", {
        "motion": blend.out(), "filename_prefix": "motions/blend", "if_exists": "replace",
        "model_3dimo": models.model_3dimo,
    })  # fmt: skip
    load = Node("ThreeDiMoLoadMotion", {"file": "(no motion saved yet)", "path": save.out(1)})
    shown = p.previewer(models, load.out(), "The file again")
    files = Group(
        "4 Save and load",
        PERSON,
        [[save, load], [shown]],
        """
A motion is one small file to share, in `output/motions/`. Files of others go into `input/motions/`: choose them in
*Load Motion* and take the wire from its `path`.
""",
    )
    about = "Trim, retime, blend, save and load a motion, and look at each step before anything is sampled."
    return Workflow("7_motion_tools", "Motion tools", about, [models.group, source.below(), tools, files])


def long_video() -> Workflow:
    unet = Node("UNETLoader", {"unet_name": p.I2V_14B["name"], "weight_dtype": "default"}, models=[p.I2V_14B])
    clip = Node("CLIPLoader", {"clip_name": p.UMT5["name"], "type": "wan", "device": "default"}, models=[p.UMT5])
    vae = Node("VAELoader", {"vae_name": p.VAE21["name"]}, models=[p.VAE21])
    vision = Node("CLIPVisionLoader", {"clip_name": p.CLIP_H["name"]}, models=[p.CLIP_H])
    loaded = Node("ThreeDiMoLoadModel", {"name": p.FOR_I2V_14B})
    note = "\n".join(["Files:", "", *map(p.source, (p.I2V_14B, p.UMT5, p.VAE21, p.CLIP_H)),
                      p.trained(p.FOR_I2V_14B, "Wan 2.1 I2V 14B 480p")])  # fmt: skip
    group = Group("1 Models", MODELS, [[unet, clip, vae, vision, loaded]], note)
    models = p.Models(group, unet.out(), clip.out(), vae.out(), loaded.out())
    motion, _, encode = p.video_motion(models)
    loop = Node("ThreeDiMoLoopMotion", {"motion": encode.out(), "frames": 241, "fade": 8, "ping_pong": False})
    motion.columns[0].append(loop)
    motion.note += "\nA motion that is too short is looped to 241 frames; longer ones are cut there."
    who, picture = p.person()
    seen = Node("CLIPVisionEncode", {"clip_vision": vision.out(), "image": picture.out(), "crop": "center"})
    who.columns[0].append(seen)
    text = p.camera(models, move="static", scene="A dancer in a bright studio.")
    no = p.negative(models, p.NEGATIVE)
    grid = p.latent(models, text, no, picture.out(), loop.out(), length=241, fps=16.0, clip_vision_output=seen.out())
    shift = p.shifted(models.model, 5.0)
    apply = p.applied(models, shift.out(), grid, loop.out())
    apply.inputs["fps"] = grid.out(3)
    windows = Node("WanContextWindowsManual", {
        "model": apply.out(), "context_length": 81, "context_overlap": 30, "context_schedule": "standard_uniform",
        "context_stride": 1, "closed_loop": False, "fuse_method": "pyramid", "freenoise": True,
        "retain_first_frame": True, "split_conds_to_windows": False,
    })  # fmt: skip
    sample = p.k_sampler(apply, windows.out(), grid, steps=20, cfg=5.0)
    video = p.native_video(
        models,
        grid,
        apply,
        [windows, sample],
        "3dimo_long",
        """
241 frames through **windows of 81**: memory stays that of 81 frames. Every window hears its own part of the motion, so
the movement goes on over the seams. `retain_first_frame` (newer hosts) keeps the person alike in every window.
""",
    )
    video.columns[0].insert(0, shift)
    about = "A long video through overlapping context windows, on Wan 2.1 I2V 14B."
    groups = [models.group, p.camera_group(text, no).below(), motion, who.below(), video]
    return Workflow("8_long_video_with_context_windows", "Long video with context windows", about, groups)


def lora_and_fp8() -> Workflow:
    models = p.ti2v_5b("fp8_e4m3fn")
    lora = Node("LoraLoaderModelOnly", {
        "model": models.model, "lora_name": "wan2.2_ti2v_5B_style.safetensors", "strength_model": 0.8,
    })  # fmt: skip
    models.group.columns[0].append(lora)
    models.group.note += """

- any LoRA for Wan 2.2 TI2V-5B → `models/loras/`: choose it in *Load LoRA*. Right-click → Bypass to go without.
- `weight_dtype` **fp8_e4m3fn** halves the memory of the video model; GGUF loaders of other packs work in its place.
"""
    models.model = lora.out()
    motion, _, encode = p.video_motion(models)
    who, picture = p.person()
    text = p.camera(models, move="zoom in", speed="slow", scene="A dancer at night, neon lights.")
    no = p.negative(models, p.NEGATIVE)
    grid = p.latent(models, text, no, picture.out(), encode.out())
    shift = p.shifted(models.model, 8.0)
    apply = p.applied(models, shift.out(), grid, encode.out())
    sample = p.k_sampler(apply, apply.out(), grid, steps=30, cfg=5.0)
    video = p.native_video(models, grid, apply, [sample], "3dimo_lora", _NATIVE)
    video.columns[0].insert(0, shift)
    about = "The same with a LoRA of your choice and the video model in fp8: Apply 3DiMo comes after both."
    groups = [models.group, p.camera_group(text, no).below(), motion, who.below(), video]
    return Workflow("9_with_a_lora_and_fp8", "With a LoRA and fp8 weights", about, groups)


ALL = (
    first_run, motion_transfer, three_cameras, novel_views, stabilise, another_way, motion_tools, long_video,
    lora_and_fp8,
)  # fmt: skip
