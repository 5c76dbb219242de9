"""The camera language: every prompt survives writing and parsing; free text is read, and misfits are told."""

import math
import random
import string
from itertools import cycle, permutations, product
from pathlib import Path

import pytest

from threedimo_core.camera_language import (
    ANGLES,
    AZIMUTH_DEGREES,
    ELEVATION_DEGREES,
    FIXED_SPEED,
    FRAMINGS,
    MAX_ANGLE,
    MEANINGS,
    NUM_WORDINGS,
    CameraPrompt,
    Move,
    MoveKind,
    Speed,
    View,
    canonical,
    conflict,
    describe,
    nearest_angle,
    parse,
    tokenize_words,
    vocabulary,
    write,
)
from threedimo_core.camera_language.lexicon import nearest
from threedimo_core.camera_language.phrases import MOVE_PHRASES, VERB_FORMS
from threedimo_core.camera_language.reference import filled

K, S = MoveKind, Speed
PAGE = Path(__file__).parents[1] / "docs" / "camera_language.md"


def speeds(kind: MoveKind) -> tuple[Speed, ...]:
    return (S.NORMAL,) if kind in FIXED_SPEED else tuple(S)


def all_views() -> list[View | None]:
    parts = product((None, *AZIMUTH_DEGREES), (None, *ELEVATION_DEGREES), (None, *FRAMINGS))
    return [View(*part) if any(part) else None for part in parts]


def assert_survives(prompt: CameraPrompt, wording: int) -> None:
    text = write(prompt, wording)
    parsed = parse(text)
    assert parsed.prompt == prompt, f"{text}\n{describe(parsed)}"
    assert not parsed.not_understood and not parsed.notes, f"{text}\n{describe(parsed)}"


# Writing and parsing


def test_every_single_move_in_every_wording():
    for kind in MoveKind:
        angles = [a for a in (*ANGLES, 22.5, 0.1) if a <= MAX_ANGLE.get(kind, 0.0)]
        for speed, angle, wording in product(speeds(kind), (None, *angles), range(NUM_WORDINGS)):
            assert_survives(CameraPrompt(None, (Move(kind, speed, angle),)), wording)


def test_every_view_in_every_wording_with_none_one_and_two_moves():
    single = (Move(K.STATIC),)
    pair = (Move(K.MOVE_BACK, S.QUICK), Move(K.ARC_LEFT, S.SLOW, 45))
    for view, moves, wording in product(all_views(), ((), single, pair), range(NUM_WORDINGS)):
        assert_survives(CameraPrompt(view, moves), wording)


def test_every_pair_at_all_speeds_with_and_without_angles_in_every_wording():
    # Angles and views take turns: all of them occur, and the test stays short.
    angles, views = cycle(ANGLES), cycle(all_views())
    plain = [(kind, speed, False) for kind in MoveKind for speed in speeds(kind)]
    turns = [(kind, speed, True) for kind in MAX_ANGLE for speed in S]
    count = 0
    for choices in permutations(plain + turns, 2):
        if conflict(choices[0][0], choices[1][0]) is not None:
            continue
        moves = tuple(
            Move(kind, speed, min(next(angles), MAX_ANGLE[kind]) if angled else None) for kind, speed, angled in choices
        )
        prompt = CameraPrompt(next(views) if count % 10 == 0 else None, moves)
        for wording in range(NUM_WORDINGS):
            assert_survives(prompt, wording)
        count += 1
    assert count * NUM_WORDINGS > 40_000


def test_the_papers_sentences():
    assert write(CameraPrompt(View("front-right"), (Move(K.ARC_RIGHT),))) == "Front-right view. The camera arcs right."
    assert write(CameraPrompt(None, (Move(K.STATIC),))) == "The camera remains static."
    pair = CameraPrompt(None, (Move(K.MOVE_UP), Move(K.ARC_RIGHT, S.SLOW)))
    assert write(pair) == "The camera moves up while arcing right slowly."
    assert parse("The camera moves upward while arcing right slowly.").prompt == pair
    assert parse("The camera pulls away.").prompt.moves == (Move(K.MOVE_BACK),)
    assert parse("The camera rotates in a circular path around the subject to the left").prompt.moves == (
        Move(K.ORBIT_LEFT),
    )


def test_wordings_differ_and_wrap_around():
    prompt = CameraPrompt(View("back", "low angle", "knee"), (Move(K.ARC_LEFT, S.SLOW, 30), Move(K.ZOOM_IN)))
    assert len({write(prompt, w) for w in range(NUM_WORDINGS)}) == NUM_WORDINGS >= 4
    assert write(prompt, NUM_WORDINGS) == write(prompt, 0)
    assert write(CameraPrompt()) == "" and parse("").prompt == CameraPrompt()


# Free text

