"""The camera language: one grammar for views and camera moves, used by captions, CLI, nodes and benchmark."""

from .composing import MenuMove, Menus, compose
from .describing import MEANINGS, describe, describe_move, describe_view
from .parsing import ParsedPrompt, canonical, parse
from .prompt import (
    AZIMUTH_DEGREES,
    CHANNELS,
    ELEVATION_DEGREES,
    FIXED_SPEED,
    FRAMINGS,
    MAX_ANGLE,
    CameraPrompt,
    Channel,
    Move,
    MoveKind,
    Speed,
    View,
    conflict,
    elevation_name,
)
from .words import ANGLES, nearest_angle, tokenize_words, vocabulary
from .writing import NUM_WORDINGS, write, write_view

__all__ = [
    "ANGLES",
    "AZIMUTH_DEGREES",
    "CHANNELS",
    "ELEVATION_DEGREES",
    "FIXED_SPEED",
    "FRAMINGS",
    "MAX_ANGLE",
    "MEANINGS",
    "NUM_WORDINGS",
    "CameraPrompt",
    "Channel",
    "MenuMove",
    "Menus",
    "Move",
    "MoveKind",
    "ParsedPrompt",
    "Speed",
    "View",
    "canonical",
    "compose",
    "conflict",
    "describe",
    "describe_move",
    "describe_view",
    "elevation_name",
    "nearest_angle",
    "parse",
    "tokenize_words",
    "vocabulary",
    "write",
    "write_view",
]
