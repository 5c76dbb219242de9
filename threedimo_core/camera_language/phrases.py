"""The phrases that captions are written with. The parser is built from these same tables (lexicon.py), so a
phrase exists once; what is only understood, never written, is in synonyms.py.

A hyphen binds words on paper only ("front-right"): to the parser and the tokenizer it is a space.
"""

from __future__ import annotations

from .prompt import MoveKind, Speed

_K = MoveKind

# How each wording says a move: verb in its base form, then the direction. Index = wording, modulo the length.
MOVE_PHRASES: dict[MoveKind, tuple[str, ...]] = {
    _K.STATIC: ("remain static", "stay still", "hold a fixed position", "do not move"),
    _K.HANDHELD_STATIC: (
        "remain static with handheld shake",
        "stay still with handheld shake",
        "hold a handheld position",
        "remain handheld and static",
    ),
    _K.MOVE_FORWARD: ("move forward", "travel forward", "push in", "dolly in"),
    _K.MOVE_BACK: ("move back", "travel backward", "pull away", "dolly out"),
    _K.MOVE_LEFT: ("move left", "travel to the left", "truck left", "slide to the left"),
    _K.MOVE_RIGHT: ("move right", "travel to the right", "truck right", "slide to the right"),
    _K.MOVE_UP: ("move up", "travel upward", "move upward", "pedestal up"),
    _K.MOVE_DOWN: ("move down", "travel downward", "move downward", "pedestal down"),
    _K.ZOOM_IN: ("zoom in", "zoom in closer", "zoom in", "zoom inward"),
    _K.ZOOM_OUT: ("zoom out", "zoom out wider", "zoom out", "zoom outward"),
    _K.RAPID_ZOOM_IN: ("rapidly zoom in", "zoom in rapidly", "crash-zoom in", "perform a rapid zoom in"),
    _K.RAPID_ZOOM_OUT: ("rapidly zoom out", "zoom out rapidly", "crash-zoom out", "perform a rapid zoom out"),
    _K.HANDHELD_ZOOM_IN: (
        "zoom in with handheld shake",
        "perform a handheld zoom in",
        "zoom in closer with handheld shake",
        "perform a shaky handheld zoom in",
    ),
    _K.AERIAL_PULL_OUT: (
        "perform an aerial pull-out",
        "pull out into the air",
        "fly up and away",
        "pull away into the air",
    ),
    # In and out are where the camera travels; the lens does the opposite.
    _K.VERTIGO_IN: (
        "dolly-zoom in",
        "perform a vertigo in",
        "perform a vertigo effect inward",
        "perform a dolly-zoom in",
    ),
    _K.VERTIGO_OUT: (
        "dolly-zoom out",
        "perform a vertigo out",
        "perform a vertigo effect outward",
        "perform a dolly-zoom out",
    ),
    _K.DYNAMIC_ZOOM_SWING: (
        "perform a dynamic zoom swing",
        "swing with a dynamic zoom",
        "zoom in and out while swinging",
        "swing around with a dynamic zoom",
    ),
    _K.ARC_LEFT: ("arc left", "arc to the left", "curve left", "swing to the left"),
    _K.ARC_RIGHT: ("arc right", "arc to the right", "curve right", "swing to the right"),
    _K.ORBIT_LEFT: (
        "orbit left",
        "rotate in a circular path around the subject to the left",
        "circle to the left",
        "orbit around the subject to the left",
    ),
    _K.ORBIT_RIGHT: (
        "orbit right",
        "rotate in a circular path around the subject to the right",
        "circle to the right",
        "orbit around the subject to the right",
    ),
    _K.PAN_LEFT: ("pan left", "pan to the left", "turn left", "swivel to the left"),
    _K.PAN_RIGHT: ("pan right", "pan to the right", "turn right", "swivel to the right"),
    _K.TILT_UP: ("tilt up", "tilt upward", "look up", "tilt up"),
    _K.TILT_DOWN: ("tilt down", "tilt downward", "look down", "tilt down"),
    _K.RISE: ("rise", "crane up", "climb", "boom up"),
    _K.DESCEND: ("descend", "crane down", "sink", "boom down"),
}
# Base form: (third person, -ing form). Every phrase above holds one of these; the first one is inflected.
VERB_FORMS: dict[str, tuple[str, str]] = {
    "remain": ("remains", "remaining"),
    "stay": ("stays", "staying"),
    "hold": ("holds", "holding"),
    "do": ("does", "doing"),
    "move": ("moves", "moving"),
    "travel": ("travels", "traveling"),
    "push": ("pushes", "pushing"),
    "pull": ("pulls", "pulling"),
    "dolly": ("dollies", "dollying"),
    "truck": ("trucks", "trucking"),
    "slide": ("slides", "sliding"),
    "pedestal": ("pedestals", "pedestaling"),
    "zoom": ("zooms", "zooming"),
    "crash-zoom": ("crash-zooms", "crash-zooming"),
    "perform": ("performs", "performing"),
    "fly": ("flies", "flying"),
    "dolly-zoom": ("dolly-zooms", "dolly-zooming"),
    "swing": ("swings", "swinging"),
    "arc": ("arcs", "arcing"),
    "curve": ("curves", "curving"),
    "orbit": ("orbits", "orbiting"),
    "rotate": ("rotates", "rotating"),
    "circle": ("circles", "circling"),
    "pan": ("pans", "panning"),
    "turn": ("turns", "turning"),
    "swivel": ("swivels", "swiveling"),
    "tilt": ("tilts", "tilting"),
    "look": ("looks", "looking"),
    "rise": ("rises", "rising"),
    "crane": ("cranes", "craning"),
    "climb": ("climbs", "climbing"),
    "boom": ("booms", "booming"),
    "descend": ("descends", "descending"),
    "sink": ("sinks", "sinking"),
}
# The words of each direction; the first ones are written, all are understood.
DIRECTION_PHRASES: dict[str, tuple[str, ...]] = {
    "left": ("left", "to the left", "leftward", "leftwards", "towards the left", "toward the left"),
    "right": ("right", "to the right", "rightward", "rightwards", "towards the right", "toward the right"),
    "up": ("up", "upward", "upwards"),
    "down": ("down", "downward", "downwards"),
    "forward": ("forward", "forwards", "toward the subject", "towards the subject", "closer"),
    "back": ("back", "backward", "backwards", "away", "away from the subject"),
    "in": ("in", "inward", "in closer", "inwards"),
    "out": ("out", "outward", "out wider", "outwards", "wider"),
    "clockwise": ("clockwise",),
    "counterclockwise": ("counterclockwise", "anticlockwise", "counter clockwise", "anti clockwise"),
}
SPEED_WORDS: dict[Speed, tuple[str, ...]] = {
    Speed.SLOW: ("slowly", "gently", "slow", "gradually"),
    Speed.QUICK: ("quickly", "swiftly", "quick", "briskly"),
}
AZIMUTH_PHRASES: tuple[str, ...] = (
    "{} view",
    "view from the {}",
    "seen from the {}",
    "seen from the {} side",
    "shot from the {}",
)
ELEVATION_PHRASES: dict[str, tuple[str, ...]] = {
    "low angle": ("low angle", "at a low angle", "from a low angle", "low camera angle"),
    "eye level": ("eye level", "at eye level", "from eye level", "eye-level camera angle"),
    "high angle": ("high angle", "at a high angle", "from a high angle", "high camera angle"),
}
FRAMING_PHRASES: dict[str, tuple[str, ...]] = {
    "full body": ("full body", "full body shot", "showing the full body", "full body framing"),
    "knee": ("knees up", "knee shot", "framed from the knees up", "knee framing"),
    "waist": ("waist up", "waist shot", "framed from the waist up", "waist framing"),
}