FREE = {
    "slow orbit to the left, then zoom in": (None, Move(K.ORBIT_LEFT, S.SLOW), Move(K.ZOOM_IN)),
    "pan right quickly": (None, Move(K.PAN_RIGHT, S.QUICK)),
    "camera static": (None, Move(K.STATIC)),
    "static shot": (None, Move(K.STATIC)),
    "fixed camera": (None, Move(K.STATIC)),
    "Don't move the camera": (None, Move(K.STATIC)),
    "no camera movement": (None, Move(K.STATIC)),
    "handheld": (None, Move(K.HANDHELD_STATIC)),
    "shaky handheld camera, zoom in": (None, Move(K.HANDHELD_ZOOM_IN)),
    "dolly in": (None, Move(K.MOVE_FORWARD)),
    "push in": (None, Move(K.MOVE_FORWARD)),
    "pull back": (None, Move(K.MOVE_BACK)),
    "truck left": (None, Move(K.MOVE_LEFT)),
    "crane up": (None, Move(K.RISE)),
    "pedestal down": (None, Move(K.MOVE_DOWN)),
    "45° arc left": (None, Move(K.ARC_LEFT, angle=45)),
    "arc -left 45 deg": (None, Move(K.ARC_LEFT, angle=45)),
    "Camera: arc_left": (None, Move(K.ARC_LEFT)),
    "view: front, move: arc left": (View("front"), Move(K.ARC_LEFT)),
    "The camera moves in an arc to the right": (None, Move(K.ARC_RIGHT)),
    "slow leftward pan": (None, Move(K.PAN_LEFT, S.SLOW)),
    "slowly, the camera pans left": (None, Move(K.PAN_LEFT, S.SLOW)),
    "pan from left to right": (None, Move(K.PAN_RIGHT)),
    "whip pan left": (None, Move(K.PAN_LEFT, S.QUICK)),
    "pan up": (None, Move(K.TILT_UP)),
    "pan left and up": (None, Move(K.PAN_LEFT), Move(K.TILT_UP)),
    "move forward and up": (None, Move(K.MOVE_FORWARD), Move(K.MOVE_UP)),
    "arc left, 45 degrees, slow": (None, Move(K.ARC_LEFT, S.SLOW, 45)),
    "fast zoom out": (None, Move(K.ZOOM_OUT, S.QUICK)),
    "rapid zoom out": (None, Move(K.RAPID_ZOOM_OUT)),
    "crash zoom in": (None, Move(K.RAPID_ZOOM_IN)),
    "dolly zoom out": (None, Move(K.VERTIGO_OUT)),
    "vertigo in": (None, Move(K.VERTIGO_IN)),
    "aerial pull-out": (None, Move(K.AERIAL_PULL_OUT)),
    "zooms in and out while swinging": (None, Move(K.DYNAMIC_ZOOM_SWING)),
    "dolly out while zooming in": (None, Move(K.MOVE_BACK), Move(K.ZOOM_IN)),
    "orbit clockwise by ninety degrees": (None, Move(K.ORBIT_LEFT, angle=90)),
    "orbit counter-clockwise": (None, Move(K.ORBIT_RIGHT)),
    "orbit right, half a circle": (None, Move(K.ORBIT_RIGHT, angle=180)),
    "view from behind": (View("back"),),
    "rear view, low angle": (View("back", "low angle"),),
    "seen from her left, the camera rises": (View("left"), Move(K.RISE)),
    "front left, full shot, eye-level, static": (View("front-left", "eye level", "full body"), Move(K.STATIC)),
    "bird’s-eye view": (View(None, "high angle"),),
    "medium shot": (View(None, None, "waist"),),
    "ＰＡＮ　ＬＥＦＴ": (None, Move(K.PAN_LEFT)),
}


@pytest.mark.parametrize("text", FREE)
def test_free_text(text):
    view, *moves = FREE[text]
    parsed = parse(text)
    assert parsed.prompt == CameraPrompt(view, tuple(moves)), describe(parsed)
    assert not parsed.not_understood, describe(parsed)
    assert parsed.understood


def test_clockwise_is_seen_from_above():
    """A camera in front (azimuth 0, at +z) that goes to its left comes to -x: clockwise with z pointing down."""
    assert parse("arc clockwise").prompt.moves == (Move(K.ARC_LEFT),)
    azimuth = math.radians(-30)  # after an arc to the left azimuth has fallen
    x, z = math.sin(azimuth), math.cos(azimuth)
    assert x < 0 < z
    assert View.from_degrees(-30).azimuth == "front-right"


