"""The tokenizer of the bundled mini model: a word is a token, and the words are those of the camera language.

It is an ordinary fast tokenizer of transformers, so that the mini model's folder is an ordinary diffusers folder
and nothing of ours is needed to read it. Lower-casing, "45°" and punctuation are handled by its own normalizer
and pre-tokenizer, in the same way as `tokenize_words`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from .camera_language import vocabulary

PAD, UNKNOWN, END = "[PAD]", "[UNK]", "[EOS]"
# A view with all its parts and two long moves with angles fit into every wording; a test holds this.
MAX_TOKENS = 48


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Ids: 0 [PAD], 1 [UNK], 2 [EOS], then `vocabulary()` in its order. [EOS] is appended to every text.

    The same words give the same ids as long as the phrases do not change; a trained text encoder is tied to the
    tokenizer that is saved beside it.
    """
    words = [PAD, UNKNOWN, END, *vocabulary()]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace("°", " degrees "),
            normalizers.Replace(Regex(r"'s\b|['’]"), ""),
        ]
    )
    # Keeps words and numbers ("22.5" stays whole) and drops all between them.
    separators = Regex(r"(?:(?!\d+\.\d)[^\p{L}\p{N}.]|\.(?!\d)|(?<!\d)\.)+")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(separators, behavior="removed")
    tokenizer.post_processor = TemplateProcessing(single=f"$A {END}", special_tokens=[(END, words.index(END))])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        model_max_length=MAX_TOKENS,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: str | Path) -> None:
    """Saves into `folder` under the class name that every transformers version can load.

    transformers 5 writes "TokenizersBackend", which transformers 4 does not know; "PreTrainedTokenizerFast" is
    known to both. A model_index.json beside it should name that class too.
    """
    tokenizer.save_pretrained(folder)
    path = Path(folder) / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    beside = path.with_suffix(".json.part")
    beside.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(beside, path)
