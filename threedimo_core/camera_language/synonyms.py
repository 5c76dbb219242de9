"""What the parser understands beyond the written phrases: the words of film sets, of other tools, and of
people in a hurry. Nothing here is ever written, so the mini model's vocabulary does not grow with it.

A hyphen counts as a space here too.
"""

from __future__ import annotations

from .prompt import MoveKind, Speed

_K = MoveKind
_TRUCK = {"left": _K.MOVE_LEFT, "right": _K.MOVE_RIGHT}
_DEPTH = {"forward": _K.MOVE_FORWARD, "back": _K.MOVE_BACK}
_LIFT = {"up": _K.MOVE_UP, "down": _K.MOVE_DOWN}
_CRANE = {"up": _K.RISE, "down": _K.DESCEND}
_RISE, _DESCEND = {"up": _K.RISE}, {"down": _K.DESCEND}
_DOLLY = {**_TRUCK, **_DEPTH}
_JIB = {**_CRANE, **_TRUCK}
_MOVE = {**_TRUCK, **_DEPTH, **_LIFT}
_PAN = {"left": _K.PAN_LEFT, "right": _K.PAN_RIGHT}
# "Pan up" is what most people call a tilt.
_TURN = {**_PAN, "up": _K.TILT_UP, "down": _K.TILT_DOWN}
_ARC = {"left": _K.ARC_LEFT, "right": _K.ARC_RIGHT}
_ORBIT = {"left": _K.ORBIT_LEFT, "right": _K.ORBIT_RIGHT}
_ZOOM = {"in": _K.ZOOM_IN, "out": _K.ZOOM_OUT}
_RAPID = {"in": _K.RAPID_ZOOM_IN, "out": _K.RAPID_ZOOM_OUT}
_VERTIGO = {"in": _K.VERTIGO_IN, "out": _K.VERTIGO_OUT}

