"""The script a text is written in, by its characters' Unicode names."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

from mtft import languages
from mtft.errors import TaskError

# ISO 15924 code → how the names of its letters begin (Unicode Character Database, Name property).
_NAMES = {
    "Latn": ("LATIN",), "Cyrl": ("CYRILLIC",), "Grek": ("GREEK",), "Arab": ("ARABIC",), "Hebr": ("HEBREW",),
    "Deva": ("DEVANAGARI",), "Beng": ("BENGALI",), "Guru": ("GURMUKHI",), "Gujr": ("GUJARATI",),
    "Orya": ("ORIYA",), "Taml": ("TAMIL",), "Telu": ("TELUGU",), "Knda": ("KANNADA",),
    "Mlym": ("MALAYALAM",), "Sinh": ("SINHALA",), "Thai": ("THAI",), "Laoo": ("LAO",), "Tibt": ("TIBETAN",),
    "Mymr": ("MYANMAR",), "Geor": ("GEORGIAN",), "Ethi": ("ETHIOPIC",), "Khmr": ("KHMER",),
    "Armn": ("ARMENIAN",), "Thaa": ("THAANA",), "Cans": ("CANADIAN",), "Yiii": ("YI",),
    "Tfng": ("TIFINAGH",), "Olck": ("OL",), "Nkoo": ("NKO",), "Avst": ("AVESTAN",), "Syrc": ("SYRIAC",),
    "Adlm": ("ADLAM",), "Hans": ("CJK",), "Hant": ("CJK",), "Hang": ("HANGUL",), "Kore": ("HANGUL", "CJK"),
    "Jpan": ("HIRAGANA", "KATAKANA", "CJK", "KATAKANA-HIRAGANA"),
}  # fmt: skip
_WIDTHS = frozenset({"FULLWIDTH", "HALFWIDTH", "MODIFIER", "MATHEMATICAL"})


def script_names(language: str) -> tuple[str, ...]:
    """How the names of a language's letters begin; none where the language or script is not known."""
    try:
        return _NAMES.get(languages.get(language).script, ())
    except TaskError:
        return ()


@lru_cache(maxsize=65536)
def letter_script(character: str) -> str | None:
    """How the name of a letter or of a sign on one begins; None for all other characters."""
    if unicodedata.category(character)[0] not in "LM":
        return None
    parts = unicodedata.name(character, "").split()
    return next((part for part in parts if part not in _WIDTHS), None)


def scripts(text: str) -> Counter[str]:
    """Letters by script."""
    found = Counter(filter(None, map(letter_script, text)))
    for shared in ("COMBINING", "VARIATION"):  # signs that go with letters of any script
        found.pop(shared, None)
    return found


def share(text: str, language: str) -> float | None:
    """The share of the letters that are of the language's script; None where there is nothing to say."""
    wanted, found = script_names(language), scripts(text)
    if not wanted or not found.total():
        return None
    return sum(found[name] for name in wanted) / found.total()


def is_latin(language: str) -> bool:
    """Whether a language is written in Latin letters."""
    return script_names(language) == ("LATIN",)
