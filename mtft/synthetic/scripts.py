"""How syllables are written in the micro-world's scripts."""

from __future__ import annotations

from typing import NamedTuple

from mtft.errors import ConfigError, nearest


class Syllable(NamedTuple):
    """Consonant, vowel and closing consonant, each one Latin letter; the two consonants may be empty."""

    onset: str
    vowel: str
    coda: str = ""


# One letter of each alphabet per Latin letter; only sounds that every script here can write are used.
_LATIN = "abdefghiklmnoprstuvz"
ALPHABETS: dict[str, dict[str, str]] = {
    "Latn": {letter: letter for letter in _LATIN},
    "Cyrl": dict(zip(_LATIN, "абдефгхиклмнопрстувз", strict=True)),
    "Grek": dict(zip(_LATIN, "αβδεφγχικλμνοπρστυωζ", strict=True)),
    "Geor": dict(zip(_LATIN, "აბდეფგჰიკლმნოპრსტუვზ", strict=True)),
}
_HANGUL_FIRST = 0xAC00
_HANGUL_ONSETS = {
    letter: index for index, letter in enumerate(["g", "", "n", "d", "", "l", "m", "b", "", "s"])
}
_HANGUL_ONSETS |= {"": 11, "z": 12, "v": 14, "k": 15, "t": 16, "p": 17, "h": 18, "r": 5, "f": 17}
_HANGUL_VOWELS = {"a": 0, "e": 5, "o": 8, "u": 13, "i": 20}
_HANGUL_CODAS = {
    "": 0,
    "k": 1,
    "g": 1,
    "n": 4,
    "d": 7,
    "t": 7,
    "r": 8,
    "l": 8,
    "m": 16,
    "b": 17,
    "p": 17,
    "s": 19,
}


def _hangul(syllable: Syllable) -> str:
    """One block. Source: The Unicode Standard, section 3.12, Hangul syllable composition."""
    onset, vowel = _HANGUL_ONSETS[syllable.onset], _HANGUL_VOWELS[syllable.vowel]
    return chr(_HANGUL_FIRST + (onset * 21 + vowel) * 28 + _HANGUL_CODAS[syllable.coda])


def write(syllables: tuple[Syllable, ...], script: str) -> str:
    """The word in a script, by its ISO 15924 code.

    Example: the syllables mi-ra are `mira`, `мира`, `μιρα`, `მირა` and `미라`.

    Raises:
        ConfigError: The script is not one of the micro-world's.
    """
    if script == "Hang":
        return "".join(_hangul(syllable) for syllable in syllables)
    if script not in ALPHABETS:
        raise ConfigError(
            "A micro-world language must use one of its scripts.",
            found=f"`{script}`",
            remedy=nearest(script, [*ALPHABETS, "Hang"]),
        )
    alphabet = ALPHABETS[script]
    return "".join(alphabet[sound] for syllable in syllables for sound in "".join(syllable))
