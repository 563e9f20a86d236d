"""A local encoder-decoder that translates lists of short texts. Imports torch: only `translate machine` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mtft.errors import ModelError
from mtft.modeling import load_model

BATCH = 16
_TOKENS_PER_INPUT_TOKEN = 2
_SPARE_TOKENS = 16


class LocalTranslator:
    """Greedy translations of a model in a folder; called with texts, gives as many texts.

    Weights are read from safetensors files only, and code of the model's folder is never run.

    Args:
        folder: Of the model and its tokenizer.
        source_code: The tokenizer's code of the language translated from, where it has such (`eng_Latn`).
        target_code: Its code of the language translated into (`swh_Latn`), which is forced as first token.
        prefix: Text before each input (`translate English to German: `).

    Raises:
        ModelError: The folder holds no encoder-decoder, or its tokenizer does not know a code.
    """

    def __init__(
        self,
        folder: Path,
        *,
        source_code: str | None = None,
        target_code: str | None = None,
        prefix: str = "",
    ) -> None:
        if not folder.is_dir():
            raise ModelError("A translation model must be a local folder.", found=folder)
        self._model, self._tokenizer, _ = load_model(folder)
        if not self._model.config.is_encoder_decoder:
            found = f"model_type `{self._model.config.model_type}`"
            raise ModelError("A translation model must be an encoder-decoder.", found=found, where=folder)
        self._prefix = prefix
        if source_code is not None:
            self._code(source_code, folder)
            self._tokenizer.src_lang = source_code
        self._first = None if target_code is None else self._code(target_code, folder)
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")

    def _code(self, code: str, folder: Path) -> int:
        number = self._tokenizer.convert_tokens_to_ids(code)
        if number is None or number == self._tokenizer.unk_token_id:
            raise ModelError("The tokenizer must know the language's code.", found=f"`{code}`", where=folder)
        return int(number)

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """The translations, in order; texts of like length are translated together."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        made: dict[int, str] = {}
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            made.update(zip(batch, self._batch([texts[at] for at in batch]), strict=True))
        return [made[at] for at in range(len(texts))]

    @torch.inference_mode()
    def _batch(self, texts: list[str]) -> list[str]:
        inputs = self._tokenizer([self._prefix + text for text in texts], return_tensors="pt", padding=True)
        length = inputs["input_ids"].shape[1] * _TOKENS_PER_INPUT_TOKEN + _SPARE_TOKENS
        options: dict[str, Any] = {} if self._first is None else {"forced_bos_token_id": self._first}
        ids = self._model.generate(
            input_ids=inputs["input_ids"].to(self._model.device),
            attention_mask=inputs["attention_mask"].to(self._model.device),
            max_new_tokens=length,
            do_sample=False,
            num_beams=1,
            **options,
        )
        return [str(text).strip() for text in self._tokenizer.batch_decode(ids, skip_special_tokens=True)]
