"""Camera Prompt: the camera language from menus and free text."""

from __future__ import annotations

from comfy_api.latest import io

from ..threedimo_core.camera_language import (
    AZIMUTH_DEGREES,
    ELEVATION_DEGREES,
    FRAMINGS,
    MEANINGS,
    MenuMove,
    Menus,
    MoveKind,
    Speed,
    compose,
    describe,
    write,
)
from .reporting import shown_text
from .types import CATEGORY

UNSAID, NO_MOVE = "not said", "none"
MOVES = {kind.label: kind for kind in MoveKind}


class CameraPrompt(io.ComfyNode):
    """Menus and free text → STRING for any text encoder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ThreeDiMoCameraPrompt",
            display_name="Camera Prompt",
            category=CATEGORY,
            description="Directs the camera in words that 3DiMo models are trained with, and shows what it understood. "
            "Connect the prompt to a text encoder.",
            inputs=[
                io.Combo.Input("move", options=list(MOVES), default=MoveKind.STATIC.label,
                               tooltip="What the camera does. Left and right are the camera's own: an arc left travels "
                               "to its left around the person."),
                _speed("speed", "How fast the move is. Rapid zooms and a still camera have no speed."),
                _angle("angle", "Degrees of the whole turn, for arcs, orbits, pans and tilts; 0 leaves it open (an "
                       "orbit is then a full circle)."),
                io.Combo.Input("second_move", options=[NO_MOVE, *MOVES], default=NO_MOVE,
                               tooltip="A move at the same time, such as rise with an arc. Two that set the same thing "
                               "(arc left and move right) are refused."),
                _speed("second_speed", "How fast the second move is."),
                _angle("second_angle", "Degrees of the second move; 0 leaves it open."),
                io.Combo.Input("view", options=[UNSAID, *AZIMUTH_DEGREES], default="front",
                               tooltip="From which side the reference image shows the person, told by the person: left "
                               "sees their left side. Training captions always say it."),
                io.Combo.Input("elevation", options=[UNSAID, *ELEVATION_DEGREES], default=UNSAID,
                               tooltip="How high the camera of the reference image stands."),
                io.Combo.Input("framing", options=[UNSAID, *FRAMINGS], default=UNSAID,
                               tooltip="How much of the person the reference image shows: up to the knees, the waist "
                               "or all of them."),
                io.String.Input("text", default="", multiline=True,
                                tooltip="The camera in your own words, such as 'slow dolly in from the left'. What it "
                                "says wins over the menus, part by part."),
                io.String.Input("scene", default="", multiline=True,
                                tooltip="The person and the place in your own words; added behind the camera's "
                                "sentences as it is. The bundled mini does not read it."),
            ],
            outputs=[
                io.String.Output(display_name="prompt", tooltip="For the text encoder (CLIP Text Encode)."),
                io.String.Output(display_name="understood", tooltip="What each part does, and what was not "
                                 "understood."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        move: str,
        speed: str,
        angle: float,
        second_move: str,
        second_speed: str,
        second_angle: float,
        view: str,
        elevation: str,
        framing: str,
        text: str,
        scene: str,
    ) -> io.NodeOutput:
        moves = [MenuMove(MOVES[move], Speed(speed), angle)]
        if second_move != NO_MOVE:
            moves.append(MenuMove(MOVES[second_move], Speed(second_speed), second_angle))
        menus = Menus(tuple(moves), _said(view), _said(elevation), _said(framing))
        parsed = compose(menus, text)
        prompt = " ".join(part for part in (write(parsed.prompt), scene.strip()) if part)
        report = describe(parsed)
        return io.NodeOutput(prompt, report, ui=shown_text(report))


def move_meanings() -> str:
    """A Markdown table of the moves, for the docs page."""
    rows = [f"| {kind.label} | {MEANINGS[kind]} |" for kind in MoveKind]
    return "\n".join(["| move | what it does |", "|---|---|", *rows])


def _speed(name: str, tooltip: str) -> io.Combo.Input:
    return io.Combo.Input(name, options=[s.value for s in Speed], default=Speed.NORMAL.value, tooltip=tooltip)


def _angle(name: str, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=0.0, min=0.0, max=360.0, step=5.0, round=0.1, tooltip=tooltip)


def _said(choice: str) -> str | None:
    return None if choice == UNSAID else choice


NODES = [CameraPrompt]
