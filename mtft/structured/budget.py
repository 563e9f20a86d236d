"""A token budget: whole cells and titles go, in a stated order, until the text fits; every one is counted."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import accumulate, count

from mtft.errors import StructureError
from mtft.structured.linearizers.plan import Plan

_BYTES_PER_TOKEN = 4
_GUESSES = 8  # from lengths, before the rest is halved
_TOKEN = re.compile(r"</?\w+>|[^\s!-/:-@\[-`{-~]+|\S")  # tags, words of any script, ASCII marks
_DROPS: ContextVar[Counter[str] | None] = ContextVar("drops", default=None)


def estimated_tokens(text: str) -> int:
    """About how many subword tokens a text has, for where there is no tokenizer.

    One for each tag and each mark, and one for every four bytes begun of a word, so that scripts of three
    bytes a letter count more, as they do in subword vocabularies.
    """
    return sum(
        1 if token[0] == "<" else -(-len(token.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)
        for token in _TOKEN.findall(text)
    )


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """How long a linearised table may be.

    Attributes:
        max_tokens: The most tokens.
        count: Text to its number of tokens; a tokenizer's own, or an estimate.
        count_all: The same for many texts at once, where that is faster.
    """

    max_tokens: int
    count: Callable[[str], int] = estimated_tokens
    count_all: Callable[[Sequence[str]], Sequence[int]] | None = None

    def __post_init__(self) -> None:
        if type(self.max_tokens) is not int or self.max_tokens < 0:
            rule = "A token budget must be a whole number of tokens, at least 0."
            raise StructureError(rule, found=repr(self.max_tokens))

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """The tokens of each text; equal texts are counted once."""
        distinct = list(dict.fromkeys(texts))
        counted = self.count_all(distinct) if self.count_all else map(self.count, distinct)
        known = dict(zip(distinct, counted, strict=True))
        return [known[text] for text in texts]


@dataclass(frozen=True, slots=True)
class Fit:
    """What a budget left.

    Attributes:
        text: The text.
        tokens: Its tokens.
        dropped: Items that went, by role.
    """

    text: str
    tokens: int
    dropped: Counter[str]


def fit(plan: Plan, budget: TokenBudget) -> Fit:
    """The plan's text with as few items dropped, in its drop order, as let it fit.

    The whole text is counted first. Only when it is too long is every item measured, once; how many must go
    follows from the lengths, and is then mended by counting whole texts around it.

    Raises:
        StructureError: Even the frame of an empty table is longer than the budget.
    """
    order = plan.drop_order()
    known: dict[int, tuple[int, str]] = {}

    def tokens(drops: int) -> int:
        if drops not in known:
            text = plan.text(frozenset(order[:drops]))
            known[drops] = budget.count(text), text
        return known[drops][0]

    drops = 0 if tokens(0) <= budget.max_tokens else _mended(plan, budget, order, tokens)
    count, text = known[drops]
    dropped = Counter(plan.items[index].role for index in order[:drops])
    return Fit(text, count, dropped)


def _mended(plan: Plan, budget: TokenBudget, order: Sequence[int], tokens: Callable[[int], int]) -> int:
    """The fewest drops after which the text fits: guessed from the lengths, then narrowed by counting."""
    lengths = budget.lengths(plan.costs())
    saved = [0, *accumulate(lengths[index] for index in order)]
    too_few, enough, fitted = 0, len(order), True
    if tokens(enough) > budget.max_tokens:
        rule = "A token budget must have room for the style's frame."
        raise StructureError(rule, found=f"{tokens(enough)} tokens, {budget.max_tokens} allowed")
    for guess in count(1):
        if enough - too_few < 2:
            break
        share = (tokens(too_few) - budget.max_tokens) / max(tokens(too_few) - tokens(enough), 1)
        drops = bisect_left(saved, saved[too_few] + share * (saved[enough] - saved[too_few]))
        if guess % 2 == 0:  # the last guess may have been exact: its neighbour tells
            drops = enough - 1 if fitted else too_few + 1
        if guess > _GUESSES:
            drops = (too_few + enough) // 2
        drops = min(max(drops, too_few + 1), enough - 1)
        fitted = tokens(drops) <= budget.max_tokens
        too_few, enough = (too_few, drops) if fitted else (drops, enough)
    return enough


@contextmanager
def counted_drops() -> Iterator[Counter[str]]:
    """Inside, what budgets drop in templates is added to the counter, by role."""
    counter: Counter[str] = Counter()
    token = _DROPS.set(counter)
    try:
        yield counter
    finally:
        _DROPS.reset(token)


def note_drops(dropped: Counter[str]) -> None:
    """Add to the counter of the enclosing `counted_drops`, where there is one."""
    counter = _DROPS.get()
    if counter is not None:
        counter.update(dropped)
