"""The mini's text encoder as a CLIP of the host: a small UMT5 behind the word tokenizer of the camera language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.supported_models_base
import comfy.text_encoders.t5
from comfy import sd1_clip
from transformers import PreTrainedTokenizerFast

from ..threedimo_core.camera_language import canonical

NAME = "threedimo_mini"
# What the host's T5 has built in; a text encoder with other values would run and read nonsense.
_BUILT_IN = {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-6}


def text_target(settings: dict[str, Any], tokenizer_folder: Path) -> Any:
    """What the host builds a CLIP from. settings: of the UMT5; ValueError where the host has another kind built in."""
    odd = {name: settings[name] for name, wanted in _BUILT_IN.items() if settings.get(name, wanted) != wanted}
    if odd or not str(settings.get("feed_forward_proj", "gated-gelu")) == "gated-gelu":
        raise ValueError(f"the host's UMT5 cannot be this text encoder: {odd or settings['feed_forward_proj']}")
    # The host's classes are built by name and type, so the sizes of the mini come in through the classes themselves.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_folder, local_files_only=True)
    config = {
        **{name: settings[name] for name in ("d_ff", "d_kv", "d_model", "num_heads", "num_layers", "vocab_size")},
        "dense_act_fn": "gelu_pytorch_tanh",
        "is_gated_act": True,
        "model_type": "umt5",
    }

    class Words(sd1_clip.SDTokenizer):
        def __init__(self, embedding_directory: Any = None, tokenizer_data: dict[str, Any] | None = None) -> None:
            super().__init__(
                str(tokenizer_folder), tokenizer_class=PreTrainedTokenizerFast, has_start_token=False,
                pad_with_end=False, pad_to_max_length=False, max_length=tokenizer.model_max_length,
                min_length=tokenizer.model_max_length, pad_token=tokenizer.pad_token_id, embedding_key=NAME,
                embedding_size=settings["d_model"], disable_weights=True,
            )  # fmt: skip

    class CameraTokenizer(sd1_clip.SD1Tokenizer):
        def __init__(self, embedding_directory: Any = None, tokenizer_data: dict[str, Any] | None = None) -> None:
            super().__init__(clip_name=NAME, tokenizer=Words)

        def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> dict[str, Any]:
            """Free text in the plain wording, all that this encoder has ever read."""
            return super().tokenize_with_weights(canonical(text), return_word_ids, **kwargs)

    class Encoder(sd1_clip.SDClipModel):
        def __init__(self, device: Any = "cpu", dtype: Any = None, model_options: dict[str, Any] | None = None) -> None:
            super().__init__(
                device=device, dtype=dtype, textmodel_json_config=dict(config),
                special_tokens={"end": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id},
                model_class=comfy.text_encoders.t5.T5, enable_attention_masks=True, zero_out_masked=True,
                model_options=model_options or {},
            )  # fmt: skip

    class CameraText(sd1_clip.SD1ClipModel):
        def __init__(self, device: Any = "cpu", dtype: Any = None, model_options: dict[str, Any] | None = None) -> None:
            super().__init__(
                device=device, dtype=dtype, model_options=model_options or {}, clip_name=NAME, clip_model=Encoder
            )

        def encoder_of_text(self) -> Any:
            """The T5 whose weights are loaded."""
            return getattr(self, self.clip).transformer

    return comfy.supported_models_base.ClipTarget(CameraTokenizer, CameraText)
