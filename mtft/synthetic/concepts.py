"""What the micro-world is about: its people, topics, things and qualities, with their English words."""

from __future__ import annotations

from typing import NamedTuple


class Topic(NamedTuple):
    """One sphere of life: what is done there, and to what.

    Attributes:
        label: Its English name, the answer of topic classification.
        verbs: English third-person verbs.
        nouns: English plural nouns; none stands in two topics.
    """

    label: str
    verbs: tuple[str, ...]
    nouns: tuple[str, ...]


TOPICS = (
    Topic("farming", ("plants", "waters", "harvests"), ("apples", "onions", "beans", "roses", "pumpkins")),
    Topic("fishing", ("catches", "hooks", "nets"), ("crabs", "eels", "shells", "boats", "whales")),
    Topic("school", ("reads", "copies", "studies"), ("books", "poems", "letters", "maps", "lessons")),
    Topic("music", ("plays", "tunes", "hears"), ("drums", "flutes", "songs", "harps", "bells")),
    Topic("cooking", ("bakes", "tastes", "serves"), ("cakes", "soups", "pies", "stews", "buns")),
)
POLARITIES = ("positive", "neutral", "negative")
QUALITIES: dict[str, tuple[str, ...]] = {
    "positive": ("good", "lovely", "splendid", "charming"),
    "neutral": ("big", "small", "old", "round"),
    "negative": ("bad", "ugly", "awful", "dreadful"),
}
FUNCTION_WORDS = ("never", "who", "what")
# People, syllable by syllable: every script writes them by sound.
NAMES = (
    ("mi", "ra"), ("to", "ma"), ("se", "lo"), ("ka", "ni"), ("lu", "po"),
    ("na", "di"), ("pe", "ko"), ("ri", "sa"), ("do", "mi"), ("bu", "le"),
)  # fmt: skip
DIGITS = tuple(range(2, 10))

NEVER, WHO, WHAT = FUNCTION_WORDS


def english_words() -> list[str]:
    """The English words that name the concepts, in a fixed order; people are not among them."""
    words = [word for topic in TOPICS for word in (*topic.verbs, *topic.nouns)]
    words += [word for polarity in POLARITIES for word in QUALITIES[polarity]]
    return words + list(FUNCTION_WORDS)
