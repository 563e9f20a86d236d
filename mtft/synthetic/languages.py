"""The micro-world's languages: script, word order, phonology, and the lexicon that follows from them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from mtft.synthetic.concepts import NAMES, english_words
from mtft.synthetic.scripts import Syllable, write


@dataclass(frozen=True)
class Phonology:
    """The sounds of an invented language.

    Attributes:
        onsets: Consonants that open a syllable.
        vowels: Its vowels.
        codas: Consonants that may close a word's last syllable; "" leaves it open.
    """

    onsets: str
    vowels: str
    codas: tuple[str, ...] = ("",)

    def word(self, draw: random.Random) -> tuple[Syllable, ...]:
        """Two syllables at random."""
        first = Syllable(draw.choice(self.onsets), draw.choice(self.vowels))
        return first, Syllable(draw.choice(self.onsets), draw.choice(self.vowels), draw.choice(self.codas))


@dataclass(frozen=True)
class MicroLanguage:
    """One language of the micro-world.

    Attributes:
        code: Private-use code (`qaa` to `qtz` are reserved for such by ISO 639-2), or `en`.
        name: What prompts call it.
        script: ISO 15924 code.
        order: Subject, verb and object in their order: "SVO", "SOV" or "VSO".
        noun_first: The quality follows the noun instead of preceding it.
        phonology: Sounds of an invented language; None for English.
    """

    code: str
    name: str
    script: str
    order: str
    noun_first: bool = False
    phonology: Phonology | None = None


LANGUAGES: tuple[MicroLanguage, ...] = (
    MicroLanguage("en", "English", "Latn", "SVO"),
    MicroLanguage("qaa", "Velu", "Latn", "SOV", False, Phonology("vlszfr", "aeiou", ("", "", "n"))),
    MicroLanguage("qab", "Togari", "Cyrl", "SVO", False, Phonology("tkgbdr", "aeiou", ("", "r", "k"))),
    MicroLanguage("qac", "Pumeko", "Latn", "VSO", True, Phonology("pmkbhtg", "aou", ("", "k", "m"))),
    MicroLanguage("qad", "Zelinu", "Cyrl", "SOV", True, Phonology("zlnvsm", "eiuo", ("", "n", "s"))),
    MicroLanguage("qae", "Thakori", "Grek", "SVO", True, Phonology("tkrpsl", "aeoi", ("", "s", "n"))),
    MicroLanguage("qaf", "Gvamari", "Geor", "SOV", False, Phonology("gvmrbz", "aeiu", ("", "", "m"))),
    MicroLanguage("qag", "Hasoni", "Hang", "VSO", False, Phonology("hsnmgk", "aoieu", ("", "n", "l"))),
)  # fmt: skip
BY_CODE: dict[str, MicroLanguage] = {language.code: language for language in LANGUAGES}


@lru_cache
def spelled_names(script: str) -> tuple[str, ...]:
    """The people's names as this script writes them, in the order of `concepts.NAMES`."""
    return tuple(write(tuple(Syllable(part[0], part[1]) for part in name), script) for name in NAMES)


def _invent(language: MicroLanguage, taken: set[str], seed: int) -> dict[str, str]:
    """A new word for every concept, none of them in `taken`; adds them to it."""
    assert language.phonology is not None
    draw = random.Random(f"mini_xp3 lexicon {seed} {language.code}")
    lexicon = {}
    for concept in english_words():
        word = write(language.phonology.word(draw), language.script)
        while word in taken:
            word = write(language.phonology.word(draw), language.script)
        taken.add(word)
        lexicon[concept] = word
    return lexicon


def build_lexicons(seed: int, reserved: frozenset[str] = frozenset()) -> Mapping[str, Mapping[str, str]]:
    """Language code → concept (its English word) → word; no two languages or concepts share a word.

    Names and digits, which are no part of a lexicon, are all that languages have in common.

    Args:
        seed: Another seed is another set of languages.
        reserved: Words that no invented one may equal, such as those of the prompts.
    """
    taken = set(reserved) | set(english_words())
    taken |= {name for language in LANGUAGES for name in spelled_names(language.script)}
    lexicons: dict[str, Mapping[str, str]] = {}
    for language in LANGUAGES:
        invented = language.phonology is not None
        lexicons[language.code] = (
            _invent(language, taken, seed) if invented else {w: w for w in english_words()}
        )
    return lexicons
