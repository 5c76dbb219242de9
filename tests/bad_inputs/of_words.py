"""Bad words, numbers and places on the command line, and what each gets."""

from __future__ import annotations

from .case import Case, Group, works

MOTION = "--motion motion.safetensors --reference reference.png"
HELP = "; `threedimo animate --help` lists what there is"
OFF_GRID = "does not fit this backbone, whose sides are multiples of 16: use"
PHRASES = "docs/camera_language.md lists the phrases"

CAMERA = Group(
    "The camera",
    f"animate --camera {{}} {MOTION}",
    (
        works("nothing", "''"),
        Case("unknown words alone", "wobble", f"--camera, not understood: 'wobble'; {PHRASES}"),
        Case("another language", "'镜头向左'", f"--camera, not understood: '镜头向左'; {PHRASES}"),
        works(
            "unknown words beside known ones",
            "'arc left, then a unicorn dances'",
            "camera, not understood: 'unicorn dances'",
        ),
        works(
            "a contradiction: the first is taken",
            "'zoom in and zoom out'",
            "camera, not understood: 'zoom out': 'zoom in' and 'zoom out' cannot run at the same time: both set the "
            "camera's zoom",
        ),
        works(
            "two views: the first is taken",
            "'front view, back view'",
            "camera, not understood: 'back view': the azimuth is already 'front'",
        ),
        works(
            "three moves: two are taken",
            "'pan left, tilt up, zoom in'",
            "camera, not understood: 'zoom in': a camera prompt has at most two moves",
        ),
        works(
            "an impossible angle: left out",
            "'arc left 900 degrees'",
            "camera, not understood: 'arc left 900 degrees': 'arc left' takes an angle above 0 and up to 180 degrees "
            "(900.0 given)",
        ),
    ),
)

NUMBERS = Group(
    "Numbers and switches",
    f"animate {{}} {MOTION}",
    (
        Case("no frames", "--frames 0", "0 frames were asked for; use at least 1, for example 17"),
        Case("fewer than none", "--frames -4", "-4 frames were asked for; use at least 1, for example 17"),
        works("one frame", "--frames 1", shape=(1, 32, 32)),
        Case(
            "not 4n + 1",
            "--frames 8",
            "8 frames do not fit this backbone, whose counts are 4n + 1: use 5 or 9",
        ),
        Case(
            "longer than the motion",
            "--frames 121",
            "121 frames were asked for, but the motion has 9 at 12 fps: ask for 9 or fewer, or let the last pose be "
            "held",
        ),
        Case(
            "more than the backbone has positions for",
            "--frames 100001 --hold-last",
            "100001 frames of 32 × 32 px are more than this backbone has positions for: at most 253 frames and 1024 "
            "px a "
            "side",
        ),
        Case("no size", "--height 0 --width 0", f"0 × 0 (height × width) {OFF_GRID} 16 × 16"),
        Case("a size off the grid", "--height 40 --width 40", f"40 × 40 (height × width) {OFF_GRID} 48 × 48"),
        Case("half a size", "--height 32", "height is 32, width is None: give both, or neither"),
        Case(
            "a size larger than the backbone's",
            "--height 8192 --width 8192",
            "9 frames of 8192 × 8192 px are more than this backbone has positions for: at most 253 frames and 1024 px "
            "a "
            "side",
        ),
        Case(
            "a size larger than any",
            "--height 65536 --width 65536",
            "65536 × 65536 is larger than any backbone takes; keep each side within 8192",
        ),
        Case("no frames a second", "--fps 0", "fps is 0.0; expected a number above 0 and at most 1000, such as 24"),
        Case(
            "frames a second that are no number",
            "--fps nan",
            "fps is nan; expected a number above 0 and at most 1000, such as 24",
        ),
        Case("no steps", "--steps 0", "steps is 0; expected a whole number from 1 to 1000, such as 30"),
        Case("fewer than none", "--steps -3", "steps is -3; expected a whole number from 1 to 1000, such as 30"),
        Case(
            "a million steps", "--steps 1000000", "steps is 1000000; expected a whole number from 1 to 1000, such as 30"
        ),
        Case("steps in words", "--steps many", f"argument --steps: invalid int value: 'many'{HELP}"),
        Case(
            "a negative scale",
            "--guidance -1",
            "text_scale is -1.0; expected a number from 0 to 100 (1 is no guidance)",
        ),
        Case(
            "an infinite scale",
            "--motion-guidance inf",
            "motion_scale is inf; expected a number from 0 to 100 (1 is no guidance)",
        ),
        Case(
            "a strength that is no number",
            "--strength nan",
            "strength is nan; expected a number from 0 to 10 (1 is as trained)",
        ),
        works("a negative seed", "--seed -1"),
        works("a seed of 23 digits", "--seed 99999999999999999999999"),
        Case("a seed in letters", "--seed abc", f"argument --seed: invalid int value: 'abc'{HELP}"),
        Case(
            "an unknown device",
            "--device toaster",
            "--device toaster cannot be used here: …. --device cpu always works",
        ),
        Case("an unknown type", "--dtype int8", f"argument --dtype: invalid choice: 'int8' (choose from …){HELP}"),
        Case(
            "no such pose model",
            "--pose-model nowhere.task",
            "nowhere.task: there is no such file",
        ),
        Case("a typing error", "--sede 3", "unrecognized arguments: --sede 3; `threedimo --help` lists what there is"),
    ),
)

