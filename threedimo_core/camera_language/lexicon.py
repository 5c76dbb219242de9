"""From text to items: every phrase that the parser knows, in one word tree built from the tables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import NamedTuple

from . import phrases, synonyms
from .prompt import AZIMUTH_DEGREES, MoveKind

# Kinds whose phrases are known only as a whole: their words apart would mean another move.
WHOLE_KINDS = frozenset(
    {
        MoveKind.STATIC,
        MoveKind.HANDHELD_STATIC,
        MoveKind.RAPID_ZOOM_IN,
        MoveKind.RAPID_ZOOM_OUT,
        MoveKind.HANDHELD_ZOOM_IN,
        MoveKind.AERIAL_PULL_OUT,
        MoveKind.DYNAMIC_ZOOM_SWING,
    }
)
VERB_FORMS = {**phrases.VERB_FORMS, **synonyms.VERB_FORMS}


class Sort(Enum):
    """What a phrase is; the comment tells what its item's value is."""

    VERB = auto()  # the verb's base form
    KIND = auto()  # MoveKind
    DIRECTION = auto()  # a key of DIRECTION_PHRASES
    SPEED = auto()  # Speed
    RAPID = auto()
    HANDHELD = auto()
    ANGLE = auto()  # degrees
    AZIMUTH = auto()  # a key of AZIMUTH_DEGREES
    ELEVATION = auto()
    FRAMING = auto()
    JOIN = auto()
    THEN = auto()
    STOP = auto()  # the mark
    NEGATION = auto()
    CAMERA = auto()
    PEOPLE = auto()
    FILLER = auto()
    DEGREES = auto()
    HINT = auto()  # what to write instead
    UNKNOWN = auto()


class Item(NamedTuple):
    """A phrase found in the text, with its words as they were read."""

    sort: Sort
    value: object
    words: str


@dataclass(slots=True)
class Node:
    """A node of the word tree: the phrases that go on from here, and the meaning of the one that ends here."""

    children: dict[str, Node] = field(default_factory=dict)
    meaning: tuple[Sort, object] | None = None


@dataclass(frozen=True)
class Lexicon:
    """The word tree, the directions that each verb takes, all its words, and those worth suggesting."""

    root: Node
    verbs: dict[str, dict[str, MoveKind]]
    words: frozenset[str]
    suggestions: frozenset[str]


_TOKEN = re.compile(r"-?\d+(?:\.\d+)?|[^\W\d_]+|[.,;:!?+&]")
_STOPS = frozenset(".,;:!?")


