"""Capacities proposed from the data."""

from __future__ import annotations

import numpy as np
import pytest

from mtft.encoding import WINDOW, Filling, PackWindows, filling, fillings, sizes_of
from mtft.encoding.capacity import candidates
from mtft.errors import ConfigError


class Drawn:
    """Lengths of two tasks: labels after short texts, translations as long as their text."""

    fingerprint = "drawn"

    def __init__(self, rows: int = 6000) -> None:
        random = np.random.default_rng(1)
        self.prompts = np.exp(random.normal(4.2, 0.7, rows)).round().clip(5, 600).astype(np.int32)
        labels, translated = np.full(rows, 2), self.prompts // 2 + 1
        self.targets = np.where(np.arange(rows) % 4 == 0, translated, labels).astype(np.int32).clip(1, 150)

    def lengths(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.prompts[positions], self.targets[positions]


def test_a_filling_is_what_the_windows_hold() -> None:
    source = Drawn()
    windows = PackWindows(source, "seq2seq", (512, 96), total_rows=6000)
    packs = [pack for number in range(2) for pack in windows[number].packs]
    found = filling(sizes_of("seq2seq", source.prompts, source.targets), (512, 96))
    trained = np.concatenate(packs)
    assert found.packs == len(packs)
    assert found.dropped == 6000 - len(trained) > 0
    assert found.utilisation[0] == pytest.approx(source.prompts[trained].sum() / (512 * len(packs)))
    assert found.utilisation[1] == pytest.approx(source.targets[trained].sum() / (96 * len(packs)))
    assert found.examples_per_pack == pytest.approx(len(trained) / len(packs))
    assert found.tokens_per_example == pytest.approx(608 * len(packs) / len(trained))


@pytest.mark.parametrize(("kind", "least"), [("causal", (0.99,)), ("seq2seq", (0.9, 0.65))])
def test_the_proposed_capacity_drops_nothing_and_is_full(kind: str, least: tuple[float, ...]) -> None:
    found, best = fillings(Drawn(), kind, 6000)
    assert best.dropped == 0
    assert all(share >= wanted for share, wanted in zip(best.utilisation, least, strict=True))
    assert best.tokens_per_example <= 1.01 * min(
        each.tokens_per_example for each in found if not each.dropped
    )
    assert [each.capacities for each in found] == sorted(each.capacities for each in found)


def test_one_outlier_does_not_hide_a_smaller_capacity() -> None:
    source = Drawn()
    source.prompts[17] = 5000
    found, best = fillings(source, "causal", 6000)
    assert best.capacities >= (5056,)
    assert found[0].capacities < (1000,)
    assert found[0].dropped > 0


def test_a_decoder_capacity_holds_the_longest_target() -> None:
    sizes = np.array([[60, 2]] * 2000 + [[60, 150]])
    assert all(target >= 150 for _, target in candidates(sizes))


def test_lengths_beyond_any_capacity_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most"):
        candidates(np.array([[2**21]]))


def test_nothing_fits() -> None:
    assert filling(np.array([[9]]), (8,), WINDOW) == Filling((8,), (0.0,), 0, 0.0, 0.0, 1)
