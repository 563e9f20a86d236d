"""The permutation is one, for every size and key, and its values need no neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.mixing.permutation import permuted, stable_key

keys = st.integers(0, 2**64 - 1)


def permutation(size: int, key: int) -> np.ndarray:
    return permuted(np.arange(size), np.full(size, size), np.full(size, key, dtype=np.uint64))


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 3000), keys)
def test_every_value_once(size: int, key: int) -> None:
    assert sorted(permutation(size, key).tolist()) == list(range(size))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 4096, 4097])
def test_sizes_around_powers(size: int) -> None:
    assert sorted(permutation(size, 7).tolist()) == list(range(size))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**9), keys), min_size=1, max_size=30))
def test_values_do_not_depend_on_their_neighbours(wanted: list[tuple[int, int]]) -> None:
    size = np.array([s for s, _ in wanted])
    key = np.array([k for _, k in wanted], dtype=np.uint64)
    index = size // 2
    together = permuted(index, size, key)
    assert (together < size).all()
    for i in range(len(wanted)):
        assert permuted(index[i : i + 1], size[i : i + 1], key[i : i + 1])[0] == together[i]


def test_orders_look_random() -> None:
    n = 2000
    firsts = [permutation(10, key)[0] for key in range(n)]
    counts = np.bincount(firsts, minlength=10)
    assert ((counts - n / 10) ** 2 / (n / 10)).sum() < 27.9  # chi-square with 9 degrees, p = .001
    assert abs(np.corrcoef(np.arange(n), permutation(n, 3))[0, 1]) < 0.08
    assert (permutation(n, 3) != permutation(n, 4)).mean() > 0.99


def test_keys_are_the_same_everywhere() -> None:
    assert stable_key("xcopa:et", 1) == stable_key("xcopa:et", 1)
    assert stable_key("xcopa:et", 1) != stable_key("xcopa:et", 2)
    assert stable_key("\udcff") >= 0  # lone surrogates are legal Python text
