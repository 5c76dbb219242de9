"""data caption: a tiny Qwen2.5-VL of the real classes, answers read back, overlays, resumed runs, missing models."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from footage_scenes import Room, write_mp4
from safetensors.torch import load_file, save_file
from tiny_qwen import save_tiny_qwen

from threedimo_core.camera_language import CameraPrompt, Move, MoveKind, View, parse
from training.data import caption_command
from training.data.caption_command import caption_fields
from training.data.cli import main
from training.data.dataset import PairDataset
from training.data.footage import describer
from training.data.footage.describer import QUESTION, Describer, DescriberError, read_answer, without_contradiction
from training.data.manifest import ManifestWriter, read_manifest
from training.data.pairs import PairKind

ANSWER = "Front-left view, eye level, full body. The camera arcs right 45 degrees slowly."
T = 5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    return save_tiny_qwen(tmp_path_factory.mktemp("qwen"))


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of three clips: two of a moving camera (no caption), one of a still camera (captioned by rule)."""
    monkeypatch.setattr("training.data.import_video_command.tracker_available", lambda: False)
    pan = np.stack([np.linspace(0, 40, 2 * T), np.zeros(2 * T)], axis=1)
    noise = np.random.default_rng(0).integers(0, 6, (T, 72, 96, 3), np.uint8)
    write_mp4(tmp_path / "videos" / "pan.mp4", Room(1, 72, 96).seen(pan))
    write_mp4(tmp_path / "videos" / "still.mp4", Room(0, 72, 96).still(T) + noise)
    command = ["import-video", str(tmp_path / "videos"), "--out", str(tmp_path / "set"), "--frames", str(T)]
    assert main([*command, "--size", "48x64"]) == 0
    stills = sorted(str(record["views"][0]["still"]) for record in read_manifest(tmp_path / "set"))
    assert stills == ["False", "False", "True"]
    return tmp_path / "set"


class Scripted:
    """A describer that says what the test wants and counts how often it is asked."""

    def __init__(self, answers: list[str]) -> None:
        self.answers, self.asked = answers, 0

    def describe(self, frames: np.ndarray, fps: float):
        assert frames.dtype == np.uint8 and frames.shape[-1] == 3
        self.asked += 1
        return read_answer(self.answers[(self.asked - 1) % len(self.answers)])


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    stand_in = Scripted([ANSWER])
    monkeypatch.setattr(caption_command.Describer, "load", classmethod(lambda *_: stand_in))
    return stand_in


# --- the model ----------------------------------------------------------------------------------------------------


def test_the_real_classes_answer(model):
    loaded = Describer.load(model, num_frames=3)
    frames = np.random.default_rng(0).integers(0, 255, (T, 60, 80, 3), np.uint8)
    first, second = loaded.describe(frames, 16.0), loaded.describe(frames, 16.0)
    assert first == second and first.raw, "the same answer every time"
    assert first.prompt is None, "letters by chance are no camera"


def test_the_pictures_reach_the_model(model, monkeypatch):
    """As many picture tokens as the image processor cut, in the chat form, with the question after them."""
    loaded = Describer.load(model, num_frames=3)
    seen: dict[str, torch.Tensor] = {}

    def generate(**inputs: torch.Tensor) -> torch.Tensor:
        seen.update(inputs)
        answer = loaded.tokenizer(ANSWER, return_tensors="pt")["input_ids"]
        return torch.cat([inputs["input_ids"], answer], dim=1)

    monkeypatch.setattr(loaded.model, "generate", generate)
    answer = loaded.describe(np.zeros((T, 60, 80, 3), np.uint8), 16.0)
    assert answer.raw == ANSWER and answer.prompt == parse(ANSWER).prompt
    pictures = int((seen["input_ids"] == loaded.model.config.image_token_id).sum())
    assert pictures == int(seen["image_grid_thw"].prod(dim=1).sum()) // 4 and len(seen["image_grid_thw"]) == 3
    text = loaded.tokenizer.decode(seen["input_ids"][0])
    assert "These 3 pictures" in text and text.endswith("<|im_start|>assistant\n")


def test_the_answer_does_not_depend_on_what_was_said_before(model):
    """Different pictures give different logits: the pictures are looked at."""
    loaded = Describer.load(model, num_frames=2)
    logits = []
    for value in (0, 255):
        shown = loaded.images(images=[np.full((56, 56, 3), value, np.uint8)] * 2, return_tensors="pt")
        tokens = loaded.tokenizer(loaded._prompt(shown["image_grid_thw"], "?"), return_tensors="pt")
        inputs = dict(tokens) | dict(shown)
        inputs["mm_token_type_ids"] = (tokens["input_ids"] == loaded.model.config.image_token_id).long()
        with torch.no_grad():
            logits.append(loaded.model(**describer._accepted(loaded.model, inputs)).logits[0, -1])
    assert not torch.allclose(*logits)


