"""Every bad input of `bad_inputs` is tried; docs/bad_inputs.md is that table."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bad_inputs import files, page
from bad_inputs.case import Case, Group
from bad_inputs.of_calls import CALLS, Call, make_pipeline
from bad_inputs.of_machines import EVENTS

from threedimo_core.backbones.wan import WanBackbone
from threedimo_core.checkpoint import load_adapter, save_adapter
from threedimo_core.cli import main
from threedimo_core.commands import animate  # noqa: F401 - here, since nobody may not read this installation
from threedimo_core.motion_clip import MotionClip
from threedimo_core.pipeline import Pipeline
from threedimo_core.video import read_video, write_video

CASES = [pytest.param(g, c, id=f"{g.title}: {c.given}"[:80]) for g in page.GROUPS for c in g.cases]
Run = Callable[[str], int]
Patch = pytest.MonkeyPatch
GOOD = "animate --motion motion.safetensors --reference reference.png"


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A shell starts what runs in the background with Ctrl-C switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    files.make_all(folder)
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`threedimo` in the folder of files, with the tiny model where the line names none."""
    monkeypatch.chdir(folder)
    return lambda line: _run(line)


def _run(line: str) -> int:
    words = shlex.split(line)
    defaults: dict[str, list[str]] = {
        "animate": ["--model", "model", "--out", "out.mp4"],
        "encode": ["--model", "model", "--out", "out.safetensors"],
    }
    if words and words[0] in defaults:
        options, switches = defaults[words[0]], ["--no-hands", "--device", "cpu"]
        given = [options[i : i + 2] for i in range(0, len(options), 2) if options[i] not in words]
        switches += ["--no-sheet"] if words[0] == "animate" else []
        words = [words[0], *switches, *(word for pair in given for word in pair), *words[1:]]
    try:
        return main(words)
    except SystemExit as end:  # argparse's way out
        return int(end.code or 0)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in sorted(folder.rglob("*")) if p.is_file()}


def pattern(message: str) -> str:
    return ".*".join(map(re.escape, message.split("…")))


# --- the command line -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "case"), CASES)
def test_what_is_typed(group: Group, case: Case, run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state(folder)
    status = run(group.line.replace("{}", case.typed))
    said = capsys.readouterr()
    if case.shape is None:
        assert status == 2
        assert re.search(rf"^threedimo[ a-z]*: {pattern(case.says)}\n\Z", said.err, re.MULTILINE), said.err
        assert "Traceback" not in said.err and said.out == ""
        assert state(folder) == before, "a refusal must leave everything as it was"
        return
    new, made = state(folder).keys() - before.keys(), said.out.splitlines()
    shapes = [read_video(path).frames.shape for path in made]
    for path in new:
        Path(path).unlink()
    assert (status, shapes) == (0, [(*case.shape, 3)]), said.err
    assert new == {str(folder / made[0])}
    assert re.search(rf"^{pattern(case.says)}$", said.err, re.MULTILINE) or not case.says, said.err


def test_the_page_is_this_table() -> None:
    again = "run `PYTHONPATH=tests python -m bad_inputs`"
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), again


# --- Python -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pipeline() -> tuple[Pipeline, MotionClip]:
    return make_pipeline()


