"""How long a prompt may be before what is asked of it: a model's positions are for prompt and answer together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mtft.evaluation.backbones import unwrapped
from mtft.evaluation.examples import EvalExample
from mtft.evaluation.protocols import ProtocolEncoder, position_limit
from mtft.evaluation.scorers import SCORERS


def prompt_rooms(
    examples: Sequence[EvalExample], encoder: ProtocolEncoder, model: Any, limit: int
) -> list[int]:
    """The most tokens of every example's prompt: `limit`, or what its longest answer leaves of the positions.

    Encoder-decoders read prompt and answer apart; what is too long under `lm_eval` is cut when its answer is known
    (`mtft.evaluation.left_cut`). The last token of an answer is not read.
    """
    positions = position_limit(unwrapped(model))
    if positions is None or encoder.encoder_decoder or encoder.protocol.as_harness:
        return [limit] * len(examples)
    longest = _longest_answers(examples, encoder)
    return [max(1, min(limit, positions - answer + 1)) for answer in longest]


def _longest_answers(examples: Sequence[EvalExample], encoder: ProtocolEncoder) -> list[int]:
    """Tokens of the longest answer that any scorer of an example's cell asks for."""
    needs = [{SCORERS[metric].needs for metric in example.cell.metrics} for example in examples]
    asked = [
        (at, choice)
        for at, example in enumerate(examples)
        if "choices" in needs[at]
        for choice in example.example.answer_choices or ()
        if choice
    ]
    longest = [
        max(1, example.cell.max_new_tokens if "generation" in needs[at] else 1)
        for at, example in enumerate(examples)
    ]
    ids = encoder.choices([examples[at].example.inputs for at, _ in asked], [choice for _, choice in asked])
    for (at, _), choice_ids in zip(asked, ids, strict=True):
        longest[at] = max(longest[at], len(choice_ids))
    return longest
