"""Save and Load Motion: motions as small files that people share, below the host's output and input folders."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.latest import io, ui
from torch import Tensor

from ..threedimo_core.decoded_pose import decode_pose
from ..threedimo_core.driving import as_frames, to_pixels
from ..threedimo_core.images import write_image
from ..threedimo_core.motion_clip import KIND, MotionClip
from ..threedimo_core.paths import resolve_inside
from ..threedimo_core.safe_file import TensorFileError, read_header
from ..threedimo_core.thumbnails import frames_strip, pose_strip
from .encode import describe_motion
from .holding import LoadedModel, bring
from .reporting import shown_text
from .types import CATEGORY, Model3DiMo, Motion

SUFFIX, THUMBNAIL = ".safetensors", ".jpg"
FOLDER = "motions"
NUMBER, REPLACE = "add a number", "replace"
NO_FILE = "(no motion saved yet)"
_OUTPUT, _INPUT = " [output]", " [input]"
_SUFFIX_HINT = "Files lie in output/motions and input/motions."


class SaveMotion(io.ComfyNode):
    """MOTION → a .safetensors file in the output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoSaveMotion",
            display_name="Save Motion",
            category=CATEGORY,
            description="Saves a motion as one small file to share and to use again without the video.",
            inputs=[
                Motion.Input("motion", tooltip="The motion to save."),
                io.String.Input("filename_prefix", default=f"{FOLDER}/motion",
                                tooltip="Name below ComfyUI's output folder; Load Motion finds files in motions/. "
                                "%year%, %month% and so on are filled in."),
                io.Combo.Input("if_exists", options=[NUMBER, REPLACE], default=NUMBER,
                               tooltip="add a number: motion_00001, motion_00002 ..., nothing is overwritten. replace: "
                               "exactly this name, an older file is replaced."),
                io.Image.Input("thumbnail", optional=True,
                               tooltip="Pictures for a thumbnail beside the file, such as the driving video. They show "
                               "whom you filmed: leave this open to share the motion alone."),
                Model3DiMo.Input("model_3dimo", optional=True,
                                 tooltip="Draws the thumbnail as a figure, where no pictures are connected."),
            ],
            outputs=[
                Motion.Output(display_name="motion", tooltip="The same motion, to go on with."),
                io.String.Output(display_name="file", tooltip="Name of the saved file, for the path of Load Motion."),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        motion: MotionClip,
        filename_prefix: str,
        if_exists: str,
        thumbnail: Tensor | None = None,
        model_3dimo: LoadedModel | None = None,
    ) -> io.NodeOutput:
        folder, name, subfolder = output_place(filename_prefix, if_exists)
        path = motion.save(folder / f"{name}{SUFFIX}")
        picture = draw_thumbnail(motion, thumbnail, model_3dimo)
        text = f"{path.name}, {path.stat().st_size / 1024:.0f} KiB\n{describe_motion(motion)}"
        file = f"{Path(subfolder, path.name).as_posix()}{_OUTPUT}"
        beside = path.with_suffix(THUMBNAIL)
        if picture is None:
            beside.unlink(missing_ok=True)  # a replaced motion must not keep the old one's picture
            return io.NodeOutput(motion, file, ui=shown_text(text))
        write_image(beside, picture)
        shown = ui.SavedImages([ui.SavedResult(beside.name, subfolder, io.FolderType.output)])
        return io.NodeOutput(motion, file, ui=shown_text(text, shown))


