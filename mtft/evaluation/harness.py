"""The ids that lm-evaluation-harness makes of a prompt and the choices after it.

A space stands between prompt and choice, and white space at the prompt's end belongs to the choice. A causal
tokenizer reads prompt and choice as one text, and what comes after as many tokens as the prompt alone has is
the choice; an encoder-decoder's reads them apart, without special tokens in the choice.

Source: lm-evaluation-harness 0.4.13, `lm_eval/api/model.py` (`TemplateLM._encode_pair`, `loglikelihood`),
`lm_eval/api/task.py` (`target_delimiter`) and `lm_eval/models/huggingface.py` (`tok_encode`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

DELIMITER = " "
DEFAULT_LENGTH = 2048
_UNSET = int(1e30)  # a tokenizer's length where nobody has set one
LENGTHS = ("n_positions", "max_position_embeddings", "n_ctx")

TokenIds = tuple[int, ...]


class HarnessEncoding:
    """Contexts and continuations as the harness's `HFLM` encodes them, many at a time.

    Args:
        tokenizer: The model's.
        encoder_decoder: Whether the model has an encoder.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, encoder_decoder: bool) -> None:
        self.tokenizer, self.encoder_decoder = tokenizer, encoder_decoder
        bos = tokenizer.bos_token_id
        self._prefix = int(tokenizer.eos_token_id if bos is None else bos)
        self._prefix_text = str(tokenizer.decode([self._prefix]))

    def contexts(self, prompts: Sequence[str]) -> list[TokenIds]:
        """The ids of prompts before a choice; an empty one is the token that begins (else ends) a text."""
        ids = self._encode([prompt.rstrip() for prompt in prompts])
        return [each if prompt else (self._prefix,) for prompt, each in zip(prompts, ids, strict=True)]

    def continuations(self, prompts: Sequence[str], choices: Sequence[str]) -> list[TokenIds]:
        """The ids of each choice after the prompt at the same place.

        Example: after `"It is: "` the choice `"no"` is what follows the ids of `"It is:"` in those of `"It is:  no"`.
        """
        pairs = zip(prompts, choices, strict=True)
        texts = [f"{prompt[len(prompt.rstrip()) :]}{DELIMITER}{choice}" for prompt, choice in pairs]
        apart = [number for number, prompt in enumerate(prompts) if self.encoder_decoder or not prompt]
        made = dict(zip(apart, self._tokenize([texts[n] for n in apart], special=False), strict=True))
        for number in apart:
            if not prompts[number] and made[number][:1] == (self._prefix,):
                made[number] = made[number][1:]
        joined = [number for number in range(len(prompts)) if number not in made]
        contexts = [prompts[n].rstrip() for n in joined]
        whole = self._encode([context + texts[n] for context, n in zip(contexts, joined, strict=True)])
        for number, before, ids in zip(joined, self._encode(contexts), whole, strict=True):
            made[number] = ids[len(before) :]
        return [made[number] for number in range(len(prompts))]

    def prompts(self, prompts: Sequence[str]) -> list[TokenIds]:
        """The ids of prompts that the model itself goes on from; white space at the end stays."""
        return self._tokenize(prompts, special=True) if self.encoder_decoder else self._encode(prompts)

    def _encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """With the tokenizer's own special tokens, except where the text begins with the first of them."""
        plain = [text.startswith(self._prefix_text) for text in texts]
        made: dict[int, TokenIds] = {}
        for special in (True, False):
            places = [number for number, each in enumerate(plain) if each != special]
            ids = self._tokenize([texts[number] for number in places], special=special)
            made |= dict(zip(places, ids, strict=True))
        return [made[number] for number in range(len(texts))]

    def _tokenize(self, texts: Sequence[str], *, special: bool) -> list[TokenIds]:
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return []
        ids = self.tokenizer(
            distinct, add_special_tokens=special, truncation=False, padding=False, verbose=False
        )
        table = dict(zip(distinct, map(tuple, ids["input_ids"]), strict=True))
        return [table[text] for text in texts]


def context_length(model: Any, tokenizer: PreTrainedTokenizerBase) -> int:
    """The longest input in tokens, as the harness finds it: the configuration's, the tokenizer's, or 2048.

    Source: lm-evaluation-harness 0.4.13, `lm_eval/models/utils.py`, `resolve_max_length`.
    """
    config = getattr(model.config, "text_config", None) or model.config
    for name in LENGTHS:
        if (value := getattr(config, name, None)) is not None:
            return int(value)
    length = getattr(tokenizer, "model_max_length", None)
    return DEFAULT_LENGTH if length is None or length >= _UNSET else int(length)