def test_every_phrase_that_the_model_is_offered_is_understood():
    """The words of the question are those of the camera language: an answer made of them parses without rest."""
    chosen = re.findall(r"Choose from: (.*?)\.(?: |$)", QUESTION.replace("\n", " "))
    views, framings = chosen[0].split("; ")[0], chosen[0].split("; ")[1:]
    moves = chosen[1].split("; ")[0]
    for view in views.split(", "):
        assert parse(f"{view}.").prompt.view is not None
    for part in ", ".join(framings).split(", "):
        parsed = parse(f"Front view, {part}.")
        assert not parsed.not_understood and parsed.prompt.view != View("front")
    for move in moves.split(", "):
        parsed = parse(f"The camera {move}.")
        assert len(parsed.prompt.moves) == 1 and not parsed.not_understood, move
    example = QUESTION.rsplit("Example: ", 1)[1]
    assert not parse(example).not_understood and len(parse(example).prompt.moves) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json.*hf download Qwen/Qwen2.5-VL-7B-Instruct"),
        (lambda folder: (folder / "config.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "llama"}'), "type 'llama', expected"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 100), "cannot be loaded"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "cannot be loaded"),
    ],
    ids=["no config", "broken config", "another model", "no weights", "broken weights", "no image processor"],
)
def test_a_folder_without_the_model_says_what_to_download(spoil, message, tmp_path):
    torch.manual_seed(0)
    folder = save_tiny_qwen(tmp_path)
    spoil(folder)
    with pytest.raises(DescriberError, match=message):
        Describer.load(folder)


def test_weights_that_are_missing_are_not_made_up(tmp_path):
    folder = save_tiny_qwen(tmp_path)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "mlp" in name)
    del weights[name]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(DescriberError, match=r"lacks 1 weights .*mlp"):
        Describer.load(folder)