class LoadMotion(io.ComfyNode):
    """A motion file → MOTION."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoLoadMotion",
            display_name="Load Motion",
            category=CATEGORY,
            description=f"Loads a motion that was saved or shared. {_SUFFIX_HINT}",
            inputs=[
                io.Combo.Input("file", options=motion_files() or [NO_FILE],
                               tooltip=f"The motion. {_SUFFIX_HINT} Press R to look for new ones."),
                io.String.Input("path", optional=True, force_input=True,
                                tooltip="Instead of the list: a name below the input folder, or below the output "
                                "folder with ' [output]' behind it, as Save Motion gives it."),
            ],
            outputs=[
                Motion.Output(display_name="motion", tooltip="The motion."),
                io.Float.Output(display_name="fps", tooltip="Frames a second of the motion."),
                io.Int.Output(display_name="frames", tooltip="Number of frames."),
            ],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, file: str, path: str | None = None) -> bool | str:
        # Naming `file` here also lifts the host's own check: a motion saved a minute ago is not yet in its list.
        if path is not None or file == NO_FILE:
            return True  # told when it runs; a node that is not needed should not stop the rest
        try:
            motion_path(file)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, file: str, path: str | None = None) -> str:
        try:
            found = motion_path(path or file)
            return hashlib.sha256(found.read_bytes()).hexdigest()
        except (ValueError, OSError):
            return ""

    @classmethod
    def execute(cls, file: str, path: str | None = None) -> io.NodeOutput:
        found = motion_path(path or file)
        motion = MotionClip.load(found)
        text = shown_text(describe_motion(motion))
        picture = found.with_suffix(THUMBNAIL)
        if picture.is_file():
            text |= _shown_picture(picture, path or file)
        return io.NodeOutput(motion, motion.fps, motion.num_frames, ui=text)


def output_place(prefix: str, if_exists: str) -> tuple[Path, str, str]:
    """Folder, file name without suffix, and subfolder below the output folder; PathError for names that leave it."""
    output = folder_paths.get_output_directory()
    resolve_inside(output, prefix.removesuffix(SUFFIX))
    folder, name, _, subfolder, _ = folder_paths.get_save_image_path(prefix.removesuffix(SUFFIX), output)
    return Path(folder), name if if_exists == REPLACE else numbered(Path(folder), name), subfolder


def numbered(folder: Path, name: str) -> str:
    """`name` with the number behind the highest in the folder, whatever the suffix."""
    # The host's own count passes over names without "_" behind the number in older versions (0.8.0).
    pattern = re.compile(re.escape(name) + r"_(\d{5,})", re.IGNORECASE)
    taken = [int(found[1]) for path in folder.iterdir() if (found := pattern.fullmatch(path.stem))]
    return f"{name}_{max(taken, default=0) + 1:05}"


def draw_thumbnail(motion: MotionClip, pictures: Tensor | None, model: LoadedModel | None) -> Any | None:
    """uint8 [H, W, 3]: a few of the pictures, else the motion as a figure, else None."""
    if pictures is not None:
        return frames_strip(to_pixels(as_frames(pictures)))
    if model is None or model.adapter.decoder is None:
        return None
    model.adapter.check_clip(motion)
    bring(model.decoder)
    return pose_strip(decode_pose(model.adapter.decoder, motion))


def motion_files() -> list[str]:
    """Names as Load Motion lists them: motions below output/motions, then below input/motions."""
    places = ((folder_paths.get_output_directory(), _OUTPUT), (folder_paths.get_input_directory(), ""))
    names = []
    for root, mark in places:
        for path in sorted(Path(root, FOLDER).rglob(f"*{SUFFIX}")):
            if _is_motion(path):
                names.append(f"{path.relative_to(root).as_posix()}{mark}")
    return names


def motion_path(name: str) -> Path:
    """The file that a name from the list or from Save Motion means; PathError or TensorFileError say what is wrong."""
    if not name or name == NO_FILE:
        raise TensorFileError(f"no motion file is chosen. {_SUFFIX_HINT} Save one with Save Motion, or copy one there")
    root, bare = folder_paths.get_input_directory(), name
    for mark, place in ((_OUTPUT, folder_paths.get_output_directory), (_INPUT, folder_paths.get_input_directory)):
        if name.endswith(mark):
            root, bare = place(), name.removesuffix(mark)
    path = resolve_inside(root, bare, SUFFIX)
    if not path.is_file():
        raise TensorFileError(
            f"there is no motion file {bare} in {Path(root).name}; choose another one, or save it again"
        )
    return path


def _is_motion(path: Path) -> bool:
    try:
        return read_header(path).info.get("kind") == KIND
    except (ValueError, OSError):
        return False  # foreign or broken files are not listed; loading one by name says why


def _shown_picture(path: Path, name: str) -> dict[str, Any]:
    """The thumbnail as the host shows pictures of a node."""
    folder = io.FolderType.output if name.endswith(_OUTPUT) else io.FolderType.input
    bare = name.removesuffix(_OUTPUT).removesuffix(_INPUT)
    subfolder = Path(bare.replace("\\", "/")).parent.as_posix()
    return ui.SavedImages([ui.SavedResult(path.name, "" if subfolder == "." else subfolder, folder)]).as_dict()


NODES = [SaveMotion, LoadMotion]
