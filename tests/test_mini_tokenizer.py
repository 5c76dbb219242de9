"""The mini model's tokenizer: one word, one token, and an ordinary folder of transformers."""

import json
from itertools import permutations

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from threedimo_core.camera_language import (
    FIXED_SPEED,
    MAX_ANGLE,
    NUM_WORDINGS,
    CameraPrompt,
    Move,
    MoveKind,
    Speed,
    View,
    conflict,
    tokenize_words,
    vocabulary,
    write,
)
from threedimo_core.mini_tokenizer import MAX_TOKENS, build_tokenizer, save_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def longest_prompts():
    view = View("back-left", "eye level", "waist")
    moves = [Move(kind, Speed.NORMAL if kind in FIXED_SPEED else Speed.SLOW, MAX_ANGLE.get(kind)) for kind in MoveKind]
    return [CameraPrompt(view, pair) for pair in permutations(moves, 2) if not conflict(pair[0].kind, pair[1].kind)]


def test_special_tokens_come_first_and_words_follow(tokenizer):
    assert [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id] == [0, 1, 2]
    assert tokenizer.convert_ids_to_tokens(list(range(3, len(tokenizer)))) == vocabulary()


def test_captions_are_known_words_and_fit(tokenizer):
    texts = [write(prompt, wording) for prompt in longest_prompts() for wording in range(NUM_WORDINGS)]
    for text, ids in zip(texts, tokenizer(texts).input_ids, strict=True):
        assert tokenizer.convert_ids_to_tokens(ids) == [*tokenize_words(text), "[EOS]"]
        assert tokenizer.unk_token_id not in ids
        assert len(ids) <= MAX_TOKENS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ARC   left",
        "arc 45° left!",
        "22.5 degrees.",
        "...5. .5 1.5",
        "front_left/back-left",
        "the camera's lens, don’t (pan) + tilt & zoom",
        "ＰＡＮ　left 左",
        "tab\tnewline\n日本 é",
    ],
)
def test_splits_as_tokenize_words_does(tokenizer, text):
    words = tokenize_words(text)
    known = set(vocabulary())
    expected = [word if word in known else "[UNK]" for word in words] + ["[EOS]"]
    assert tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids) == expected


def test_padding_as_diffusers_asks_for_it(tokenizer):
    batch = tokenizer(
        ["pan left", ""],
        padding="max_length",
        max_length=6,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    assert batch.input_ids.shape == (2, 6)
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    assert tokenizer.decode(batch.input_ids[0], skip_special_tokens=True) == "pan left"


def test_long_text_is_cut_but_ends_with_eos(tokenizer):
    ids = tokenizer("left " * 100, truncation=True).input_ids
    assert len(ids) == MAX_TOKENS and ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("loader", [AutoTokenizer, PreTrainedTokenizerFast])
def test_saved_and_loaded(tokenizer, tmp_path, loader):
    save_tokenizer(tokenizer, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"  # the name that transformers 4 knows too
    loaded = loader.from_pretrained(tmp_path)
    text = "Front-left view. The camera arcs left 45 degrees slowly."
    assert loaded(text).input_ids == tokenizer(text).input_ids
    assert (loaded.pad_token_id, loaded.eos_token, loaded.model_max_length) == (0, "[EOS]", MAX_TOKENS)
    assert loaded.padding_side == "right"
