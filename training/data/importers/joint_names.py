"""Which joint of a file is which joint of the body: the names that motion capture tools use.

Names are compared in lower case without spaces, punctuation and the prefixes of rigs. Sides are written "l" and
"r" here and expanded to left/right, l/r and the endings _l/_r. Order matters: "LeftShoulder" is the collar
bone in Mixamo's skeleton (which has a LeftArm) and the shoulder in CMU's (which has a LeftCollar).
"""

from __future__ import annotations

import re

from .source import MotionFileError, SourceMotion

_PREFIXES = re.compile(r"^(mixamorig\d*:|cc_base_|bip\d+[ _]?|bip_|character\d*_|def[-_]|.*:)", re.IGNORECASE)

_MIDDLE = {
    "neck": ("neck", "neck1", "necktwist01", "neck01", "lowerneck"),
    "head": ("head", "head1"),
}
_SIDED = {
    "hip": ("upleg", "thigh", "femur", "upperleg", "hip"),
    "knee": ("leg", "knee", "calf", "tibia", "lowerleg", "shin"),
    "ankle": ("ankle", "foot"),
    "toe": ("toebase", "toe", "toes", "ball", "foot", "toebasesharebone"),
    "shoulder": ("arm", "upperarm", "humerus", "uparm", "shoulder"),
    "elbow": ("forearm", "elbow", "lowerarm", "radius"),
    "wrist": ("wrist", "hand"),
    "collar": ("collar", "clavicle", "shoulder"),
    "hand_end": ("handend", "fingers", "handendend", "middle1", "mid1", "handmiddle1", "hand"),
    "thumb": ("handthumb1", "thumb1", "thumb"),
}
_FINGERS = {
    "index": ("handindex", "index"),
    "middle": ("handmiddle", "middle", "mid"),
    "pinky": ("handpinky", "pinky", "little"),
    "ring": ("handring", "ring"),
    "thumb": ("handthumb", "thumb"),
}
_NEEDED_SIDED = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")


def find_joints(source: SourceMotion) -> dict[str, int]:
    """Indices of the body's joints in the file: "left_hip", "neck", "left_index1" and so on, "pelvis" the root.

    MotionFileError names what could not be found.
    """
    plain = [_plain(name) for name in source.names]
    found = {"pelvis": 0}
    for name, aliases in _MIDDLE.items():
        _take(found, name, plain, aliases)
    for side in ("left", "right"):
        for name, aliases in _SIDED.items():
            _take(found, f"{side}_{name}", plain, [form for alias in aliases for form in _forms(side, alias)])
        _find_fingers(found, side, plain)
    missing = [
        f"{side}_{name}" for side in ("left", "right") for name in _NEEDED_SIDED if f"{side}_{name}" not in found
    ]
    if "head" not in found and "neck" not in found:
        missing.append("head or neck")
    if missing:
        known = ", ".join(name for name in source.names if not name.endswith("_end"))
        raise MotionFileError(
            source.path, f"cannot find {', '.join(missing)} among the file's joints ({known[:600]}); rename them"
        )
    return found


def _find_fingers(found: dict[str, int], side: str, plain: list[str]) -> None:
    """Chains of three joints (and the end of the last bone where the file has it)."""
    for finger, aliases in _FINGERS.items():
        for alias in aliases:
            chain = [_first(plain, _forms(side, f"{alias}{n}")) for n in (1, 2, 3)]
            if None not in chain:
                for number, joint in enumerate(chain, start=1):
                    found[f"{side}_{finger}{number}"] = int(joint or 0)
                end = _first(plain, [f"{plain[int(chain[2] or 0)]}end", *_forms(side, f"{alias}4")])
                if end is not None:
                    found[f"{side}_{finger}4"] = end
                break


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _PREFIXES.sub("", name).lower())


def _forms(side: str, alias: str) -> list[str]:
    letter = side[0]
    return [f"{side}{alias}", f"{letter}{alias}", f"{alias}{letter}", f"{alias}{side}"]


def _first(plain: list[str], wanted: list[str]) -> int | None:
    return next((plain.index(name) for name in wanted if name in plain), None)


def _take(found: dict[str, int], name: str, plain: list[str], aliases: list[str] | tuple[str, ...]) -> None:
    """The first alias that exists and is not already something else."""
    used = {plain[index] for index in found.values()}
    joint = _first(plain, [alias for alias in aliases if alias not in used])
    if joint is not None:
        found[name] = joint