# Verb: what it does in each direction.
VERBS: dict[str, dict[str, MoveKind]] = {
    **dict.fromkeys(("move", "movement", "motion", "travel", "go", "fly", "glide", "float", "drift"), _MOVE),
    **dict.fromkeys(("shift", "come", "step", "walk", "get", "drone", "translate"), _MOVE),
    **dict.fromkeys(("dolly", "track", "slide", "truck"), _DOLLY),
    **dict.fromkeys(("push", "pull", "back off", "back away", "retreat", "approach"), _DEPTH),
    "push": {"forward": _K.MOVE_FORWARD, "back": _K.MOVE_BACK, **_TRUCK},
    "pedestal": _LIFT,
    **dict.fromkeys(("crane", "jib", "boom"), _JIB),
    **dict.fromkeys(("rise", "ascend", "climb", "lift", "raise", "elevate"), _RISE),
    **dict.fromkeys(("descend", "sink", "lower", "drop"), _DESCEND),
    **dict.fromkeys(("pan", "turn", "rotate", "swivel", "look", "yaw"), _TURN),
    "tilt": {"up": _K.TILT_UP, "down": _K.TILT_DOWN},
    "pitch": {"up": _K.TILT_UP, "down": _K.TILT_DOWN},
    **dict.fromkeys(("arc", "curve", "sweep", "swing", "swing around"), _ARC),
    **dict.fromkeys(("move in an arc", "sweep in an arc", "travel in an arc", "arc around"), _ARC),
    **dict.fromkeys(("orbit", "circle", "revolve", "turn around", "rotate around", "move around"), _ORBIT),
    **dict.fromkeys(("orbit around", "circle around", "revolve around", "go around", "travel around"), _ORBIT),
    **dict.fromkeys(("spin around", "fly around", "move in a circle", "rotate in a circle", "encircle"), _ORBIT),
    **dict.fromkeys(
        tuple(f"{verb} in a circular path" for verb in ("move", "rotate", "travel", "go"))
        + tuple(f"{verb} in a circular path around" for verb in ("move", "rotate", "travel", "go")),
        _ORBIT,
    ),
    "zoom": _ZOOM,
    **dict.fromkeys(("crash zoom", "snap zoom"), _RAPID),
    **dict.fromkeys(("dolly zoom", "vertigo", "vertigo zoom", "vertigo effect", "zolly"), _VERTIGO),
    **dict.fromkeys(("hitchcock zoom", "vertigo shot", "trombone"), _VERTIGO),
}
# Where a verb goes when no direction is given.
DEFAULT_DIRECTION: dict[str, str] = {
    **dict.fromkeys(("push", "approach", "dolly"), "forward"),
    **dict.fromkeys(("pull", "back off", "back away", "retreat"), "back"),
    **dict.fromkeys(("rise", "ascend", "climb", "lift", "raise", "elevate"), "up"),
    **dict.fromkeys(("descend", "sink", "lower", "drop"), "down"),
}
# Other verbs without a direction become one of these where they can, and the user is told.
GUESSED_KINDS = (_K.ARC_LEFT, _K.ORBIT_LEFT, _K.ZOOM_IN, _K.RAPID_ZOOM_IN, _K.VERTIGO_IN)
# A direction that a verb does not know may be another one that it does. Clockwise is as seen from above.
SAME_DIRECTION: dict[str, str] = {
    "in": "forward",
    "out": "back",
    "forward": "in",
    "back": "out",
    "clockwise": "left",
    "counterclockwise": "right",
}
VERB_FORMS: dict[str, tuple[str, str]] = {
    "sweep": ("sweeps", "sweeping"),
    "stand": ("stands", "standing"),
    "get": ("gets", "getting"),
    "go": ("goes", "going"),
    "glide": ("glides", "gliding"),
    "float": ("floats", "floating"),
    "drift": ("drifts", "drifting"),
    "shift": ("shifts", "shifting"),
    "come": ("comes", "coming"),
    "step": ("steps", "stepping"),
    "walk": ("walks", "walking"),
    "translate": ("translates", "translating"),
    "track": ("tracks", "tracking"),
    "back": ("backs", "backing"),
    "retreat": ("retreats", "retreating"),
    "approach": ("approaches", "approaching"),
    "jib": ("jibs", "jibbing"),
    "ascend": ("ascends", "ascending"),
    "lift": ("lifts", "lifting"),
    "raise": ("raises", "raising"),
    "elevate": ("elevates", "elevating"),
    "lower": ("lowers", "lowering"),
    "drop": ("drops", "dropping"),
    "yaw": ("yaws", "yawing"),
    "pitch": ("pitches", "pitching"),
    "revolve": ("revolves", "revolving"),
    "spin": ("spins", "spinning"),
    "encircle": ("encircles", "encircling"),
}
# Verbs that people do as well: not the camera's once somebody else has been named ("a man turns left").
PEOPLES_VERBS = """
    move travel go get fly glide float drift shift come step walk translate slide push pull back retreat approach
    rise ascend climb lift raise elevate descend sink lower drop turn rotate look pitch curve sweep swing circle
    revolve spin encircle remain stay hold do stand motion movement
"""
# Verbs that may only announce the real one: "camera movement: zoom in".
VAGUE_VERBS: frozenset[str] = frozenset({"move", "movement", "motion", "go"})
# Further ways to name a whole move.
KINDS: dict[MoveKind, tuple[str, ...]] = {
    _K.STATIC: (
        "static",
        "still",
        "fixed",
        "stationary",
        "motionless",
        "locked off",
        "tripod",
        "stand still",
        "hold still",
        "hold steady",
        "stay put",
        "remain still",
        "remain stationary",
        "stay static",
        "no movement",
        "no motion",
        "no camera movement",
        "no camera motion",
        "no camera move",
        "without moving",
        "without movement",
        "without camera movement",
        "without any movement",
        "not moving",
        "not move",
        "dont move",
        "steady camera",
        "steady shot",
        "is steady",
        "stays steady",
        "remains steady",
        "held steady",
        "stable camera",
        "doesnt move",
        "does not move",
        "isnt moving",
        "never moves",
        "unmoving",
        "immobile",
    ),
    _K.AERIAL_PULL_OUT: (
        "aerial pull out",
        "aerial pull back",
        "aerial pull away",
        "aerial zoom out",
        "aerial pullout",
        "drone pull out",
        "drone pull back",
        "drone pull away",
    ),
    _K.DYNAMIC_ZOOM_SWING: ("dynamic zoom swing", "dynamic swing zoom", "zoom swing", "dynamic zoom"),
}
SPEED_WORDS: dict[Speed, tuple[str, ...]] = {
    Speed.SLOW: ("gentle", "gradual", "leisurely", "slow speed", "unhurried"),
    Speed.NORMAL: ("normal", "normally", "normal speed", "medium speed", "moderate", "moderately"),
    Speed.QUICK: ("swift", "speedy", "fast", "brisk", "speedily", "high speed", "quick speed", "whip"),
}
RAPID_WORDS: tuple[str, ...] = ("rapidly", "rapid", "suddenly", "sudden")
HANDHELD_WORDS: tuple[str, ...] = (
    "handheld shake",
    "handheld",
    "hand held",
    "handheld camera",
    "shaky",
    "shaky cam",
    "shake",
    "camera shake",
)
# A path across the picture: the end is the direction.
DIRECTION_PHRASES: dict[str, tuple[str, ...]] = {
    "left": ("from right to left", "right to left", "from the right to the left", "to the left side", "lefthand"),
    "right": ("from left to right", "left to right", "from the left to the right", "to the right side"),
    "up": ("up higher", "higher", "from bottom to top", "skyward", "vertically up"),
    "down": ("lower", "from top to bottom", "vertically down"),
    "forward": ("towards", "toward", "ahead", "closer to", "nearer", "straight ahead", "forth"),
    "back": ("further away", "farther away", "away from", "backwards away"),
    "clockwise": ("cw",),
    "counterclockwise": ("ccw",),
}
TURNS: dict[str, float] = {
    "full circle": 360.0,
    "full turn": 360.0,
    "full rotation": 360.0,
    "full orbit": 360.0,
    "whole circle": 360.0,
    "half circle": 180.0,
    "half turn": 180.0,
    "half a circle": 180.0,
    "quarter circle": 90.0,
    "quarter turn": 90.0,
}
NUMBER_WORDS: dict[str, float] = {
    "ten": 10.0,
    "fifteen": 15.0,
    "twenty": 20.0,
    "thirty": 30.0,
    "forty": 40.0,
    "forty five": 45.0,
    "sixty": 60.0,
    "ninety": 90.0,
}
DEGREE_WORDS: tuple[str, ...] = ("degrees", "degree", "deg", "degs")
AZIMUTH_NAMES: dict[str, tuple[str, ...]] = {
    "front": ("front", "frontal", "front side"),
    "front-left": ("front left", "left front"),
    "left": ("left", "left side", "left hand side"),
    "back-left": ("back left", "left back", "rear left", "left rear"),
    "back": ("back", "rear", "back side", "backside", "behind"),
    "back-right": ("back right", "right back", "rear right", "right rear"),
    "right": ("right", "right side", "right hand side"),
    "front-right": ("front right", "right front"),
}
AZIMUTH_SHAPES: tuple[str, ...] = (
    "{} view",
    "{} side view",
    "{} angle",
    "{} shot",
    "{} camera",
    *(f"from {whose}{{}}" for whose in ("", "the ", "his ", "her ", "their ", "its ", "your ", "the persons ")),
)
# Named without "view" or "from": those that cannot be taken for a direction of motion.
AZIMUTH_ALONE: dict[str, tuple[str, ...]] = {
    "front": ("front", "frontal", "facing the camera", "facing camera", "in front of", "in front"),
    "front-left": ("front left", "left front"),
    "front-right": ("front right", "right front"),
    "back": ("rear", "behind", "facing away", "facing away from the camera"),
    "back-left": ("rear left", "left rear"),
    "back-right": ("rear right", "right rear"),
    "left": ("left side", "left profile", "profile from the left"),
    "right": ("right side", "right profile", "profile from the right"),
}
ELEVATIONS: dict[str, tuple[str, ...]] = {
    "low angle": (
        "from below",
        "from a low position",
        "low position",
        "ground level",
        "worm eye",
        "worms eye",
        "slightly below",
    ),
    "eye level": ("eye height", "level angle", "at eye height", "chest level", "straight on"),
    "high angle": (
        "from above",
        "overhead",
        "top down",
        "bird eye",
        "birds eye",
        "slightly above",
        "from a high position",
        "high position",
    ),
}
FRAMINGS: dict[str, tuple[str, ...]] = {
    "full body": ("whole body", "full shot", "full length", "wide shot", "long shot", "head to toe", "full figure"),
    "knee": ("from the knees up", "from the knee up", "knee up", "cowboy shot", "american shot", "knee level"),
    "waist": ("from the waist up", "waist level", "medium shot", "half body", "upper body", "mid shot"),
}
# Words for which there is no place in the language, and what to write instead.
HINTS: dict[str, str] = {
    **dict.fromkeys(
        ("side view", "side on", "profile", "profile view", "from the side"), "say 'left view' or 'right view'"
    ),
    **dict.fromkeys(
        ("three quarter view", "3 4 view", "three quarter", "quarter view"),
        "say 'front-left view', 'front-right view', 'back-left view' or 'back-right view'",
    ),
    **dict.fromkeys(
        ("close up", "closeup", "extreme close up", "face shot", "head shot", "portrait shot"),
        "framings are 'full body', 'knees up' and 'waist up'",
    ),
    **dict.fromkeys(
        ("roll", "rolls", "rolling", "dutch angle", "dutch tilt", "barrel roll"), "the camera does not roll"
    ),
    **dict.fromkeys(
        ("tracking shot", "follow", "follows", "following", "follow shot", "steadicam"),
        "say how the camera moves, such as 'moves back' or 'moves left'",
    ),
    **dict.fromkeys(("slightly", "slight", "a little", "a bit", "subtle", "subtly"), "say 'slowly', or give an angle"),
    **dict.fromkeys(
        ("meters", "metres", "meter", "metre", "m", "cm", "feet", "mm", "steps"),
        "distances are not part of the language; say 'slowly' or 'quickly'",
    ),
    **dict.fromkeys(
        ("seconds", "second", "frames", "s", "sec"), "durations are not part of the language; say 'slowly' or 'quickly'"
    ),
    **dict.fromkeys(
        ("times", "twice", "rotations", "laps"), "give the whole turn in degrees, such as 'orbits left 360 degrees'"
    ),
    **dict.fromkeys(("diagonally", "diagonal"), "name two moves, such as 'moves up while moving right'"),
    **dict.fromkeys(("slow motion", "slow mo", "slomo", "time lapse"), "the clip keeps the speed of the motion"),
    **dict.fromkeys(("rack focus", "focus pull", "bokeh", "depth of field"), "focus is not part of the language"),
}
THEN_WORDS: tuple[str, ...] = (
    "then",
    "and then",
    "afterwards",
    "after that",
    "followed by",
    "before",
    "finally",
    "next",
)
JOIN_WORDS: tuple[str, ...] = (
    "while",
    "and",
    "as it",
    "as",
    "plus",
    "also",
    "simultaneously",
    "at the same time",
    "combined with",
    "together with",
    "whilst",
    "but",
)
NEGATIONS: tuple[str, ...] = ("no", "not", "without", "never", "dont", "doesnt", "isnt", "avoid", "cannot")
CAMERA_WORDS: tuple[str, ...] = (
    "camera",
    "the camera",
    "cam",
    "camerawork",
    "lens",
    "shot",
    "view",
    "viewpoint",
    "viewer",
    "we",
    "camera movement",
    "camera motion",
    "camera move",
    "camera angle",
    "camera view",
)
PEOPLE_WORDS = """
    subject subjects person persons people man woman girl boy guy lady dancer character actor actress performer figure
    model body he she they him them face head feet hands torso chest
"""
# Words that say nothing about the camera and are passed over.
FILLERS = """
    a an the of on at from with by through its it is are be being remains stays his her their this that to seen viewed
    view shown shot showing framed framing filmed taken captured around round about for some very really smooth
    smoothly steady steadily cinematic please make do does doing perform performs performing path let lets direction
    side angle begin begins starts start starting whole all way style level movement speed into onto over which whose
    where who you your my me i want would like just using use
"""
