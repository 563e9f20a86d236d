"""A seeded permutation of 0 … n-1 whose every value is computed alone, without a table."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ROUND_KEYS = np.arange(6, dtype=np.uint64) * _GOLDEN


def stable_key(*parts: object) -> int:
    """A 64-bit key of some names and numbers, the same in every process and on every machine."""
    return int.from_bytes(
        blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def mixed(words: Words) -> Words:
    """Each 64-bit word scrambled into another, one to one.

    Source: the finaliser of SplitMix64; Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
    generators".
    """
    words = words + _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    last: Words = words ^ (words >> np.uint64(31))
    return last


def permuted(index: Integers, size: Integers, key: Words) -> Integers:
    """The values at `index` of the permutations of 0 … size-1 that `key` names; all three (n,).

    A Feistel network permutes the smallest power of four that holds `size`; a value outside is sent
    through again until it falls inside, which keeps the map one to one. Fewer than four rounds are
    expected per value, whatever the size.

    Example: for size 3 and one key the indices `[0, 1, 2]` give, say, `[2, 0, 1]`; another key, another
        order.

    Args:
        index: Each in 0 … size-1.
        size: Each at least 1, below 2**62.
        key: A word per element; equal words, equal permutation.

    Source: cycle walking; Black and Rogaway 2002, "Ciphers with arbitrary finite domains", section 4.
    """
    size_words = size.astype(np.uint64)
    half = _half_bits(size)
    values = _feistel(index.astype(np.uint64), half, key)
    outside = np.flatnonzero(values >= size_words)
    while len(outside):
        values[outside] = _feistel(values[outside], half[outside], key[outside])
        outside = outside[values[outside] >= size_words[outside]]
    return values.astype(np.int64)


def _half_bits(size: Integers) -> Words:
    """Half the bits, rounded up, that the numbers below `size` need: exact, unlike a logarithm."""
    powers = np.uint64(4) ** np.arange(32, dtype=np.uint64)
    return np.searchsorted(powers, size.astype(np.uint64), side="left").astype(np.uint64)


def _feistel(values: Words, half: Words, key: Words) -> Words:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = values >> half, values & mask
    for constant in _ROUND_KEYS:
        scrambled = mixed(right + key + constant)
        left, right = right, left ^ (scrambled & mask)
    joined: Words = (left << half) | right
    return joined