def test_pickled_weights_are_not_opened(model, tmp_path):
    """A folder whose weights are a pickle alone is refused, whatever the pickle would do."""
    folder = save_tiny_qwen(tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(DescriberError, match="cannot be loaded"):
        Describer.load(folder)


# --- the answers --------------------------------------------------------------------------------------------------


def test_answers_are_read_by_the_parser_of_users_prompts():
    answer = read_answer(ANSWER)
    assert answer.prompt == CameraPrompt(
        View("front-left", "eye level", "full body"), parse("The camera arcs right 45 degrees slowly.").prompt.moves
    )
    assert read_answer("I am sorry, I cannot see any pictures.").prompt is None
    part = read_answer("Back view. The camera wobbulates.")
    assert part.prompt is not None and part.prompt.view == View("back") and part.not_understood


def test_the_measured_background_overrules_the_answer():
    pan, still = Move(MoveKind.PAN_LEFT), Move(MoveKind.STATIC)
    view = View("back")
    assert without_contradiction(CameraPrompt(view, (pan,)), None) == (CameraPrompt(view, (pan,)), None)
    assert without_contradiction(CameraPrompt(view, (pan,)), False) == (CameraPrompt(view, (pan,)), None)
    prompt, doubt = without_contradiction(CameraPrompt(view, (pan,)), True)
    assert prompt == CameraPrompt(view, (still,)) and "stands still" in doubt
    prompt, doubt = without_contradiction(CameraPrompt(view, (still,)), False)
    assert prompt == CameraPrompt(view, ()) and "background moves" in doubt
    assert without_contradiction(CameraPrompt(None, (still,)), False)[0] is None
    handheld = CameraPrompt(None, (Move(MoveKind.HANDHELD_STATIC),))
    assert without_contradiction(handheld, False) == (handheld, None), "a shaking camera moves and is called static"


def test_fields_keep_the_answer_raw():
    fields = caption_fields(read_answer(ANSWER), False)
    assert fields["caption_raw"] == ANSWER and fields["caption_source"] == "model"
    assert all(parse(text).prompt == parse(ANSWER).prompt for text in fields["captions"])
    nothing = caption_fields(read_answer("no idea"), False)
    assert nothing["captions"] == [""] and nothing["caption_source"] is None and nothing["caption_raw"] == "no idea"


# --- the command --------------------------------------------------------------------------------------------------


def test_open_views_are_described_and_others_left_alone(clips, scripted, capsys):
    before = {record["id"]: record["views"][0] for record in read_manifest(clips)}
    lines = (clips / "manifest-video.jsonl").read_bytes()
    assert main(["caption", str(clips), "--model", "anywhere"]) == 0
    assert "2 views of 2 clips described, 2 answers understood" in capsys.readouterr().out
    assert (clips / "manifest-video.jsonl").read_bytes() == lines, "published lines never change"
    for record in read_manifest(clips):
        view = record["views"][0]
        if before[record["id"]]["caption_source"] == "rule":
            assert view == before[record["id"]]
        else:
            assert view["caption_raw"] == ANSWER and parse(view["captions"][0]).prompt == parse(ANSWER).prompt
    dataset = PairDataset(clips, {PairKind.SAME_VIEW: 1.0}, seed=0)
    assert all(dataset[(step, 0)]["caption"] for step in range(6))
    assert main(["check", str(clips)]) == 0


def test_what_is_described_is_not_asked_again(clips, scripted, capsys):
    assert main(["caption", str(clips), "--model", "anywhere", "--shard", "0/2"]) == 0
    assert main(["caption", str(clips), "--model", "anywhere", "--shard", "1/2"]) == 0
    assert scripted.asked == 2
    assert main(["caption", str(clips), "--model", "anywhere"]) == 0
    assert scripted.asked == 2 and "have captions" in capsys.readouterr().out
    scripted.answers = ["Back view. The camera pans left."]
    assert main(["caption", str(clips), "--model", "anywhere", "--all"]) == 0
    assert scripted.asked == 5
    moves = {record["views"][0]["prompt"]["view"]["azimuth"] for record in read_manifest(clips)}
    assert moves == {"back"}
    still = next(record["views"][0] for record in read_manifest(clips) if record["views"][0]["still"])
    assert still["caption_doubt"] and still["prompt"]["moves"][0]["kind"] == "static"


def test_a_killed_run_continues_where_it_stopped(clips, scripted, monkeypatch):
    describe, count = scripted.describe, []

    def killed(frames, fps):
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return describe(frames, fps)

    monkeypatch.setattr(scripted, "describe", killed)
    with pytest.raises(KeyboardInterrupt):
        main(["caption", str(clips), "--model", "anywhere"])
    overlay = clips / "overlay-captions.jsonl"
    overlay.write_bytes(overlay.read_bytes() + b'{"id": "vid')
    monkeypatch.setattr(scripted, "describe", describe)
    assert main(["caption", str(clips), "--model", "anywhere"]) == 0
    assert scripted.asked == 2
    assert len({json.loads(line)["of"] for line in overlay.read_text().splitlines()}) == 2
    assert all(record["views"][0]["caption_source"] for record in read_manifest(clips))


def test_the_whole_way_with_the_tiny_model(clips, model, capsys):
    assert main(["caption", str(clips), "--model", str(model), "--shown", "2"]) == 0
    assert "2 views of 2 clips described" in capsys.readouterr().out
    raw = [r["views"][0].get("caption_raw") for r in read_manifest(clips) if not r["views"][0]["still"]]
    assert all(isinstance(text, str) and text for text in raw)


def test_exact_captions_are_never_touched(tmp_path, scripted):
    view = {"video": "view_0.mp4", "hands": None, "still": False, "captions": ["x"], "prompt": None}
    base = {"num_frames": T, "fps": 8, "height": 64, "width": 64, "files": {}}
    (tmp_path / "dataset.json").write_text('{"schema": "threedimo-dataset", "schema_version": 1, "settings": {}}')
    with ManifestWriter(tmp_path / "manifest.jsonl") as manifest:
        manifest.append(base | {"id": "a", "index": 0, "path": "a", "source": "render", "views": [view]})
        calibrated = view | {"caption_source": "calibration"}
        manifest.append(base | {"id": "b", "index": 1, "path": "b", "source": "multiview", "views": [calibrated]})
    assert main(["caption", str(tmp_path), "--model", "anywhere", "--all"]) == 0
    assert scripted.asked == 0


def test_without_the_model_the_message_says_what_to_do(clips, tmp_path, capsys):
    assert main(["caption", str(clips), "--model", str(tmp_path / "nowhere")]) == 1
    said = capsys.readouterr().err
    assert "there is no model in" in said and "hf download" in said and "Traceback" not in said
    assert not list(clips.glob("overlay*"))
    assert main(["caption", str(clips), "--model", "anywhere", "--shown", "0"]) == 1
    assert "--shown is 0" in capsys.readouterr().err
