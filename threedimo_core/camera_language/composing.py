"""A prompt from menus and free text together: what the text says wins, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .parsing import ParsedPrompt, parse
from .prompt import FIXED_SPEED, MAX_ANGLE, CameraPrompt, Move, MoveKind, Speed, View


@dataclass(frozen=True)
class MenuMove:
    """A move as three menus give it. angle 0 is "not said"; what the kind does not take is left out with a note."""

    kind: MoveKind
    speed: Speed = Speed.NORMAL
    angle: float = 0.0

    def to_move(self, notes: list[str]) -> Move:
        """ValueError for an angle that is too large."""
        speed, angle = self.speed, self.angle or None
        if speed is not Speed.NORMAL and self.kind in FIXED_SPEED:
            notes.append(f"{self.kind.label!r} takes no speed; {speed.value!r} is not used")
            speed = Speed.NORMAL
        if angle is not None and self.kind not in MAX_ANGLE:
            notes.append(f"{self.kind.label!r} takes no angle; {angle:g} is not used")
            angle = None
        return Move(self.kind, speed, angle)


@dataclass(frozen=True)
class Menus:
    """What a form with menus says. None leaves a part of the view open."""

    moves: tuple[MenuMove, ...] = ()
    azimuth: str | None = None
    elevation: str | None = None
    framing: str | None = None
    notes: list[str] = field(default_factory=list)


def compose(menus: Menus, text: str = "") -> ParsedPrompt:
    """Menus and free text as one prompt. The text's moves replace the menus', its parts of the view theirs.

    A view without any move becomes static, as captions write it. ValueError for menu moves that contradict each other.
    """
    parsed = parse(text) if text.strip() else ParsedPrompt(CameraPrompt())
    notes = [*menus.notes]
    said = parsed.prompt.view
    parts = {
        name: (getattr(said, name) if said else None) or getattr(menus, name)
        for name in ("azimuth", "elevation", "framing")
    }
    view = View(**parts) if any(parts.values()) else None
    if parsed.prompt.moves:
        moves = parsed.prompt.moves
        if any(menu.kind is not MoveKind.STATIC for menu in menus.moves):
            notes.append("the moves of the text are used, those of the menus are not")
    else:
        moves = tuple(menu.to_move(notes) for menu in menus.moves)
    prompt = CameraPrompt(view, moves or (Move(MoveKind.STATIC),))
    return replace(parsed, prompt=prompt, notes=[*parsed.notes, *notes])
