"""Hashes by which a text is recognised elsewhere: of its n-grams, or of the whole where it is short.

Texts are compared after NFKC, case folding, and with everything that is no letter, digit or mark read as a space. A
token is a word; in scripts that put no spaces between words, a character. Two texts that share

- 13 words in a row (26 characters in scripts without spaces) share an n-gram: Brown et al. 2020, "Language Models are
  Few-Shot Learners", arXiv 2005.14165, section 4 and appendix C, who count an example as leaked for one 13-gram. The
  26 are ours: a Chinese word has about two characters;
- all their tokens, where they are shorter than that, are equal: there, too, an example that is shorter than an n-gram
  is compared whole. Under five words a text alone says nothing ("yes", "He was tired."); an item that has
  only such texts is compared as a whole.

Hashes have 64 bits and are the same on every machine: polynomials over code points, then over tokens, modulo 2^64,
mixed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195). They guard against
accidents, not against texts made to collide.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mtft.mixing.row_texts import normalised

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

NORMALISATION = 1  # raised when the same text would have other hashes
WORDS, CHARACTERS = 13, 26  # tokens of an n-gram
LEAST_WORDS = 5  # of a short text that is compared by itself
LEAST_ITEM_WORDS = 2  # of a short item that is compared as a whole
PIECE = 1 << 18

_SPACE, _WORD, _CHARACTER = 0, 1, 2
# Blocks of the scripts that are written without spaces between words; Tibetan marks the ends of its syllables.
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0x1B00, 0x1B7F),
    (0x3005, 0x3007), (0x3021, 0x3035), (0x3038, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0xA4CF), (0xA980, 0xA9FF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0x1AFF0, 0x1B16F), (0x20000, 0x323AF),
)  # fmt: skip
_LAST = 0x323AF  # behind it no letter is assigned
_CODE, _TOKEN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)  # odd: they have inverses
_WHOLE, _ITEM = np.uint64(0x632BE59BD9B4E019), np.uint64(0xA0761D6478BD642F)


class TextHashes(NamedTuple):
    """What some items share with others, if they do.

    Attributes:
        ngrams: (n,) uint64 of all n-grams, item after item.
        ngram_ends: (items,) int64, where each item's end.
        short: (m,) uint64 of all short texts and short items, item after item.
        short_ends: (items,) int64, where each item's end.
    """

    ngrams: Hashes
    ngram_ends: Places
    short: Hashes
    short_ends: Places


def text_hashes(items: Sequence[Sequence[str]]) -> TextHashes:
    """The hashes of some items, each with its texts: of a row's columns, not of a prompt.

    Example: two items that are one sentence of 14 words each have two n-grams each and no short text; `("Yes!",)`
    has neither.
    """
    parts = [_hashed(piece) for piece in _pieces([[normalised(text) for text in item] for item in items])]
    if len(parts) == 1:
        return parts[0]
    return TextHashes(
        np.concatenate([part.ngrams for part in parts]),
        _joined([part.ngram_ends for part in parts]),
        np.concatenate([part.short for part in parts]),
        _joined([part.short_ends for part in parts]),
    )


def _pieces(items: Sequence[Sequence[str]]) -> Iterator[Sequence[Sequence[str]]]:
    """The items in pieces of about `PIECE` characters, which fit into a processor's cache; at least one piece."""
    sizes = np.cumsum([sum(map(len, item)) for item in items], dtype=np.int64)
    bounds = np.searchsorted(sizes, np.arange(PIECE, int(sizes[-1]) if len(sizes) else 0, PIECE)) + 1
    for start, end in pairwise([0, *np.unique(bounds[bounds < len(items)]).tolist(), len(items)]):
        yield items[start:end]


def _joined(ends: Sequence[Places]) -> Places:
    first = np.cumsum([0, *(int(each[-1]) for each in ends)])
    return np.concatenate([each + start for each, start in zip(ends, first[:-1], strict=True)])


def _hashed(items: Sequence[Sequence[str]]) -> TextHashes:
    texts = [text for item in items for text in item]
    of_item = np.repeat(np.arange(len(items)), np.array([len(item) for item in items], dtype=np.int64))
    tokens = _tokens(texts)
    ngrams, of_text, is_long = _ngrams(tokens, len(texts))
    short, short_item = _short(tokens, of_item, is_long, len(items))
    return TextHashes(ngrams, _ends(of_item[of_text], len(items)), short, _ends(short_item, len(items)))


class _Tokens(NamedTuple):
    """All tokens of some texts, in order.

    Attributes:
        text: (tokens,) which text each is of.
        spaced: (tokens,) whether it is a word.
        sums: (tokens + 1,) of the hashes' polynomial before each.
    """

    text: Places
    spaced: npt.NDArray[np.bool_]
    sums: Hashes

    def between(self, start: Places, end: Places) -> Hashes:
        """Hashes of the tokens from `start` up to `end`."""
        return _mixed((self.sums[end] - self.sums[start]) * _powers(_TOKEN, len(self.sums))[1][start])


