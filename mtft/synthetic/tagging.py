"""Tagged sentences of the micro-world: word classes, phrases, and who does what to what.

The tags follow from the fact that is said, so they are right in every language, whatever its word order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from mtft.synthetic.concepts import NEVER, QUALITIES
from mtft.synthetic.grammar import Grammar, skeleton
from mtft.synthetic.scenes import Scene

STOP = "."
_QUALITIES = frozenset(word for words in QUALITIES.values() for word in words)


class Word(NamedTuple):
    """A word of a sentence with what its grammar knows of it.

    Attributes:
        text: The word.
        pos: Universal part of speech.
        phrase: The phrase it belongs to, "NP" or "VP"; "" for the full stop.
        role: Its role in PropBank's terms: "A0", "V", "A1", "AM-NEG"; "" for the full stop.
    """

    text: str
    pos: str
    phrase: str
    role: str


def tagged_sentence(scene: Scene, grammar: Grammar) -> list[Word]:
    """One fact of the scene, denied or with its object first now and then, with its full stop."""
    draw = random.Random(f"mini_xp3 tagging {scene.number}")
    fact = draw.choice(scene.facts)
    negated, moved = draw.random() < 0.25, draw.random() < 0.25
    parts = skeleton(fact, grammar.language, negated=negated, object_first=moved)
    return [*(_word(part, fact.verb, grammar) for part in parts), Word(STOP, "PUNCT", "", "")]


def _word(part: str | int, verb: str, grammar: Grammar) -> Word:
    text = grammar.word(part)
    if isinstance(part, int):
        return Word(text, "PROPN", "NP", "A0")
    if part in (NEVER, verb):
        return Word(text, *(("ADV", "VP", "AM-NEG") if part == NEVER else ("VERB", "VP", "V")))
    pos = "NUM" if part.isdigit() else "ADJ" if part in _QUALITIES else "NOUN"
    return Word(text, pos, "NP", "A1")


def _spans(words: Iterable[Word], key: Callable[[Word], tuple[str, str]]) -> list[str]:
    """Tags in IOB2; neighbours with equal keys are one span of the key's first part."""
    tags: list[str] = []
    for (kind, _), group in groupby(words, key=key):
        count = len(list(group))
        tags += [f"B-{kind}", *[f"I-{kind}"] * (count - 1)] if kind else ["O"] * count
    return tags


def _fields(words: list[Word], tags: list[str]) -> dict[str, Any]:
    return {
        "text": " ".join(word.text for word in words),
        "tokens": [word.text for word in words],
        "tags": tags,
    }


def pos(scene: Scene, grammar: Grammar) -> dict[str, Any]:
    """The class of every word, in Universal Dependencies' names."""
    words = tagged_sentence(scene, grammar)
    return _fields(words, [word.pos for word in words])


def chunks(scene: Scene, grammar: Grammar) -> dict[str, Any]:
    """Noun and verb phrases; a subject beside its object is a phrase of its own."""
    words = tagged_sentence(scene, grammar)
    return _fields(words, _spans(words, lambda word: (word.phrase, "A0" if word.role == "A0" else "")))


def roles(scene: Scene, grammar: Grammar) -> dict[str, Any]:
    """Who (A0) does (V) what (A1), and whether it is denied (AM-NEG)."""
    words = tagged_sentence(scene, grammar)
    return _fields(words, _spans(words, lambda word: (word.role, "")))
