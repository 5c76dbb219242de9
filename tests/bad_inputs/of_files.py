"""Bad files on the command line, and what each gets."""

from __future__ import annotations

from .case import Case, Group, works

NO_VIDEO = "no frame is readable: not a video, or cut off before its index; copy or export it again"
TAKE_IT = "Export it again, or take what is left of it (allow_damaged; on the command line --allow-damaged)"
TOO_SHORT = "take a longer one, or hold its last pose with --frames 9 --hold-last"
NO_PICTURE = "not a picture in a known format; use PNG, JPEG or WebP"
HERE = "wan (width 32, 2 blocks, 4 latent channels, patch 1×2×2, 4 frames a latent)"
LOAD_THE_RIGHT_ONE = "load the backbone it was trained for, or an adapter of this backbone"
WAN_SOURCE = "Wan-AI/Wan2.2-TI2V-5B-Diffusers on huggingface.co"
SOURCES = f"{WAN_SOURCE} or hunyuanvideo-community/HunyuanVideo-1.5-480p_i2v on huggingface.co"
DIFFUSERS_FOLDER = f"give a diffusers folder, one with a model_index.json, such as a download of {SOURCES}"
HELP = "; `threedimo animate --help` lists what there is"

DRIVING = Group(
    "The driving video",
    "animate --driving {} --reference reference.png",
    (
        Case("no such file", "nowhere.mp4", "nowhere.mp4: there is no such file"),
        Case("a folder", "folder.mp4", "folder.mp4: this is a folder; name a file"),
        Case("0 bytes", "empty.mp4", "empty.mp4: the file is empty (0 bytes); copy or export it again"),
        Case("no frames", "no-frames.mkv", f"no-frames.mkv: {NO_VIDEO}"),
        works("1 frame (a picture)", "one-frame.mp4"),
        Case(
            "2 frames, 1 of them at the model's rate",
            "two-frames.mp4",
            f"the motion is too short (1 of at least 5 frames at 12 fps): {TOO_SHORT}",
        ),
        works("2 frames, held", "two-frames.mp4 --frames 9 --hold-last"),
        works("grayscale", "grayscale.mkv"),
        works("alpha", "with-alpha.mkv"),
        works("16 bits a channel", "16-bit.mkv"),
        works("1 × 1 px", "1x1.mkv"),
        works("2000 × 8 px", "very-wide.mkv"),
        works("a name in other scripts", "driver-ü-舞.mp4"),
        Case(
            "cut off",
            "cut-off.mp4",
            f"cut-off.mp4: the video is cut off: … frames, up to … s of 2.00 s, are readable, … packets are not. "
            f"{TAKE_IT}",
        ),
        works(
            "cut off, on purpose",
            "cut-off.mp4 --allow-damaged",
            "cut-off.mp4 is damaged: … frames, up to … s of 2.00 s, are readable, … packets are not; missing frames "
            "show "
            "their neighbours",
            (5, 32, 32),
        ),
        Case("cut off before its index", "no-index.mp4", f"no-index.mp4: {NO_VIDEO}"),
        Case(
            "a hole in the middle",
            "damaged.mp4",
            f"damaged.mp4: the video is damaged: … frames, up to … s, are readable, … packets are not. {TAKE_IT}",
        ),
        Case("a web page", "page.mp4", f"page.mp4: {NO_VIDEO}"),
        Case("a text", "notes.txt", "notes.txt: no frame is readable: it is a text, not a video"),
        Case("a motion file", "motion.safetensors", f"motion.safetensors: {NO_VIDEO}"),
        Case("sound alone", "sound-only.m4a", "sound-only.m4a: no frame is readable: it holds no video, only audio"),
        Case(
            "a song with its cover",
            "song-with-cover.m4a",
            "song-with-cover.m4a: no frame is readable: it holds no video, only audio, a cover",
        ),
        works("no sound, though it is to be kept", "grayscale.mkv --keep-audio", "grayscale.mkv has no sound to keep"),
        Case(
            "a start after its end",
            "driver.mp4 --start 99",
            "driver.mp4: start is 99 s, but the video is 2.00 s long; start sooner",
        ),
        Case(
            "a start before its beginning",
            "driver.mp4 --start -1",
            "driver.mp4: start is -1.0; expected seconds from 0 on",
        ),
    ),
)