def _tokens(texts: Sequence[str]) -> _Tokens:
    codes = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kinds()[np.minimum(codes, _LAST + 1)]
    word, alone = kinds == _WORD, kinds == _CHARACTER
    begins, ends = alone | word, alone | word
    begins[1:] &= ~(word[1:] & word[:-1])
    ends[:-1] &= ~(word[1:] & word[:-1])
    start, end = np.flatnonzero(begins), np.flatnonzero(ends) + 1
    powers, inverses = _powers(_CODE, len(codes) + 1)
    sums = _summed(_mixed(codes.astype(np.uint64) + _CODE) * powers[: len(codes)])
    hashes = _mixed((sums[end] - sums[start]) * inverses[start])
    last = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)
    powers, _ = _powers(_TOKEN, len(hashes) + 1)
    return _Tokens(
        np.searchsorted(last, start, side="right"), word[start], _summed(hashes * powers[: len(hashes)])
    )


def _ngrams(tokens: _Tokens, texts: int) -> tuple[Hashes, Places, npt.NDArray[np.bool_]]:
    """The n-grams' hashes, the text that each stands in, and which texts have any."""
    count = len(tokens.text)
    size = np.cumsum(np.concatenate([[0], np.where(tokens.spaced, CHARACTERS, WORDS)]))
    end = np.searchsorted(size, size[:-1] + WORDS * CHARACTERS)  # a text of both scripts counts both
    start = np.flatnonzero(end <= count)
    end = end[start]
    whole = tokens.text[end - 1] == tokens.text[start]
    start, end = start[whole], end[whole]
    is_long = np.zeros(texts, dtype=np.bool_)
    is_long[tokens.text[start]] = True
    return tokens.between(start, end), tokens.text[start], is_long


def _short(
    tokens: _Tokens, of_item: Places, is_long: npt.NDArray[np.bool_], items: int
) -> tuple[Hashes, Places]:
    """The hashes of short texts and of items that have only the shortest, and the items that they are of; in order."""
    texts = np.arange(len(of_item))
    first, end = np.searchsorted(tokens.text, texts), np.searchsorted(tokens.text, texts, side="right")
    halves = np.bincount(tokens.text, np.where(tokens.spaced, 2, 1), len(texts))  # of a word
    alone = np.flatnonzero(~is_long & (halves >= 2 * LEAST_WORDS))
    hashes = _mixed(tokens.between(first[alone], end[alone]) ^ _WHOLE)
    tiny = np.ones(items, dtype=np.bool_)
    tiny[of_item[is_long]] = tiny[of_item[alone]] = False
    tiny &= np.bincount(of_item, halves, items) >= 2 * LEAST_ITEM_WORDS
    parts = np.flatnonzero(tiny[of_item] & (halves > 0))
    whole = np.zeros(items, dtype=np.uint64)  # a sum: columns have no order
    np.add.at(whole, of_item[parts], _mixed(tokens.between(first[parts], end[parts]) ^ _WHOLE))
    joint = np.flatnonzero(tiny)
    found = np.concatenate([hashes, _mixed(whole[joint] ^ _ITEM)])
    where = np.concatenate([of_item[alone], joint])
    order = np.argsort(where, kind="stable")
    return found[order], where[order]


def _ends(of_item: Places, items: int) -> Places:
    return np.cumsum(np.bincount(of_item, minlength=items)).astype(np.int64)


def _summed(values: Hashes) -> Hashes:
    sums = np.zeros(len(values) + 1, dtype=np.uint64)
    np.cumsum(values, out=sums[1:])
    return sums


def _mixed(values: Hashes) -> Hashes:
    """SplitMix64's finaliser: every bit in hangs on every bit out."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Hashes = mixed ^ (mixed >> np.uint64(31))
    return result


_known: dict[int, tuple[Hashes, Hashes]] = {}


def _powers(base: np.uint64, count: int) -> tuple[Hashes, Hashes]:
    """At least `count` powers of an odd base from the zeroth on, and of its inverse modulo 2^64."""
    known = _known.get(int(base))
    if known is None or len(known[0]) < count:
        size = max(1 << 16, 1 << count.bit_length())
        inverse = np.uint64(pow(int(base), -1, 1 << 64))
        known = _known[int(base)] = (_cumulated(base, size), _cumulated(inverse, size))
    return known


def _cumulated(base: np.uint64, size: int) -> Hashes:
    factors = np.full(size, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


@lru_cache(maxsize=1)
def _kinds() -> npt.NDArray[np.uint8]:
    """What each code point is: space, part of a word, or a token by itself."""
    kinds = np.zeros(_LAST + 2, dtype=np.uint8)
    is_text = [unicodedata.category(chr(code))[0] in "LNM" for code in range(_LAST + 1)]
    kinds[:-1][is_text] = _WORD
    for first, last in _UNSPACED:
        block = kinds[first : last + 1]
        block[block == _WORD] = _CHARACTER
    return kinds
