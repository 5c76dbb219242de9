"""Menus and free text together: the text wins part by part, and the user is told."""

import pytest

from threedimo_core.camera_language import MenuMove, Menus, MoveKind, Speed, compose, write

ARC = MenuMove(MoveKind.ARC_LEFT, Speed.SLOW, 45.0)


def test_menus_alone() -> None:
    parsed = compose(Menus((ARC, MenuMove(MoveKind.RISE)), azimuth="front", framing="full body"))
    assert write(parsed.prompt) == "Front view, full body. The camera arcs left 45 degrees slowly while rising."
    assert parsed.not_understood == [] and parsed.notes == []


def test_nothing_chosen_is_static() -> None:
    assert write(compose(Menus()).prompt) == "The camera remains static."


def test_the_text_wins_part_by_part() -> None:
    parsed = compose(Menus((ARC,), azimuth="front", elevation="low angle"), "left view, slow zoom in")
    assert write(parsed.prompt) == "Left view, low angle. The camera zooms in slowly."
    assert any("menus are not" in note for note in parsed.notes)


def test_a_text_without_a_move_leaves_the_menus_move() -> None:
    assert "arcs left" in write(compose(Menus((ARC,)), "from behind").prompt)


def test_what_a_move_does_not_take_is_left_out_with_a_note() -> None:
    parsed = compose(Menus((MenuMove(MoveKind.STATIC, Speed.QUICK, 30.0),)))
    assert write(parsed.prompt) == "The camera remains static."
    assert len(parsed.notes) == 2


def test_what_was_not_understood_is_kept() -> None:
    parsed = compose(Menus((ARC,)), "dutch angle")
    assert parsed.not_understood and "arcs left" in write(parsed.prompt)


def test_contradicting_menus_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot run at the same time"):
        compose(Menus((ARC, MenuMove(MoveKind.MOVE_RIGHT))))


def test_too_large_an_angle_is_refused_with_the_range() -> None:
    with pytest.raises(ValueError, match="up to 180"):
        compose(Menus((MenuMove(MoveKind.ARC_LEFT, Speed.NORMAL, 300.0),)))
