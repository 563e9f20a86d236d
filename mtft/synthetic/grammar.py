"""Saying a fact in a language of the micro-world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mtft.synthetic.concepts import NEVER, WHAT, WHO
from mtft.synthetic.languages import BY_CODE, MicroLanguage, spelled_names
from mtft.synthetic.scenes import Fact

# A sentence before its words are chosen: English words name concepts, an int is a person, digits are digits.
Skeleton = list[str | int]


def _object(fact: Fact, language: MicroLanguage, brief: bool) -> Skeleton:
    if brief:
        return [fact.noun]
    parts: Skeleton = [fact.noun, fact.quality] if language.noun_first else [fact.quality, fact.noun]
    return [str(fact.number), *parts]


def _ordered(subject: Skeleton, verb: Skeleton, obj: Skeleton, order: str) -> Skeleton:
    parts = {"S": subject, "V": verb, "O": obj}
    return [word for place in order for word in parts[place]]


def skeleton(
    fact: Fact,
    language: MicroLanguage,
    *,
    brief: bool = False,
    negated: bool = False,
    object_first: bool = False,
) -> Skeleton:
    """The sentence's parts in the language's order.

    Args:
        fact: What is said.
        language: Whose order.
        brief: Leave out number and quality.
        negated: Deny it; the word for "never" precedes the verb.
        object_first: The same meaning with the object moved to the front.
    """
    order = "O" + language.order.replace("O", "") if object_first else language.order
    verb: Skeleton = [NEVER, fact.verb] if negated else [fact.verb]
    return _ordered([fact.person], verb, _object(fact, language, brief), order)


@dataclass(frozen=True)
class Grammar:
    """One language's order and words.

    Attributes:
        language: Script, order and the place of qualities.
        lexicon: Concept (English word) → word.
    """

    language: MicroLanguage
    lexicon: Mapping[str, str]

    def word(self, part: str | int) -> str:
        """The word for a concept, a person or a digit."""
        if isinstance(part, int):
            return spelled_names(self.language.script)[part]
        return self.lexicon.get(part, part)

    def words(self, parts: Skeleton) -> str:
        """The parts as words with spaces between."""
        return " ".join(self.word(part) for part in parts)

    def sentence(
        self, fact: Fact, *, brief: bool = False, negated: bool = False, object_first: bool = False
    ) -> str:
        """The fact as one sentence, without a full stop."""
        parts = skeleton(fact, self.language, brief=brief, negated=negated, object_first=object_first)
        return self.words(parts)

    def who(self, fact: Fact) -> str:
        """The question after the fact's person."""
        return self.words(_ordered([WHO], [fact.verb], [fact.noun], self.language.order)) + "?"

    def what(self, fact: Fact) -> str:
        """The question after the fact's thing."""
        return self.words(_ordered([fact.person], [fact.verb], [WHAT], self.language.order)) + "?"

    def gap(self, fact: Fact, mark: str = "_") -> str:
        """The sentence with a mark in the place of the thing."""
        return self.words([mark if part == fact.noun else part for part in skeleton(fact, self.language)])


def mixed_sentence(
    fact: Fact, order: MicroLanguage, choose: Callable[[], Grammar], *, object_first: bool = False
) -> str:
    """The fact in one language's order with every word from a language that `choose` picks anew."""
    parts = skeleton(fact, order, object_first=object_first)
    return " ".join(choose().word(part) for part in parts)


def grammars(lexicons: Mapping[str, Mapping[str, str]]) -> dict[str, Grammar]:
    """Language code → grammar."""
    return {code: Grammar(BY_CODE[code], lexicon) for code, lexicon in lexicons.items()}
