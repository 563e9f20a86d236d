"""Raw text of the micro-world for pretraining: in one language, code-mixed, or in parallel."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtft.synthetic.grammar import Grammar, mixed_sentence
from mtft.synthetic.scenes import Fact, other_scenes


@dataclass(frozen=True)
class DocumentMix:
    """Shares of the kinds of documents; they are normalised to one.

    Attributes:
        single: A scene in one language.
        mixed: A scene in one language's order, every word from a language drawn anew.
        parallel: A fact in several languages, one after the other.
        parallel_languages: How many.
        object_first: Share of sentences with the object moved to the front.
    """

    single: float = 0.1
    mixed: float = 0.5
    parallel: float = 0.4
    parallel_languages: int = 3
    object_first: float = 0.15


class DocumentWriter:
    """Writes endless documents about facts that no evaluated scene holds.

    Args:
        grammars: Language code → grammar.
        forbidden: Facts of the validation and test sides.
        mix: Shares of the kinds.
        seed: Another seed is other documents.
    """

    def __init__(
        self, grammars: Mapping[str, Grammar], forbidden: frozenset[Fact], mix: DocumentMix, seed: int
    ) -> None:
        self._grammars = list(grammars.values())
        self._forbidden = forbidden
        self._mix = mix
        self._draw = random.Random(f"mini_xp3 documents {seed}")

    def __iter__(self) -> Iterator[str]:
        """Documents without end."""
        kinds = (self._single, self._mixed, self._parallel)
        weights = (self._mix.single, self._mix.mixed, self._mix.parallel)
        for facts in other_scenes(self._draw, self._forbidden):
            (kind,) = self._draw.choices(kinds, weights)
            yield kind(facts)

    def _grammar(self) -> Grammar:
        return self._draw.choice(self._grammars)

    def _moved(self) -> bool:
        return self._draw.random() < self._mix.object_first

    def _single(self, facts: Sequence[Fact]) -> str:
        grammar = self._grammar()
        return " ".join(f"{grammar.sentence(fact, object_first=self._moved())}." for fact in facts)

    def _mixed(self, facts: Sequence[Fact]) -> str:
        order = self._grammar().language
        return " ".join(
            f"{mixed_sentence(f, order, self._grammar, object_first=self._moved())}." for f in facts
        )

    def _parallel(self, facts: Sequence[Fact]) -> str:
        chosen = self._draw.sample(self._grammars, self._mix.parallel_languages)
        return " ".join(f"{grammar.sentence(facts[0], object_first=self._moved())}." for grammar in chosen)
