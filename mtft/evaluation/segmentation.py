"""Which characters stand alone as tokens: those of scripts that write no spaces between words.

One character per token needs no dictionary and no model, so scores are the same everywhere. Words found by a segmenter
would give other, not better comparable, numbers; published scores that used one do not stand beside these.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# How Unicode's names of the characters of those scripts begin; 々 and 〇 are IDEOGRAPHIC. Hangul has spaces.
_NAMES = (
    "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO", "YI SYLLABLE",
    "THAI", "LAO ", "KHMER", "MYANMAR", "TIBETAN", "TAI ", "NEW TAI LUE", "BALINESE", "JAVANESE",
)  # fmt: skip


@lru_cache(maxsize=2**14)
def stands_alone(character: str) -> bool:
    """Whether a letter or digit of an unsegmented script; marks belong to the character before them.

    Example: true of `年`, `ไ`, `ー` and `々`, false of `é`, `ا`, `한` and the Thai vowel sign `ิ`.
    """
    if unicodedata.category(character)[0] not in "LN":
        return False
    return unicodedata.name(character, "").startswith(_NAMES)


def segmented(text: str) -> list[str]:
    """The text's words, and of unsegmented scripts each character with its marks.

    A zero-width space parts words; the zero-width joiners, which only shape letters, are dropped.

    Example: `segmented("在1990年 ok")` is `["在", "1990", "年", "ok"]`.
    """
    return [token for word in text.translate(_INVISIBLE).split() for token in _tokens(word)]


_INVISIBLE = {0x200B: " ", 0x200C: None, 0x200D: None}


def _tokens(word: str) -> list[str]:
    tokens: list[str] = []
    complete = False  # whether only marks may join the last token
    for character in word:
        alone = stands_alone(character)
        mark = unicodedata.category(character)[0] == "M"
        if not tokens or alone or (complete and not mark):
            tokens.append(character)
            complete = alone
        else:
            tokens[-1] += character
    return tokens
