"""Items to clauses: one clause per camera move, with what the text says about it; views and misfits apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .lexicon import VERB_FORMS, Item, Sort, lexicon, nearest
from .prompt import MoveKind, Speed
from .synonyms import PEOPLES_VERBS, SAME_DIRECTION, VAGUE_VERBS

# Typos are compared with every known word; a page of prose is not worth more comparisons than this.
MAX_SUGGESTIONS = 20
_PEOPLES_VERBS = frozenset(PEOPLES_VERBS.split())
_BASE_FORMS = {form: base for base, forms in VERB_FORMS.items() for form in forms}

_MODIFIERS = (Sort.DIRECTION, Sort.SPEED, Sort.RAPID, Sort.HANDHELD, Sort.ANGLE, Sort.DEGREES)


@dataclass(slots=True)
class Clause:
    """What one clause says about a move; all of it optional."""

    verb: str | None = None
    kind: MoveKind | None = None
    direction: str | None = None
    speed: Speed | None = None
    rapid: bool = False
    handheld: bool = False
    angle: float | None = None
    words: list[str] = field(default_factory=list)

    @property
    def names_move(self) -> bool:
        return self.verb is not None or self.kind is not None

    @property
    def text(self) -> str:
        return f"'{' '.join(self.words)}'"


@dataclass
class Reading:
    """A text's clauses and view, and the misfits as sentences for the user."""

    clauses: list[Clause] = field(default_factory=list)
    view: dict[str, str] = field(default_factory=dict)  # azimuth, elevation, framing
    understood: list[str] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_items(items: Iterable[Item]) -> Reading:
    """Sorts items into clauses, view and misfits."""
    reader = _Reader()
    for item in items:
        reader.take(item)
    return reader.finish()


def kind_of(verb: str, direction: str | None) -> MoveKind | None:
    """The move of a verb in a direction; None when the verb does not go there."""
    kinds = lexicon().verbs[verb]
    if direction is None:
        return None
    return kinds.get(direction) or kinds.get(SAME_DIRECTION.get(direction, ""))