@pytest.mark.parametrize("call", [pytest.param(call, id=f"{call.function}: {call.given}") for call in CALLS])
def test_what_is_called(call: Call, pipeline: tuple[Pipeline, MotionClip], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    if not call.says:
        call.call(*pipeline)
        return
    with pytest.raises(ValueError) as caught:
        call.call(*pipeline)
    assert re.fullmatch(pattern(call.says), str(caught.value))
    assert not list(tmp_path.iterdir())
    assert not any(hasattr(block, "motion") for block in pipeline[0].backbone.blocks)


# --- the machine ------------------------------------------------------------------------------------------

TRIED: set[str] = set()


def event(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks the test of an event of the page."""
    TRIED.add(name)
    return lambda test: test


def test_every_event_of_the_page_is_tried() -> None:
    assert set(EVENTS) == TRIED


def told(name: str) -> str:
    """The message that the page quotes."""
    return EVENTS[name][1].split("`")[1]


@contextlib.contextmanager
def small_disk(limit: int) -> Iterator[None]:
    """No file can grow beyond `limit` bytes: what a full disk looks like to those who write."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@event("full disk")
@pytest.mark.parametrize(("line", "out"), [(GOOD, "full.mp4"), ("encode driver.mp4", "full.safetensors")])
def test_a_full_disk(run: Run, folder: Path, capsys: pytest.CaptureFixture[str], line: str, out: str) -> None:
    Path(out).write_bytes(b"older")
    before = state(folder)
    with small_disk(1000):
        assert run(f"{line} --out {out}") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("threedimo ") and out in said and "File too large" in said
    assert state(folder) == before


@event("ctrl-c")
def test_ctrl_c_in_mid_run(run: Run, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Patch) -> None:
    velocity, forwards = WanBackbone.velocity, []

    def interrupted(*args: Any) -> torch.Tensor:
        forwards.append(1)
        if len(forwards) == 3:
            signal.raise_signal(signal.SIGINT)
        return velocity(*args)

    monkeypatch.setattr(WanBackbone, "velocity", interrupted)
    before = state(folder)
    assert run(f"{GOOD} --steps 100") == 130
    assert capsys.readouterr().err.endswith(f"threedimo animate: {told('ctrl-c')}\n")
    assert state(folder) == before and len(forwards) == 3


@event("ctrl-c while writing")
def test_ctrl_c_while_writing(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")

    def press() -> None:
        while not list(tmp_path.glob(".*part*")):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        write_video(path, np.zeros((100_000, 16, 16, 3), np.uint8), 24.0)
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"] and path.read_bytes() == b"older"


@contextlib.contextmanager
def nobody(*places: Path) -> Iterator[None]:
    """Root may write anywhere: for a while this process is nobody, who may pass through `places`."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    modes = {place: place.stat().st_mode for place in places}
    for place in places:
        place.chmod(0o755)
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        for place, mode in modes.items():
            place.chmod(mode)


@event("read-only folder")
def test_a_folder_that_may_not_be_written_to(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    locked = folder / "locked"
    locked.mkdir(mode=0o555)
    with nobody(*folder.parents[:2], folder):
        assert run(f"{GOOD} --out locked/out.mp4") == 2
    assert capsys.readouterr().err == f"threedimo animate: {told('read-only folder')}\n"
    assert not list(locked.iterdir())
    locked.rmdir()


@event("read-only model")
def test_a_model_that_may_not_be_written_to(run: Run, folder: Path) -> None:
    before = state(folder / "model")
    places = [folder / "model", *(place for place in (folder / "model").iterdir() if place.is_dir())]
    for place in places:
        place.chmod(0o555)
    assert run(f"{GOOD} --out read-only.mp4") == 0
    for place in places:
        place.chmod(0o755)
    assert state(folder / "model") == before
    (folder / "read-only.mp4").unlink()


@event("old file")
def test_a_result_that_is_there_already(run: Run, folder: Path) -> None:
    (folder / "old.mp4").write_bytes(b"older")
    assert run(f"{GOOD} --out old.mp4") == 0
    assert len(read_video(folder / "old.mp4").frames) == 9
    (folder / "old.mp4").unlink()


@event("plain terminal")
def test_a_terminal_that_knows_ascii_alone(run: Run, monkeypatch: Patch) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    assert run("info 人物.png") == 0
    screen.flush()
    assert screen.buffer.getvalue().startswith(rb"\u4eba\u7269.png")  # type: ignore[attr-defined]


@event("foreign notes")
def test_control_characters_do_not_reach_the_terminal(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    adapter = load_adapter("model/adapter.safetensors")
    adapter.record = replace(adapter.record, notes="\x1b[2Jall gone")
    save_adapter("foreign.safetensors", adapter)
    assert run("info foreign.safetensors") == 0
    said = capsys.readouterr().out
    assert "\ufffd[2Jall gone" in said and "\x1b" not in said
    Path("foreign.safetensors").unlink()


@event("out of memory")
def test_too_little_memory(run: Run, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Patch) -> None:
    def full(*args: Any) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(WanBackbone, "velocity", full)
    before = state(folder)
    assert run(GOOD) == 2
    assert capsys.readouterr().err.endswith(f"threedimo animate: {told('out of memory')}\n")
    assert state(folder) == before
