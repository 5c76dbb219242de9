"""From free text to a camera prompt, with a report of what was and what was not understood.

The text is read as items (lexicon.py) and cut into clauses at "and", "while", "then" and stops (clauses.py);
here each clause becomes a move. A clause without a verb borrows one ("moves left and up"); a speed or an angle
alone belongs to the move before it ("arc left, 45 degrees, slow"). Text about people is left alone: "a man turns
left" pans nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .clauses import Clause, Reading, kind_of, read_items
from .describing import describe, describe_move
from .lexicon import lexicon, scan
from .prompt import FIXED_SPEED, CameraPrompt, Move, MoveKind, Speed, View, conflict
from .synonyms import DEFAULT_DIRECTION, GUESSED_KINDS, VAGUE_VERBS
from .writing import write

_RAPID = {MoveKind.ZOOM_IN: MoveKind.RAPID_ZOOM_IN, MoveKind.ZOOM_OUT: MoveKind.RAPID_ZOOM_OUT}
_HANDHELD = {MoveKind.STATIC: MoveKind.HANDHELD_STATIC, MoveKind.ZOOM_IN: MoveKind.HANDHELD_ZOOM_IN}


@dataclass(frozen=True)
class ParsedPrompt:
    """A prompt read from text. The lists hold sentences for people; `notes` tell where the parser had to choose."""

    prompt: CameraPrompt
    understood: list[str] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def checked(self) -> CameraPrompt:
        """The prompt, or ValueError with the whole report when a part of the text was not understood."""
        if self.not_understood:
            raise ValueError(f"the camera prompt is not clear.\n{describe(self)}")
        return self.prompt


def parse(text: str) -> ParsedPrompt:
    """Reads a camera prompt as people write it; never fails on a string, whatever it holds.

    `parse(write(prompt, wording)).prompt == prompt` for every prompt and wording. Raises ValueError when `text`
    is no string.
    """
    if not isinstance(text, str):
        raise ValueError(f"a camera prompt is text, but {type(text).__name__} was given")
    reading = read_items(scan(text))
    moves: list[Move] = []
    for clause in _completed(reading):
        move = _move(clause, reading)
        if move is not None and _fits(move, moves, clause, reading):
            moves.append(move)
            reading.understood.append(f"{clause.text}: {describe_move(move)}")
    view = View(**reading.view) if reading.view else None
    prompt = CameraPrompt(view, tuple(moves))
    if prompt == CameraPrompt() and text.strip() and not reading.not_understood:
        shown = text.strip() if len(text) < 60 else f"{text.strip()[:60]}…"
        reading.not_understood.append(f"'{shown}': says nothing about the camera")
    return ParsedPrompt(prompt, reading.understood, reading.not_understood, reading.notes)


def canonical(text: str) -> str:
    """Free text in the plain wording, for a text encoder that knows only this language (the mini model).

    A view without a move becomes static, as cameras treat it. Text that says nothing about the camera gives the
    empty text, so that empty and negative prompts stay what they are. Angles are rounded to those of
    `vocabulary()`. Real backbones read their text as it is: do not pass it through here.
    """
    prompt = parse(text).prompt
    if prompt == CameraPrompt():
        return ""
    moves = tuple(_rounded(move) for move in prompt.moves) or (Move(MoveKind.STATIC),)
    return write(replace(prompt, moves=moves))


def _rounded(move: Move) -> Move:
    from .words import nearest_angle

    return move if move.angle is None else replace(move, angle=nearest_angle(move.angle))


def _completed(reading: Reading) -> list[Clause]:
    """The clauses that name a move, each with the speed, angle and verb that it shares with a neighbour."""
    moves: list[Clause] = []
    waiting: list[Clause] = []
    for clause in reading.clauses:
        if not clause.names_move and clause.direction is not None:
            _borrow_verb(clause, moves)
        if clause.names_move:
            waiting = [modifiers for modifiers in waiting if not _lend(modifiers, clause)]
            moves.append(clause)
        elif clause.direction is not None:
            reading.not_understood.append(
                f"{clause.text}: say how the camera goes there, such as 'move {clause.direction}'"
                + (f", 'arc {clause.direction}' or '{clause.direction} view'" * (clause.direction in ("left", "right")))
            )
        elif not (moves and _lend(clause, moves[-1])):
            waiting.append(clause)
    if not moves and any(modifiers.handheld for modifiers in waiting):
        moves.append(Clause(kind=MoveKind.STATIC))
        waiting = [modifiers for modifiers in waiting if not _lend(modifiers, moves[0])]
    reading.not_understood += [f"{modifiers.text}: no move that it could belong to" for modifiers in waiting]
    return moves


def _borrow_verb(clause: Clause, moves: list[Clause]) -> None:
    verb = moves[-1].verb if moves else None
    if verb is not None and kind_of(verb, clause.direction) is not None:
        clause.verb = verb


def _lend(modifiers: Clause, move: Clause) -> bool:
    """Gives speed, angle and shake to a move that has none yet; False when it has."""
    taken = (
        (modifiers.speed is not None and move.speed is not None)
        or (modifiers.angle is not None and move.angle is not None)
        or (modifiers.rapid and move.rapid)
        or (modifiers.handheld and move.handheld)
    )
    if taken:
        return False
    move.speed = move.speed or modifiers.speed
    move.angle = modifiers.angle if move.angle is None else move.angle
    move.rapid, move.handheld = move.rapid or modifiers.rapid, move.handheld or modifiers.handheld
    move.words += modifiers.words
    return True


def _move(clause: Clause, reading: Reading) -> Move | None:
    kind = clause.kind or _kind_of_verb(clause, reading)
    if kind is None:
        return None
    speed = clause.speed or Speed.NORMAL
    if clause.handheld:
        if kind not in _HANDHELD and kind not in _HANDHELD.values():
            reading.not_understood.append(f"{clause.text}: handheld goes with static and with zoom in only")
        kind = _HANDHELD.get(kind, kind)
    if clause.rapid:
        speed = speed if kind in _RAPID else Speed.QUICK
        kind = _RAPID.get(kind, kind)
    if speed is not Speed.NORMAL and kind in FIXED_SPEED:
        reading.not_understood.append(f"{clause.text}: {kind.label!r} takes no speed, so {speed.value!r} is dropped")
        speed = Speed.NORMAL
    try:
        return Move(kind, speed, clause.angle)
    except ValueError as error:
        reading.not_understood.append(f"{clause.text}: {error}")
        return Move(kind, speed)


def _kind_of_verb(clause: Clause, reading: Reading) -> MoveKind | None:
    verb = clause.verb
    assert verb is not None, "a clause here has a kind or a verb"
    kinds = lexicon().verbs[verb]
    direction = clause.direction or DEFAULT_DIRECTION.get(verb, "")
    kind = kind_of(verb, direction)
    if kind is not None:
        return kind
    if verb in VAGUE_VERBS and clause.direction is None and len(reading.clauses) > 1:
        return None  # "move: arc left"
    guess = next((guess for guess in GUESSED_KINDS if guess in kinds.values()), None)
    if guess is not None and clause.direction is None:
        reading.notes.append(f"{clause.text}: no direction given, taken as {guess.label!r}")
        return guess
    known = ", ".join(kinds)
    problem = f"does not go {direction}" if clause.direction else "needs a direction"
    reading.not_understood.append(f"{clause.text}: {verb!r} {problem}; say one of: {known}")
    return None


def _fits(move: Move, moves: list[Move], clause: Clause, reading: Reading) -> bool:
    """Whether a move can join the others; what cannot is reported. Repetitions are dropped in silence."""
    if move in moves:
        return False
    if len(moves) == 2:
        reading.not_understood.append(f"{clause.text}: a camera prompt has at most two moves")
        return False
    reason = conflict(moves[0].kind, move.kind) if moves else None
    if reason is not None:
        reading.not_understood.append(f"{clause.text}: {reason}")
    return reason is None
