"""Demo Inputs: the driving video and the reference that ship with the pack, so that a first graph needs no files."""

from __future__ import annotations

from comfy_api.latest import io
from einops import rearrange

from ..threedimo_core.bundled import demo_input
from ..threedimo_core.images import frames_to_tensor, read_image
from ..threedimo_core.video import read_video
from .types import CATEGORY

# Driving video and reference by name: the driver seen from the front left, and another one from behind.
PAIRS = {
    "from the front left": ("driving.mp4", "reference.png"),
    "from behind": ("driving_behind.mp4", "reference_behind.png"),
}


class DemoInputs(io.ComfyNode):
    """A choice of driver → driving video, its fps, reference image."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoDemoInputs",
            display_name="3DiMo Demo Inputs",
            category=CATEGORY,
            description="A rendered driving video and a reference image of another person that ship with 3DiMo. For "
            "your own, use Load Video with Get Video Components, and Load Image.",
            inputs=[
                io.Combo.Input("driver", options=list(PAIRS), default=next(iter(PAIRS)), optional=True,
                               tooltip="From which side the driver is filmed. The reference shows another person from "
                               "the front either way, in the pose of the first frame."),
            ],
            outputs=[
                io.Image.Output(display_name="driving_video", tooltip="The frames of the driving video."),
                io.Float.Output(display_name="fps", tooltip="Frames a second of the driving video."),
                io.Image.Output(display_name="reference", tooltip="The person to animate."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, driver: str = next(iter(PAIRS))) -> io.NodeOutput:
        driving, shown = PAIRS[driver]
        video = read_video(demo_input(driving))
        frames = rearrange(frames_to_tensor(video.frames), "t c h w -> t h w c").contiguous()
        picture = frames_to_tensor(read_image(demo_input(shown)))
        reference = rearrange(picture, "c h w -> 1 h w c").contiguous()
        return io.NodeOutput(frames, video.fps, reference)


NODES = [DemoInputs]