MISFITS = {
    "camrea arc left": "'camrea': did you mean 'camera'?",
    "the camera pnas left": "did you mean 'pans'?",
    "slwoly zoom in": "did you mean 'slowly'?",
    "zomm in": "did you mean 'zoom in'?",
    "pan": "needs a direction; say one of: left, right",
    "tilt left": "does not go left; say one of: up, down",
    "left": "say how the camera goes there",
    "slowly": "no move that it could belong to",
    "static while arcing left": "'static' cannot go with 'arc left'",
    "zoom in and zoom out": "both set the camera's zoom",
    "pan left, tilt up, zoom in": "at most two moves",
    "arc left 400 degrees": "up to 180 degrees",
    "zoom in 30 degrees": "takes no angle",
    "arc left -30 degrees": "an angle above 0",
    "orbit left 0 degrees": "an angle above 0",
    f"orbit left {'9' * 400} degrees": "up to 360 degrees",
    "static, slowly": "takes no speed",
    "handheld arc left": "handheld goes with static and with zoom in only",
    "no zoom, pan left": "say what the camera does",
    "side view": "say 'left view' or 'right view'",
    "close-up": "framings are",
    "move 2 meters forward": "'2 meters': distances",
    "pan left for 3 seconds": "'3 seconds': durations",
    "roll left": "does not roll",
    "front view from behind": "the azimuth is already 'front'",
    "左に移動": "左に移動",
    "🎥 ...": "says nothing about the camera",
    "the person": "says nothing about the camera",
    "static left": "'static' has no such direction",
}


@pytest.mark.parametrize(("text", "report"), MISFITS.items(), ids=[text[:30] for text in MISFITS])
def test_what_is_not_understood_is_told(text, report):
    parsed = parse(text)
    assert report in "\n".join(parsed.not_understood), describe(parsed)
    assert report in describe(parsed)
    with pytest.raises(ValueError, match="not clear"):
        parsed.checked()


def test_the_rest_of_a_faulty_text_still_counts():
    assert parse("camrea arc left 45 degrees").prompt.moves == (Move(K.ARC_LEFT, angle=45),)
    assert parse("arc left 400 degrees").prompt.moves == (Move(K.ARC_LEFT),)
    assert parse("no zoom, pan left").prompt.moves == (Move(K.PAN_LEFT),)
    assert parse("pan left, tilt up, zoom in").prompt.moves == (Move(K.PAN_LEFT), Move(K.TILT_UP))


@pytest.mark.parametrize(
    "text",
    [
        "a man turns left",
        "She rises slowly",
        "two dancers moving forward and back",
        "a woman walks to the right, turning around",
        "the girl lifts her left arm up",
    ],
)
def test_what_people_do_moves_no_camera(text):
    assert parse(text).prompt.moves == ()
    assert parse(f"{text}. The camera moves left.").prompt.moves == (Move(K.MOVE_LEFT),)
    assert parse(f"{text}, while the camera arcs right around them").prompt.moves == (Move(K.ARC_RIGHT),)


def test_choices_of_the_parser_are_noted():
    assert "taken as 'orbit left'" in describe(parse("orbit around the subject"))
    assert "at the same time" in describe(parse("pan left, then zoom in"))
    assert parse("pan left, pan left, and pan left").prompt.moves == (Move(K.PAN_LEFT),)


def test_no_text_breaks_the_parser():
    rng = random.Random(0)
    others = "then and while not no 45° -3 1.5.2 360 0 , . ; : ! ( the woman cam slwo % \n é 日"
    words = vocabulary() + others.split(" ")
    for index in range(600):
        text = " ".join(rng.choices(words, k=rng.randint(1, 14)))
        parsed = parse(text)
        assert parse(write(parsed.prompt, index)).prompt == parsed.prompt, text
        assert isinstance(describe(parsed), str)
        plain = canonical(text)
        assert canonical(plain) == plain and not parse(plain).not_understood, text
    for _ in range(300):
        parse("".join(rng.choices(string.printable + "°–“’²½٣𝟜", k=40)))
    parse("zom " * 20_000)


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="is text, but NoneType"):
        parse(None)  # type: ignore[arg-type]


def test_suggestions_are_near_and_useful():
    assert nearest("orbti") == "orbit" and nearest("vertgo") == "vertigo" and nearest("pna") == "pan"
    assert nearest("dancing") is None and nearest("zoom") is None and nearest("qqqqqq") is None


