"""Which requests a model can answer at all; for the others, the reason under which they count as unscored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from mtft.errors import ModelError
from mtft.evaluation.backbones import input_ids_known, is_encoder_decoder, unwrapped
from mtft.evaluation.protocols import position_limit
from mtft.evaluation.requests import GenerationIds, RankIds


def pad_and_eos(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """The ids that pad a batch and end a text; padding is masked, so without its own token the end's will do.

    Raises:
        ModelError: No token ends a text.
    """
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    if eos is None:
        raise ModelError(
            "A tokenizer must have an end-of-sequence token, which ends every target.",
            found=type(tokenizer).__name__,
            where=tokenizer.name_or_path or None,
        )
    return int(eos if pad is None else pad), int(eos)


class Limits:
    """What a model can read.

    Args:
        model: Any.
        max_input_tokens: Longer prompts are not read.
        as_harness: Prompts are cut to `max_input_tokens` later, as lm-evaluation-harness does.
    """

    def __init__(self, model: Any, max_input_tokens: int, *, as_harness: bool = False) -> None:
        self.longest, self.as_harness = max_input_tokens, as_harness
        self.positions = position_limit(unwrapped(model))
        self.vocabulary = input_ids_known(model)
        self.encoder_decoder = is_encoder_decoder(model)

    def reason(self, item: RankIds | GenerationIds) -> str:
        """Why an item cannot be run: nothing to read or to score, or more than there is room for; else nothing."""
        if not item.inputs:
            return "the prompt is empty"
        if isinstance(item, RankIds) and not (item.choices and all(item.choices)):
            return "an answer choice is empty"
        return self._no_room_after_cut(item) if self.as_harness else self._too_long(item)

    def _too_long(self, item: RankIds | GenerationIds) -> str:
        if len(item.inputs) > self.longest:
            return f"the prompt is longer than {self.longest} tokens"
        if self.positions is not None and self._needed(item) > self.positions:
            return f"prompt and answer are longer than the model's {self.positions} positions"
        return ""

    def _no_room_after_cut(self, item: RankIds | GenerationIds) -> str:
        if isinstance(item, RankIds):
            over = max(map(len, item.choices)) > self.longest
            return f"an answer choice is longer than {self.longest} tokens" if over else ""
        over = not self.encoder_decoder and item.max_new_tokens >= self.longest
        return f"{item.max_new_tokens} new tokens leave no room for a prompt" if over else ""

    def _needed(self, item: RankIds | GenerationIds) -> int:
        """Positions, in the encoder or the decoder; the last token of an answer is not read."""
        answer = item.max_new_tokens if isinstance(item, GenerationIds) else max(map(len, item.choices))
        return max(len(item.inputs), answer) if self.encoder_decoder else len(item.inputs) + answer - 1

    def check_vocabulary(self, items: Sequence[RankIds | GenerationIds]) -> None:
        """Checks that the model has an embedding for every id; a GPU would only report a failed assertion.

        Raises:
            ModelError: It has not.
        """
        largest = max((max(map(max, _texts(item))) for item in items), default=0)
        if self.vocabulary is not None and largest >= self.vocabulary:
            raise ModelError(
                "A model must have an embedding for every id of its tokenizer.",
                found=f"id {largest}, and {self.vocabulary} embeddings",
                remedy="The tokenizer belongs to another model, or tokens were added to it alone.",
            )


def _texts(item: RankIds | GenerationIds) -> tuple[tuple[int, ...], ...]:
    return (item.inputs, *item.choices) if isinstance(item, RankIds) else (item.inputs,)