OUT = Group(
    "Where the video goes",
    f"animate --out {{}} {MOTION}",
    (
        works("a folder that is not there: it is made", "new/folder/out.mp4"),
        works("a name in other scripts", "'舞 踊.mp4'"),
        works("a name of 250 bytes", "'" + "舞" * 82 + ".mp4'"),
        works("a name like an address", "a:b.mp4"),
        Case("no name", "''", "--out .: videos are written as .mp4, .mov, .mkv; change the suffix"),
        Case("another suffix", "out.avi", "--out out.avi: videos are written as .mp4, .mov, .mkv; change the suffix"),
        Case("a folder", "folder.mp4", "--out folder.mp4: this is a folder; name a file in it"),
        Case(
            "a file as its folder",
            "driver.mp4/out.mp4",
            "--out driver.mp4/out.mp4: driver.mp4 is a file, not a folder; name another place",
        ),
    ),
)

USES = Group(
    "What goes together",
    "animate {}",
    (
        Case(
            "nothing at all",
            "",
            "name the motion: --driving VIDEO, --motion FILE, or --novel-view (the reference's own pose)",
        ),
        Case("no reference", "--driving driver.mp4", "name the person to animate: --reference IMAGE"),
        Case(
            "the result in the driving video's place",
            "--driving driver.mp4 --reference reference.png --out driver.mp4",
            "--out: driver.mp4 is one of the inputs and would be overwritten; name another file",
        ),
        Case(
            "a steady video of another person",
            "--stabilise --driving driver.mp4 --reference reference.png",
            "--stabilise takes --driving alone: its first frame is the reference, and the camera remains static",
        ),
        Case(
            "a steady video, very wide",
            "--stabilise --driving very-wide.mkv",
            "the picture is 3 × 768 px, longer than 4 : 1; crop it around the person first",
        ),
        works("a steady video of 1 × 1 px", "--stabilise --driving 1x1.mkv"),
        Case(
            "an adapter without its backbone",
            f"--model model/adapter.safetensors {MOTION}",
            "model/adapter.safetensors was trained for the backbone wan (width 32, 2 blocks, 4 latent channels, patch "
            "1×2×2, 4 frames a latent): name its diffusers folder with --backbone",
        ),
    ),
)

ENCODE = Group(
    "Encoding",
    "encode {}",
    (
        Case("no such file", "nowhere.mp4", "nowhere.mp4: there is no such file"),
        Case("a folder", "folder.mp4", "folder.mp4: this is a folder; name a file"),
        Case("sound alone", "sound-only.m4a", "sound-only.m4a: no frame is readable: it holds no video, only audio"),
        Case(
            "no frames",
            "driver.mp4 --frames 0",
            "driver.mp4: max_frames is 0; ask for at least 1, or leave it out for all",
        ),
        Case(
            "a negative rate",
            "driver.mp4 --fps -1",
            "driver.mp4: fps is -1.0; expected above 0 and at most 1000; without it the file's own",
        ),
        Case(
            "another suffix",
            "driver.mp4 --out motion.pt",
            "--out motion.pt: motion files are written as .safetensors; change the suffix",
        ),
        Case(
            "a file as its folder",
            "driver.mp4 --out driver.mp4/motion.safetensors",
            "--out driver.mp4/motion.safetensors: driver.mp4 is a file, not a folder; name another place",
        ),
    ),
)

INFO = Group(
    "Looking into files",
    "info {}",
    (
        Case("no such file", "nowhere", "nowhere: there is no such file or folder"),
        Case(
            "a text",
            "notes.txt",
            "notes.txt: neither a picture, a video, a motion file nor an adapter can be read from it",
        ),
        Case("a damaged picture", "cut-off.png", "cut-off.png: the picture is damaged or cut off (…)"),
        Case(
            "a pickle with another name; it is not run",
            "pickle.safetensors",
            "pickle.safetensors: not a safetensors file but a pickle. It was not opened.",
        ),
        Case(
            "tensors of another program",
            "of-others.safetensors",
            "of-others.safetensors: neither a motion file nor an adapter of 3DiMo (its kind is None)",
        ),
        Case(
            "nothing",
            "",
            "the following arguments are required: FILE; `threedimo info --help` lists what there is",
        ),
    ),
)

COMMANDS = Group(
    "Commands",
    "{}",
    (
        Case(
            "no such command",
            "dance",
            "argument command: invalid choice: 'dance' (choose from …); `threedimo --help` lists what there is",
        ),
        Case(
            "a file as the demo's folder",
            "demo --out driver.mp4",
            "--out driver.mp4: driver.mp4 is a file, not a folder; name another place",
        ),
    ),
)

GROUPS = (CAMERA, NUMBERS, USES, OUT, ENCODE, INFO, COMMANDS)