# The classes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Move("spin"), "'spin' is no camera move; use one of: static"),
        (lambda: Move(K.PAN_LEFT, "warp"), "'warp' is no speed"),
        (lambda: Move(K.ZOOM_IN, angle=30), "takes no angle"),
        (lambda: Move(K.ARC_LEFT, angle=181), "up to 180 degrees"),
        (lambda: Move(K.ARC_LEFT, angle=0), "above 0"),
        (lambda: Move(K.ARC_LEFT, angle=math.nan), "above 0"),
        (lambda: Move(K.ARC_LEFT, angle=math.inf), "above 0"),
        (lambda: Move(K.STATIC, S.SLOW), "takes no speed"),
        (lambda: CameraPrompt(None, (Move(K.STATIC), Move(K.ARC_LEFT))), "stands still or it moves"),
        (lambda: CameraPrompt(None, (Move(K.PAN_LEFT), Move(K.PAN_RIGHT))), "turning left and right"),
        (lambda: CameraPrompt(None, (Move(K.VERTIGO_IN), Move(K.ZOOM_IN))), "camera's zoom"),
        (lambda: CameraPrompt(None, (Move(K.ARC_LEFT), Move(K.ARC_LEFT, angle=30))), "given twice"),
        (lambda: CameraPrompt(None, tuple(map(Move, (K.ZOOM_IN, K.PAN_LEFT, K.TILT_UP)))), "at most two moves"),
        (lambda: View("north"), "view azimuth 'north' is unknown; use one of: front"),
        (lambda: View("front", "above"), "view elevation"),
        (lambda: View("front", None, "face"), "view framing"),
        (lambda: View(), "view=None"),
        (lambda: View.from_degrees(math.nan), "finite"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_names_of_files_and_nodes_are_taken():
    assert Move("arc_left", "slow", 45) == Move(K.ARC_LEFT, S.SLOW, 45.0)
    assert str(K.ARC_LEFT) == "arc_left" and K.ARC_LEFT.label == "arc left"
    assert CameraPrompt(None, [Move(K.STATIC)]).moves == (Move(K.STATIC),)  # type: ignore[arg-type]


def test_views_from_degrees():
    for name, degrees in AZIMUTH_DEGREES.items():
        for off, turns in product((-22, 0, 22), (-720, 0, 360)):
            assert View.from_degrees(degrees + off + turns).azimuth == name
        assert View(name).azimuth_degrees == degrees
    for name, degrees in ELEVATION_DEGREES.items():
        assert View.from_degrees(0, degrees).elevation == name
    names = [View.from_degrees(0, elevation).elevation for elevation in (-90, -3.1, -3, 14.9, 15, 90)]
    assert names == ["low angle"] * 2 + ["eye level"] * 2 + ["high angle"] * 2


def test_conflicts_are_symmetric_and_the_tables_complete():
    for first, second in product(MoveKind, MoveKind):
        assert (conflict(first, second) is None) == (conflict(second, first) is None)
    assert set(MOVE_PHRASES) == set(MEANINGS) == set(MoveKind)
    for phrases in MOVE_PHRASES.values():
        assert all(any(word in VERB_FORMS for word in phrase.split(" ")) for phrase in phrases)


# Words


def test_vocabulary_is_small_and_closed():
    words = vocabulary()
    assert len(words) == len(set(words)) < 300
    assert all(word == word.lower() and word.isalnum() for word in words)
    known = set(words)
    views = cycle(all_views())
    for first, second in permutations(MoveKind, 2):
        moves = [Move(first, speeds(first)[-1], MAX_ANGLE.get(first)), Move(second, speeds(second)[0])]
        prompt = CameraPrompt(next(views), tuple(moves if conflict(first, second) is None else moves[:1]))
        for wording in range(NUM_WORDINGS):
            assert known.issuperset(tokenize_words(write(prompt, wording)))


def test_tokenize_words():
    assert tokenize_words("Front-left view. It dolly-zooms in, 22.5°!") == (
        ["front", "left", "view", "it", "dolly", "zooms", "in", "22.5", "degrees"]
    )


def test_canonical():
    assert (
        canonical("slow 43° arc to the left, veiw from behind") == "Back view. The camera arcs left 45 degrees slowly."
    )
    assert canonical("a woman in a park, seen from behind") == "Back view. The camera remains static."
    assert canonical("") == canonical("blurry, low quality, deformed") == ""
    assert nearest_angle(352.0) == 345.0 and nearest_angle(1.0) == 5.0


# The report and the page


def test_describe():
    report = describe(parse("Front-right view, low angle. Slow 45 degree arc left, then zom in"))
    assert report.splitlines()[0] == "View: front-right (azimuth -45 degrees), low angle"
    assert "Camera: arc left, 45 degrees, slow - travels to its left around the person" in report
    assert "In short: Front-right view, low angle. The camera arcs left 45 degrees slowly." in report
    assert "Not understood: 'zom in': did you mean 'zoom in'?" in report
    assert "stays static" in describe(CameraPrompt())


def test_the_page_shows_the_tables_as_they_are():
    page = PAGE.read_text(encoding="utf-8")
    message = "run `python -m threedimo_core.camera_language.reference`"
    assert page == filled(page), message
    assert all(f"`{kind}`" in page for kind in MoveKind)