class _Reader:
    """Takes items one by one. Knows who is being talked about: the camera, or somebody else."""

    def __init__(self) -> None:
        self.reading = Reading()
        self.clause = Clause()
        self.somebody_else = False  # since somebody was named, verbs of people are theirs
        self.camera_named = False  # in this clause
        self.number: Item | None = None  # waits for its unit
        self.negated: list[str] | None = None
        self.foreign: list[str] = []  # what somebody else does
        self.unknown: list[str] = []
        self.pending: list[str] = []  # small words after unknown ones, reported only between two of them
        self.suggestions = 0

    def take(self, item: Item) -> None:
        if self.negated is not None and item.sort not in (Sort.STOP, Sort.JOIN, Sort.THEN):
            self.negated.append(item.words)
            return
        if self.foreign and item.sort in _MODIFIERS:
            self.foreign.append(item.words)
            return
        if self.number is not None and self._settle_number(item):
            return
        if item.sort is Sort.UNKNOWN:
            self._take_unknown(item.words)
            return
        if self.unknown and item.sort in (Sort.FILLER, Sort.PEOPLE):
            self.pending.append(item.words)
            return
        if item.sort is Sort.DIRECTION and self.somebody_else and not self.clause.names_move:
            self._take_unknown(item.words)
            return
        self._flush_unknown()
        handler = _HANDLERS.get(item.sort)
        if handler is not None:
            handler(self, item)

    def finish(self) -> Reading:
        if self.number is not None:
            self._add_angle(self.number)
        self._end_negation()
        self._end_foreign()
        self._flush_unknown()
        self._close()
        return self.reading

    # What each sort of item does, in the order of Sort.

    def _verb(self, item: Item) -> None:
        if self._said_of_somebody(item):
            return
        self._end_foreign()
        clause = self.clause
        announces = clause.verb in VAGUE_VERBS and clause.direction is None  # "camera move: zoom in"
        if clause.names_move and not announces:
            self._close()
        self.clause.verb = str(item.value)
        self.clause.words.append(item.words)

    def _kind(self, item: Item) -> None:
        if self._said_of_somebody(item):
            return
        self._end_foreign()
        if self.clause.names_move and self.clause.kind is not item.value:
            self._close()
        self.clause.kind = item.value  # type: ignore[assignment]
        self.clause.words.append(item.words)

    def _direction(self, item: Item) -> None:
        clause, direction = self.clause, str(item.value)
        if clause.kind is not None:
            if direction in ("left", "right", "clockwise", "counterclockwise", "down"):  # others may be prepositions
                self.reading.not_understood.append(f"'{item.words}': {clause.kind.label!r} has no such direction")
            return
        if clause.verb is not None:
            kind = kind_of(clause.verb, direction)
            if kind is None and direction in ("in", "out"):
                return  # a preposition: "orbits in the park"
            if clause.direction is not None:
                if kind is not None and kind is kind_of(clause.verb, clause.direction):
                    clause.words.append(item.words)
                    return
                self._close()
        elif clause.direction is not None:
            self._close()
        self.clause.direction = direction
        self.clause.words.append(item.words)

    def _speed(self, item: Item) -> None:
        if self.clause.speed not in (None, item.value):
            self._close()
        self.clause.speed = item.value  # type: ignore[assignment]
        self.clause.words.append(item.words)

    def _rapid(self, item: Item) -> None:
        self.clause.rapid = True
        self.clause.words.append(item.words)

    def _handheld(self, item: Item) -> None:
        self.clause.handheld = True
        self.clause.words.append(item.words)

    def _angle(self, item: Item) -> None:
        self.number = item

    def _view(self, item: Item) -> None:
        part, name = item.sort.name.lower(), str(item.value)
        known = self.reading.view.setdefault(part, name)
        if known == name:
            self.reading.understood.append(f"'{item.words}': {part} {name}")
        else:
            self.reading.not_understood.append(f"'{item.words}': the {part} is already {known!r}")

    def _join(self, item: Item) -> None:
        self._end_negation()
        self._end_foreign()
        if self.clause.names_move:
            self.camera_named = False
        self._close()

    def _then(self, item: Item) -> None:
        self._join(item)
        if self.reading.clauses:
            self.reading.notes.append(f"'{item.words}': two moves run at the same time, not one after the other")

    def _stop(self, item: Item) -> None:
        self._join(item)
        if item.words in ".!?;":
            self.somebody_else = False

    def _negation(self, item: Item) -> None:
        self.negated = [item.words]

    def _camera(self, item: Item) -> None:
        self._end_foreign()
        self.somebody_else, self.camera_named = False, True

    def _people(self, item: Item) -> None:
        if not self.clause.names_move:  # else it is what the camera looks at
            self.somebody_else = True

    def _hint(self, item: Item) -> None:
        self.reading.not_understood.append(f"'{item.words}': {item.value}")

    # Helpers.

    def _said_of_somebody(self, item: Item) -> bool:
        first = item.words.split(" ")[0]
        if not self.somebody_else or _BASE_FORMS.get(first, first) not in _PEOPLES_VERBS:
            return False
        self._end_foreign()
        self.foreign = [*self.clause.words, item.words]
        self.clause = Clause()
        return True

    def _end_foreign(self) -> None:
        if self.foreign:
            text = " ".join(self.foreign)
            self.reading.not_understood.append(
                f"'{text}': said of somebody else; for the camera write 'the camera {text}'"
            )
            self.foreign = []

    def _settle_number(self, item: Item) -> bool:
        """The word after a number tells what it counts. True when both have been dealt with."""
        number, self.number = self.number, None
        assert number is not None
        if item.sort is Sort.HINT:
            self._hint(Item(Sort.HINT, item.value, f"{number.words} {item.words}"))
            return True
        if item.sort is Sort.UNKNOWN:
            self._take_unknown(number.words)
        else:
            self._add_angle(number)
        return False

    def _add_angle(self, number: Item) -> None:
        if self.clause.angle is not None:
            self._close()
        self.clause.angle = number.value  # type: ignore[assignment]
        self.clause.words.append(f"{number.words} degrees" if number.words[-1].isdigit() else number.words)

    def _take_unknown(self, word: str) -> None:
        self.unknown += [*self.pending, word]
        self.pending = []
        if not self.camera_named and not self.clause.names_move:
            self.somebody_else = True

    def _flush_unknown(self) -> None:
        if not self.unknown:
            return
        words = [self._suggest(word) for word in self.unknown]
        text = f"'{' '.join(self.unknown)}'"
        if words != self.unknown:
            text += f": did you mean '{' '.join(words)}'?"
        self.reading.not_understood.append(text)
        self.unknown, self.pending = [], []

    def _suggest(self, word: str) -> str:
        if self.suggestions >= MAX_SUGGESTIONS:
            return word
        self.suggestions += 1
        return nearest(word) or word

    def _end_negation(self) -> None:
        if self.negated is not None:
            text = " ".join(self.negated)
            self.reading.not_understood.append(f"'{text}': say what the camera does, not what it does not do")
            self.negated = None

    def _close(self) -> None:
        if self.clause.words:
            self.reading.clauses.append(self.clause)
        self.clause = Clause()


_HANDLERS = {
    Sort.VERB: _Reader._verb,
    Sort.KIND: _Reader._kind,
    Sort.DIRECTION: _Reader._direction,
    Sort.SPEED: _Reader._speed,
    Sort.RAPID: _Reader._rapid,
    Sort.HANDHELD: _Reader._handheld,
    Sort.ANGLE: _Reader._angle,
    Sort.AZIMUTH: _Reader._view,
    Sort.ELEVATION: _Reader._view,
    Sort.FRAMING: _Reader._view,
    Sort.JOIN: _Reader._join,
    Sort.THEN: _Reader._then,
    Sort.STOP: _Reader._stop,
    Sort.NEGATION: _Reader._negation,
    Sort.CAMERA: _Reader._camera,
    Sort.PEOPLE: _Reader._people,
    Sort.HINT: _Reader._hint,
}