REFERENCE = Group(
    "The reference image",
    "animate --reference {} --motion motion.safetensors",
    (
        Case("no such file", "nowhere.png", "nowhere.png: there is no such file"),
        Case("a folder", "model", "model: this is a folder; name a file"),
        Case("0 bytes", "empty.png", f"empty.png: {NO_PICTURE}"),
        Case("cut off", "cut-off.png", "cut-off.png: the picture is damaged or cut off (…)"),
        Case("a video", "driver.mp4", f"driver.mp4: {NO_PICTURE}"),
        Case("a PostScript program (EPS); it is not run", "drawing.eps", f"drawing.eps: {NO_PICTURE}"),
        Case(
            "a header of 60 000 × 60 000 px",
            "60000x60000.png",
            "60000x60000.png: over 357 megapixels are too large; scale it down first",
        ),
        works("grayscale", "grayscale.png"),
        works("alpha", "with-alpha.png"),
        works("16 bits", "16-bit.png"),
        works("CMYK", "cmyk.jpg"),
        works("floats, all NaN (read as black)", "nan.tiff"),
        works("1 × 1 px", "1x1.png"),
        works("8k (7680 × 4320 px)", "8k.jpg", shape=(9, 16, 32)),
        works("a name in other scripts", "人物.png"),
        Case(
            "2000 × 1 px",
            "1x2000.png",
            "the picture is 1 × 2000 px, longer than 4 : 1; crop it around the person first",
        ),
        works("2000 × 1 px, with a size", "1x2000.png --height 32 --width 32"),
    ),
)

MOTION = Group(
    "The motion file",
    "animate --motion {} --reference reference.png",
    (
        Case("no such file", "nowhere.safetensors", "nowhere.safetensors: there is no such file"),
        Case("a folder", "model", "model: this is a folder; name a file"),
        Case(
            "the motion of another encoder",
            "other-encoder.safetensors",
            "this motion was encoded by encoder 0123456789abcdef (3 body and 2 hand tokens of width 16), this adapter "
            "reads encoder … (3 body and 2 hand tokens of width 16): encode the driving video again with this adapter, "
            "or load the adapter the motion was made with",
        ),
        Case(
            "2 frames",
            "two-frames.safetensors",
            f"the motion is too short (2 of at least 5 frames at 12 fps): {TOO_SHORT}",
        ),
        Case(
            "cut off",
            "cut-off.safetensors",
            "cut-off.safetensors: cut off: tensors want 2898 bytes, the file has 2798; copy it again",
        ),
        Case(
            "0 bytes",
            "empty.safetensors",
            "empty.safetensors: too short for a safetensors file (0 bytes); the copy is incomplete",
        ),
        Case(
            "a pickle with another name; it is not run",
            "pickle.safetensors",
            "pickle.safetensors: not a safetensors file but a pickle. It was not opened.",
        ),
        Case(
            "a file of torch.save",
            "torch-pickle.safetensors",
            "torch-pickle.safetensors: not a safetensors file but a zip archive, as torch.save writes it (a pickle). "
            "It "
            "was not opened.",
        ),
        Case(
            "a Git LFS pointer",
            "git-lfs.safetensors",
            "git-lfs.safetensors: not a safetensors file but a Git LFS pointer; fetch the real file with `git lfs "
            "pull`. It was not opened.",
        ),
        Case(
            "tensors of another program",
            "of-others.safetensors",
            "of-others.safetensors: a safetensors file without 3DiMo's description; expected a 3DiMo motion_clip file",
        ),
        Case(
            "an adapter",
            "model/adapter.safetensors",
            "model/adapter.safetensors: holds a 3DiMo adapter; expected a 3DiMo motion_clip",
        ),
        Case("a video", "driver.mp4", "driver.mp4: not a safetensors file (no header at its start)"),
        Case(
            "NaN",
            "nan.safetensors",
            "nan.safetensors: tensor 'body' holds NaN or infinite values; the run that made it failed",
        ),
        works("truth values that are neither 0 nor 1 (read as true)", "neither-true-nor-false.safetensors"),
        Case(
            "one name twice",
            "same-name-twice.safetensors",
            "same-name-twice.safetensors: damaged: the header is no valid JSON: the name 'body' occurs twice",
        ),
        Case(
            "an absurd size",
            "absurd-size.safetensors",
            "absurd-size.safetensors: damaged: tensor 'body' of shape [99999999999, 3, 16] in 1728 bytes",
        ),
        Case(
            "a header of a terabyte",
            "huge-header.safetensors",
            "huge-header.safetensors: cut off: the header wants 1099511627776 bytes, the file has …; copy it again",
        ),
        Case(
            "0 frames a second",
            "fps-0.safetensors",
            "fps-0.safetensors: damaged motion file: fps is 0.0; expected a number above 0 and at most 1000, such as "
            "24",
        ),
        Case(
            "of a newer program",
            "newer.safetensors",
            "newer.safetensors: a motion_clip in format 9; this program reads up to format 1: update 3DiMo",
        ),
        Case(
            "a motion and a video",
            "motion.safetensors --driving driver.mp4",
            f"argument --driving: not allowed with argument --motion{HELP}",
        ),
        Case(
            "sound to keep",
            "motion.safetensors --keep-audio",
            "--keep-audio needs --driving: a motion file has no sound",
        ),
    ),
)

