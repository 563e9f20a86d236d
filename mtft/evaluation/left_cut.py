"""Prompts that lose their beginning where they are too long, as lm-evaluation-harness cuts them.

An encoder-decoder's prompt keeps its last `limit` tokens. A causal model's prompt and choice together keep
`limit` + 1, of which the last is only scored: before a longer choice stands a shorter prompt, so one request
may become several, one for each length of its choices.

Source: lm-evaluation-harness 0.4.13, `lm_eval/models/huggingface.py`, `_loglikelihood_tokens` and
`generate_until`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from mtft.evaluation.output_cache import Answer
from mtft.evaluation.requests import GenerationIds, RankIds


class LeftCut:
    """Cuts requests, and puts the answers of their parts together again.

    Args:
        limit: Most tokens of an input.
        encoder_decoder: Whether the model has an encoder.

    Attributes:
        lost: Key of each request that was cut → how many tokens its prompt lost, at the longest choice.
    """

    def __init__(self, limit: int, *, encoder_decoder: bool) -> None:
        self.limit, self.encoder_decoder = limit, encoder_decoder
        self.lost: dict[str, int] = {}
        self._parts: dict[str, list[tuple[str, tuple[int, ...]]]] = {}

    def rank(self, items: Iterable[RankIds]) -> list[RankIds]:
        """The requests, those that are too long replaced by their parts."""
        return [part for item in items for part in self._rank(item)]

    def generation(self, items: Iterable[GenerationIds]) -> list[GenerationIds]:
        """The requests, prompts cut so that the new tokens have room where they share the prompt's."""
        return [self._generation(item) for item in items]

    def join(self, answers: Mapping[str, Answer]) -> dict[str, Answer]:
        """The answers with those of cut requests under the requests' own keys."""
        joined = dict(answers)
        for key, parts in self._parts.items():
            if all(part in answers for part, _ in parts):
                joined[key] = _joined([(answers[part], places) for part, places in parts])
        return joined

    def _room(self, choice: int) -> int:
        """The tokens that a prompt may have before a choice of so many."""
        return self.limit if self.encoder_decoder else self.limit + 1 - choice

    def _rank(self, item: RankIds) -> list[RankIds]:
        rooms = defaultdict(list)
        for place, choice in enumerate(item.choices):
            rooms[min(len(item.inputs), self._room(len(choice)))].append(place)
        if list(rooms) == [len(item.inputs)]:
            return [item]
        parts = []
        for room, places in rooms.items():
            key = f"{item.key}-{self.limit}-{room}"  # a room alone does not tell which choices
            self._parts.setdefault(item.key, []).append((key, tuple(places)))
            choices = tuple(item.choices[place] for place in places)
            parts.append(RankIds(key, item.inputs[len(item.inputs) - room :], choices))
        self.lost[item.key] = len(item.inputs) - min(rooms)
        return parts

    def _generation(self, item: GenerationIds) -> GenerationIds:
        room = self.limit if self.encoder_decoder else self.limit - item.max_new_tokens
        lost = len(item.inputs) - room
        if lost <= 0:
            return item
        key = f"{item.key}-{self.limit}-{room}"
        self._parts[item.key], self.lost[item.key] = [(key, ())], lost
        return item._replace(key=key, inputs=item.inputs[lost:])


def _joined(parts: list[tuple[Answer, tuple[int, ...]]]) -> Answer:
    if not isinstance(parts[0][0], list):
        return parts[0][0]
    found: dict[int, float] = {}
    for values, places in parts:
        assert isinstance(values, list)
        found |= dict(zip(places, values, strict=True))
    return [found[place] for place in sorted(found)]
