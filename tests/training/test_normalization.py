"""The weights of examples: what a step minimises under each normalisation and weighting by length."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mtft.errors import ConfigError
from mtft.training import NORMALIZATIONS
from mtft.training.normalization import check_exponent, weigh_rows

LENGTHS = [3, 1, 8, 2, 5, 1]
TASKS = ["a", "b", "a", "c", "b", "a"]
SUMS = [2.0, 0.5, 9.0, 1.5, 4.0, 0.25]  # of the losses of each example's target tokens
EXPONENTS = [0.0, 0.5, 1.0, -1.0, 2.0]


def micro_batch(numbers: list[int]) -> dict[str, Any]:
    """These examples in rows, and an empty slot."""
    labels = torch.full((len(numbers) + 1, 8), -100)
    for row, number in enumerate(numbers):
        labels[row, : LENGTHS[number]] = 7
    present = torch.tensor([1.0] * len(numbers) + [0.0])
    return {
        "labels": labels,
        "row_weights": present,
        "tasks": [*(TASKS[number] for number in numbers), ""],
        "shifted": False,
        "numbers": numbers,
    }


def step_loss(processes: list[list[list[int]]], kind: str, exponent: float) -> tuple[float, dict[int, float]]:
    """The loss of a step whose examples are dealt to processes and their micro-batches, and each one's weight."""
    dealt = [[micro_batch(numbers) for numbers in parts] for parts in processes]
    amounts: list[Any] = []

    def collect(amount: Any) -> Any:
        amounts.append(amount)
        return torch.zeros(()) if isinstance(amount, Tensor) else [amount]

    for batches in dealt:  # what each process would contribute
        copies = [dict(batch) for batch in batches]
        weigh_rows(
            copies,
            kind,
            processes=1,
            sum_over_processes=collect,
            gather_dicts=collect,
            target_length_exponent=exponent,
        )
    weights: dict[int, float] = {}
    for batches in dealt:
        weigh_rows(
            batches,
            kind,
            processes=len(processes),
            sum_over_processes=lambda _: torch.stack(amounts).sum(),
            gather_dicts=lambda _: amounts,
            target_length_exponent=exponent,
        )
        for batch in batches:
            values = batch["row_weights"].tolist()
            assert values[-1] == 0, "an empty slot has no weight"
            weights |= dict(zip(batch["numbers"], values, strict=False))
    return sum(weights[n] * SUMS[n] for n in weights) / len(processes), weights


def by_hand(kind: str, exponent: float) -> float:
    rows = [(n**exponent, n, s, task) for n, s, task in zip(LENGTHS, SUMS, TASKS, strict=True)]
    if kind == "token":
        return sum(u * s for u, _, s, _ in rows) / sum(u * n for u, n, _, _ in rows)
    if kind == "target":
        return sum(u * s / n for u, n, s, _ in rows) / sum(u for u, *_ in rows)
    if kind == "sample":
        return sum(u * s for u, _, s, _ in rows) / sum(u for u, *_ in rows)
    means = []
    for name in set(TASKS):
        own = [(u, n, s) for u, n, s, task in rows if task == name]
        means.append(sum(u * s for u, _, s in own) / sum(u * n for u, n, _ in own))
    return sum(means) / len(means)


@pytest.mark.parametrize("kind", NORMALIZATIONS)
@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize(
    "dealt",
    [[[[0, 1, 2, 3, 4, 5]]], [[[0, 1], [2], [3, 4, 5]]], [[[5, 0], []], [[1, 3], [2, 4]]]],
    ids=["at once", "accumulated", "two processes"],
)
def test_a_step_minimises_what_is_documented(
    kind: str, exponent: float, dealt: list[list[list[int]]]
) -> None:
    loss, _ = step_loss(dealt, kind, exponent)
    assert loss == pytest.approx(by_hand(kind, exponent), rel=1e-6)


def test_exponents_lead_from_one_normalisation_to_another() -> None:
    alone = [[[0, 1, 2, 3, 4, 5]]]
    assert step_loss(alone, "target", 1.0)[1] == pytest.approx(step_loss(alone, "token", 0.0)[1])
    assert step_loss(alone, "token", -1.0)[1] == pytest.approx(step_loss(alone, "target", 0.0)[1])


@pytest.mark.parametrize("kind", ["token", "target", "task"])
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_a_loss_that_all_tokens_share_is_the_steps(kind: str, exponent: float) -> None:
    _, weights = step_loss([[[0, 1, 2], [3, 4, 5]]], kind, exponent)
    assert sum(weights[n] * LENGTHS[n] for n in weights) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("kind", NORMALIZATIONS)
@pytest.mark.parametrize("exponent", [0.0, 0.5, -1.0])
def test_packs_weigh_as_rows(kind: str, exponent: float) -> None:
    """Two packs of an encoder-decoder, the second with one segment of two."""
    segments = torch.tensor([[1] * 3 + [2] * 8, [1] * 5 + [0] * 6])
    packed = {
        "labels": torch.where(segments > 0, 7, -100),
        "segments": segments,
        "target_segments": segments,
        "row_weights": torch.tensor([[1.0, 1.0], [1.0, 0.0]]),
        "tasks": ["a", "a", "b", ""],
        "shifted": False,
    }
    rows = micro_batch([0, 2, 4])
    for batch in (packed, rows):
        weigh_rows(
            [batch],
            kind,
            processes=1,
            sum_over_processes=lambda amount: amount,
            gather_dicts=lambda counts: [counts],
            target_length_exponent=exponent,
        )
    torch.testing.assert_close(packed["row_weights"].flatten(), rows["row_weights"])


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_a_step_of_empty_slots_has_no_weight(kind: str) -> None:
    loss, weights = step_loss([[[], []]], kind, -1.0)
    assert loss == 0
    assert not weights


@pytest.mark.parametrize("exponent", [2.5, -3.0, math.nan, math.inf])
def test_wrong_exponents_are_refused(exponent: float) -> None:
    with pytest.raises(ConfigError, match="`target_length_exponent` must lie between -2 and 2"):
        check_exponent(exponent)