def tokens_of(text: str) -> list[str]:
    """Words, numbers and stops of a text, lower case; hyphens count as spaces, "45°" reads "45 degrees"."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("°", " degrees ")
    text = re.sub(r"'s\b|'", "", text)
    text = re.sub(r"(?<!\s)-|-(?!\d)|[_/]", " ", text)  # a minus sign stays, so that it can be refused
    return _TOKEN.findall(text)


def scan(text: str) -> Iterator[Item]:
    """The text as items, always taking the longest phrase that is known."""
    tokens, root = tokens_of(text), lexicon().root
    position = 0
    while position < len(tokens):
        item, position = _next_item(tokens, position, root)
        yield item


def _next_item(tokens: list[str], start: int, root: Node) -> tuple[Item, int]:
    node, end, meaning = root, start, None
    for position in range(start, len(tokens)):
        child = node.children.get(tokens[position])
        if child is None:
            break
        node = child
        if node.meaning is not None:
            end, meaning = position + 1, node.meaning
    if meaning is not None:
        return Item(*meaning, " ".join(tokens[start:end])), end
    token = tokens[start]
    if token in _STOPS:
        return Item(Sort.STOP, token, token), start + 1
    if token.lstrip("-")[0].isdecimal():
        return Item(Sort.ANGLE, float(token), token), start + 1
    return Item(Sort.UNKNOWN, token, token), start + 1


@cache
def lexicon() -> Lexicon:
    """All tables as one word tree. A phrase in two tables keeps the meaning that was added first."""
    verbs = _verbs()
    root, words, suggestions = Node(), set(), set()
    for phrase, meaning in _entries(verbs):
        tokens = tokens_of(phrase)
        words.update(tokens)
        if meaning[0] not in (Sort.FILLER, Sort.PEOPLE, Sort.HINT):
            suggestions.update(tokens)
        node = root
        for token in tokens:
            node = node.children.setdefault(token, Node())
        node.meaning = node.meaning or meaning
    return Lexicon(root, verbs, frozenset(words), frozenset(suggestions))


def _verbs() -> dict[str, dict[str, MoveKind]]:
    """Verb (as its words): direction: move; from the written phrases and the synonyms."""
    verbs = {verb: dict(kinds) for verb, kinds in synonyms.VERBS.items()}
    for kind, wordings in phrases.MOVE_PHRASES.items():
        if kind in WHOLE_KINDS:
            continue
        for phrase in wordings:
            verb, direction = split_direction(phrase)
            default = synonyms.DEFAULT_DIRECTION.get(verb, "")
            verbs.setdefault(verb, {}).setdefault(direction or default, kind)
    return verbs


def split_direction(phrase: str) -> tuple[str, str]:
    """("arc to the left") → ("arc", "left"); the direction is "" where the phrase names none."""
    words = " ".join(tokens_of(phrase))
    best, name = "", ""
    for direction, spellings in phrases.DIRECTION_PHRASES.items():
        for spelling in spellings:
            if words.endswith(" " + spelling) and len(spelling) > len(best):
                best, name = spelling, direction
    return (words[: -len(best) - 1], name) if best else (words, "")


def _entries(verbs: dict[str, dict[str, MoveKind]]) -> Iterator[tuple[str, tuple[Sort, object]]]:
    for kind, wordings in phrases.MOVE_PHRASES.items():
        if kind in WHOLE_KINDS:
            yield from _all(_forms(wordings), (Sort.KIND, kind))
    for kind, wordings in synonyms.KINDS.items():
        yield from _all(_forms(wordings), (Sort.KIND, kind))
    for verb in verbs:
        yield from _all(_forms([verb]), (Sort.VERB, verb))
    yield from _view_entries()
    for table in (phrases.DIRECTION_PHRASES, synonyms.DIRECTION_PHRASES):
        for direction, wordings in table.items():
            yield from _all(wordings, (Sort.DIRECTION, direction))
    for speeds in (phrases.SPEED_WORDS, synonyms.SPEED_WORDS):
        for speed, wordings in speeds.items():
            yield from _all(wordings, (Sort.SPEED, speed))
    for angles in (synonyms.TURNS, synonyms.NUMBER_WORDS):
        for phrase, degrees in angles.items():
            yield phrase, (Sort.ANGLE, degrees)
    for phrase, hint in synonyms.HINTS.items():
        yield phrase, (Sort.HINT, hint)
    marks: dict[Sort, Iterable[str]] = {
        Sort.RAPID: synonyms.RAPID_WORDS,
        Sort.HANDHELD: synonyms.HANDHELD_WORDS,
        Sort.DEGREES: synonyms.DEGREE_WORDS,
        Sort.THEN: synonyms.THEN_WORDS,
        Sort.JOIN: (*synonyms.JOIN_WORDS, "+", "&"),
        Sort.NEGATION: synonyms.NEGATIONS,
        Sort.CAMERA: synonyms.CAMERA_WORDS,
        Sort.PEOPLE: synonyms.PEOPLE_WORDS.split(),
        Sort.FILLER: synonyms.FILLERS.split(),
    }
    for sort, words in marks.items():
        yield from _all(words, (sort, None))


def _view_entries() -> Iterator[tuple[str, tuple[Sort, object]]]:
    for azimuth in AZIMUTH_DEGREES:
        meaning = (Sort.AZIMUTH, azimuth)
        yield from _all((shape.format(azimuth) for shape in phrases.AZIMUTH_PHRASES), meaning)
        for name in synonyms.AZIMUTH_NAMES[azimuth]:
            yield from _all((shape.format(name) for shape in synonyms.AZIMUTH_SHAPES), meaning)
        yield from _all(synonyms.AZIMUTH_ALONE.get(azimuth, ()), meaning)
    for sort, written, heard in (
        (Sort.ELEVATION, phrases.ELEVATION_PHRASES, synonyms.ELEVATIONS),
        (Sort.FRAMING, phrases.FRAMING_PHRASES, synonyms.FRAMINGS),
    ):
        for name, wordings in written.items():
            yield from _all((*wordings, *heard[name]), (sort, name))


def _all(wordings: Iterable[str], meaning: tuple[Sort, object]) -> Iterator[tuple[str, tuple[Sort, object]]]:
    return ((phrase, meaning) for phrase in wordings)


def _forms(wordings: Iterable[str]) -> Iterator[str]:
    """Every phrase as it is, and with each of its verbs inflected ("dollies zoom" does no harm)."""
    for phrase in wordings:
        yield phrase
        words = phrase.split(" ")
        for index, word in enumerate(words):
            for form in VERB_FORMS.get(word, ()):
                yield " ".join((*words[:index], form, *words[index + 1 :]))


def nearest(word: str) -> str | None:
    """The known word that a typo most likely stands for, or None (also for words that are known)."""
    if len(word) < 3 or word in lexicon().words:
        return None
    # In words of three letters a replaced one makes too many matches ("get", "let"); swapped ones are typos.
    allowed = 1 if len(word) <= 7 else 2
    # Few edits leave the first or the last letter as it is; this spares most comparisons.
    candidates = [
        known
        for known in sorted(lexicon().suggestions)
        if abs(len(known) - len(word)) <= allowed and (known[0] == word[0] or known[-1] == word[-1])
    ]
    if len(word) == 3:
        candidates = [known for known in candidates if sorted(known) == sorted(word) or len(known) == 4]
    distance, known = min(((_edits(word, known), known) for known in candidates), default=(allowed + 1, ""))
    return known if distance <= allowed else None


def _edits(a: str, b: str) -> int:
    """Edits between two words, where swapping two neighbours counts as one."""
    before: list[int] = []  # the row before the previous one
    previous: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        before, previous = previous, row
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
    return row[-1]
