"""What a value may look like in a text: the forms that count as having said it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_TYPED = re.compile(r'^"(.*)"(?:@[\w-]+|\^\^\S+)?$', re.DOTALL)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T[\d:.]+Z?)?$")
_ENGLISH_DATE = re.compile(r"([A-Z][a-z]+) (\d{1,2}), (\d{4})$")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?$")
_BRACKETS = re.compile(r"\s*\([^()]*\)\s*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NOT = re.compile(r"n['\u2019]t\b")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_END = re.compile(r"[!?;\u3002\u0964]|\.(?!\d)|\.$")
_INITIAL = re.compile(r"(?<![^\W_])([^\W\d_])\.(?=[^\d]|$)")
_PLACE = re.compile(r"([^,]+), *[^\W\d_][^,\d]*$")
_LETTERS = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe"})
# Names of the characters whose scripts put no spaces between words.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO ", "KHMER", "MYANMAR", "TIBETAN")


@lru_cache(maxsize=2**16)
def plain(text: str) -> str:
    """The text's words in lower case without accents, one space between, `.` where a sentence ends.

    Underscores and marks are spaces; `n't` is `not`, possessive `'s` goes, and so do the commas of
    thousands and the points of initials (`D.C.` is `dc`). Characters of scripts without spaces are words of their own.

        >>> plain("Isn't the Café_Rouge's price 1,200?")
        'is not the cafe rouge price 1200 .'
    """
    text = _NOT.sub(" not", _POSSESSIVE.sub("", text.casefold()))
    text = _INITIAL.sub(r"\1", _THOUSANDS.sub("", text.replace("_", " "))).translate(_LETTERS)
    if not text.isascii():
        folded = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(filter(_kept, folded)))
        text = "".join(f" {c} " if _alone(c) else c for c in text)
    sentences = (" ".join(_words(part)) for part in _END.split(text))
    end = " ." if _END.search(text.rstrip()[-1:]) else ""
    return (" . ".join(filter(None, sentences)) + end).lstrip()


def _kept(character: str) -> bool:
    """All but the accents of Latin, Greek and Cyrillic letters: other scripts' marks are part of the word."""
    return not "\u0300" <= character <= "\u036f"


def _alone(character: str) -> bool:
    return character > "\u0dff" and unicodedata.name(character, "").startswith(_UNSPACED)


def _words(text: str) -> Iterator[str]:
    """Words with their marks; a point stays within a number."""
    for raw in text.split():
        word = ""
        for character in raw:
            category = unicodedata.category(character)[0]
            inside = category in "LNM" or (character == "." and word[-1:].isdigit())
            if inside:
                word += character
            elif word:
                yield word.rstrip(".")
                word = ""
        if word:
            yield word.rstrip(".")


@lru_cache(maxsize=2**16)
def value_forms(value: str) -> tuple[str, ...]:
    """The plain forms that a value may take in a text, the fullest first; none of a value without words.

    - quotation marks around it, and a language or data type after them, are left out;
    - what stands in brackets may be missing, or be all that is said; what follows the one comma of a name
      (`Austin, Texas`) may be missing;
    - `1932-03-15` and `March 15, 1932` may be one another, `15 March 1932`, `15th of March 1932`, or the like;
    - `610.0` may be `610`, and whole numbers up to twelve may be words (and the other way round).

        >>> value_forms('"2"'), value_forms("Alan_Bean_(astronaut)")
        (('2', 'two'), ('alan bean astronaut', 'alan bean', 'astronaut'))
    """
    typed = _TYPED.match(value.strip())
    text = (typed[1] if typed else value).replace("_", " ").strip()
    found = [text, *_shortened(text), *_dates(text), *_numbers(text)]
    return tuple(dict.fromkeys(form for one in found if (form := plain(one).replace(" .", ""))))


def _shortened(text: str) -> Iterator[str]:
    if (place := _PLACE.match(text)) and text[0].isupper() and not any(c.isdigit() for c in text):
        yield place[1]
    if "(" in text:
        yield _BRACKETS.sub(" ", text).strip()
        yield from (part.strip(" ()") for part in _BRACKETS.findall(text))


def _dates(text: str) -> Iterator[str]:
    """A date as English and numeric texts write it; other languages' months are not known."""
    found = _year_month_day(text)
    if found is None:
        return
    year, month_number, day = found
    month = _MONTHS[month_number - 1]
    yield f"{year}-{month_number:02}-{day:02}"
    for number in (str(day), f"{day}{_ordinal(day)}", f"{day:02}"):
        for name in (month, month[:3]):
            yield f"{name} {number} {year}"
            yield f"{name} the {number} {year}"
            yield f"{number} {name} {year}"
            yield f"{number} of {name} {year}"
    for first, second in ((day, month_number), (month_number, day)):
        yield f"{first:02}/{second:02}/{year}"
        yield f"{first}/{second}/{year}"


def _year_month_day(text: str) -> tuple[str, int, int] | None:
    if (iso := _DATE.match(text)) and 1 <= int(iso[2]) <= len(_MONTHS):
        return iso[1], int(iso[2]), int(iso[3])
    if (english := _ENGLISH_DATE.match(text)) and english[1].lower() in _MONTHS:
        return english[3], _MONTHS.index(english[1].lower()) + 1, int(english[2])
    return None


def _ordinal(number: int) -> str:
    if 10 < number % 100 < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _numbers(text: str) -> Iterator[str]:
    bare = _THOUSANDS.sub("", text)
    if bare.casefold() in _SMALL:
        yield str(_SMALL.index(bare.casefold()))
    if not _NUMBER.match(bare):
        return
    if "." in bare:
        bare = bare.rstrip("0").rstrip(".")
        yield bare
    if bare.isdigit() and int(bare) < len(_SMALL):
        yield _SMALL[int(bare)]


def says(text: str, form: str) -> bool:
    """Whether a plain text has a plain form as whole words."""
    return f" {form} " in f" {text} "