ADAPTER = Group(
    "The adapter",
    "animate --model {} --backbone model --motion motion.safetensors --reference reference.png",
    (
        Case("no such file", "nowhere.safetensors", "nowhere.safetensors: there is no such file"),
        Case("a folder without one", "folder.mp4", "folder.mp4/adapter.safetensors: there is no such file"),
        Case(
            "of the same family, of other sizes",
            "wider-adapter.safetensors",
            "this adapter was trained for the backbone wan (width 64, 2 blocks, 4 latent channels, patch 1×2×2, 4 "
            "frames "
            f"a latent), but the backbone given is {HERE}: {LOAD_THE_RIGHT_ONE}",
        ),
        Case(
            "of another family",
            "hunyuan-adapter.safetensors",
            "this adapter was trained for the backbone hunyuan_video15 (width 32, 2 blocks, 4 latent channels, patch "
            f"1×1×1, 4 frames a latent), but the backbone given is {HERE}: {LOAD_THE_RIGHT_ONE}",
        ),
        Case(
            "a motion file",
            "motion.safetensors",
            "motion.safetensors: holds a 3DiMo motion_clip; expected a 3DiMo adapter",
        ),
        Case(
            "weights without a description",
            "bare-weights.safetensors",
            "bare-weights.safetensors: a safetensors file without 3DiMo's description; expected a 3DiMo adapter file",
        ),
        Case(
            "cut off",
            "cut-off-adapter.safetensors",
            "cut-off-adapter.safetensors: cut off: tensors want … bytes, the file has …; copy it again",
        ),
        Case(
            "NaN weights",
            "nan-adapter.safetensors",
            "nan-adapter.safetensors: tensor 'encoder.body.out.weight' holds NaN or infinite values; the run that made "
            "it failed",
        ),
        Case(
            "weights changed by hand",
            "changed-adapter.safetensors",
            "changed-adapter.safetensors: its encoder is not the one its description names (…); the file was changed "
            "after it was made: fetch it again",
        ),
        Case(
            "a million layers",
            "absurd-adapter.safetensors",
            "absurd-adapter.safetensors: its description makes no sense: depth is 999999; in real models it is 0 to "
            "1000",
        ),
        Case(
            "a text for a number",
            "nonsense-adapter.safetensors",
            "nonsense-adapter.safetensors: its description makes no sense: InjectionConfig.rope_theta is 'x'; "
            "expected a "
            "number",
        ),
        Case(
            "an unknown setting",
            "unknown-setting-adapter.safetensors",
            "unknown-setting-adapter.safetensors: its description makes no sense: InjectionConfig does not know gate; "
            "it "
            "knows …",
        ),
    ),
)

BACKBONE = Group(
    "The backbone folder",
    "animate --backbone {} --model model --motion motion.safetensors --reference reference.png",
    (
        Case("no such folder", "nowhere", f"nowhere: there is no such folder; {DIFFUSERS_FOLDER}"),
        Case(
            "a single file",
            "model/adapter.safetensors",
            f"model/adapter.safetensors: this is a single file; {DIFFUSERS_FOLDER}",
        ),
        Case(
            "no model_index.json",
            "no-index",
            f"no-index/model_index.json is missing: a diffusers folder has one; get {SOURCES}",
        ),
        Case(
            "two pieces missing (one line a piece)",
            "no-vae",
            "no-vae: this Wan 2.2 TI2V folder is not complete:\n  - vae/ is missing (AutoencoderKLWan)\n"
            f"  - tokenizer/tokenizer_config.json is missing\nGet the missing files from {WAN_SOURCE}",
        ),
        Case(
            "cut-off weights",
            "cut-off-weights",
            "cut-off-weights: this Wan 2.2 TI2V folder is not complete:\n"
            "  - transformer/diffusion_pytorch_model.safetensors is damaged: cut off: tensors want … bytes, the file "
            "has "
            f"…; copy it again\nGet the missing files from {WAN_SOURCE}",
        ),
        Case(
            "NaN weights",
            "nan-weights",
            "frames hold NaN or infinite values; the sampler or the VAE overflowed, try bfloat16 or float32",
        ),
        Case(
            "the tokenizer of another model",
            "other-tokenizer",
            "other-tokenizer: tokenizer/ has … words, text_encoder/ knows …: they belong to different models; get both "
            f"from {WAN_SOURCE}",
        ),
        Case(
            "the VAE of another model",
            "other-vae",
            f"this adapter was trained for the backbone {HERE}, but the backbone given is "
            f"{HERE.replace('4 latent channels', '8 latent channels')}: {LOAD_THE_RIGHT_ONE}",
        ),
        Case(
            "a text-to-video Wan",
            "text-to-video",
            "text-to-video: its model_index.json says expand_timesteps = False, Wan 2.2 TI2V has True: this is another "
            "model of the same class. Wan's text-to-video models take no reference image, its 14B image-to-video "
            "models "
            f"take it another way; get {WAN_SOURCE}",
        ),
    ),
)

GROUPS = (DRIVING, REFERENCE, MOTION, ADAPTER, BACKBONE)
