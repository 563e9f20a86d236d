"""The number that checkpoints are compared by."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mtft.evaluation import EvalCell, Sample
from mtft.evaluation.selection import select


def cell(task: str, config: str, metric: str) -> EvalCell:
    return EvalCell(task, config, task, config, metrics=(metric,))


def answers(where: EvalCell, right: list[bool], template: str = "one") -> list[Sample]:
    """Two-way choices; the right answer is first and last in turn, so neither place nor wording does better."""
    return [
        Sample(
            model="m", task=where.task, dataset=where.task, config=where.config, cluster=where.cluster,
            language=where.language, prompt_language="en", metric="accuracy", template=template, template_id=template,
            id=str(n), item_group=f"{where.task}/{n}", inputs="", choices=("a", "b"), loglikelihoods=(0.0, 0.0),
            prediction="a", target="ab"[n % 2], targets=("ab"[n % 2],), scores={"accuracy": float(hit)},
        )
        for n, hit in enumerate(right)
    ]  # fmt: skip


def rated(where: EvalCell, metric: str, scores: dict[str, float]) -> list[Sample]:
    (first, *_) = answers(where, [True])
    return [replace(first, metric=metric, choices=(), loglikelihoods=(), scores=scores)]


def test_tasks_count_alike_and_the_middle_one_decides() -> None:
    """nli: (3/4 - 1/2) / (1/2) and 1 in two languages; qa: 0.2; meteor: 0.9."""
    nli, other = (cell("nli", language, "accuracy") for language in ("sw", "de"))
    qa, said = cell("qa", "sw", "qa"), cell("say", "sw", "meteor")
    samples = [
        *answers(nli, [True, True, True, False]),
        *answers(other, [True] * 4),
        *rated(qa, "qa", {"f1": 0.2, "exact_match": 1.0}),
        *rated(said, "meteor", {"meteor": 0.9}),
    ]
    found = select(samples, [nli, other, qa, said])
    assert found.tasks == pytest.approx({"nli": 0.75, "qa": 0.2, "say": 0.9})
    assert found.score == pytest.approx(0.75)
    assert {each.metric for each in found.cells} == {"accuracy", "f1", "meteor"}


def test_templates_give_their_median() -> None:
    nli = cell("nli", "sw", "accuracy")
    right = {"one": [True] * 4, "two": [True, True, True, False], "three": [False] * 4}
    samples = [each for name, hits in right.items() for each in answers(nli, hits, name)]
    (only,) = select(samples, [nli]).cells
    assert (only.value, only.chance, only.score) == (0.75, 0.5, 0.5)


def test_errors_count_downwards() -> None:
    said = cell("say", "sw", "slot_error")
    counts = {"slots": 4.0, **dict.fromkeys(("missing", "added", "repeated"), 0.0), "missing": 1.0}
    found = select(rated(said, "slot_error", counts), [said])
    assert found.score == pytest.approx(0.75)


def test_the_unscored_are_counted_and_are_no_zeros() -> None:
    nli, qa = cell("nli", "sw", "accuracy"), cell("qa", "sw", "qa")
    silent = [replace(s, unscored_reason="too long", scores={}) for s in rated(qa, "qa", {})]
    found = select([*answers(nli, [True] * 4), *silent], [nli, qa])
    assert found.tasks == {"nli": 1.0}
    assert (found.score, found.n_unscored) == (1.0, 1)
    nothing = select(silent, [qa])
    assert math.isnan(nothing.score)
    assert nothing.as_dict()["score"] is None
    assert nothing.as_dict()["cells"][0]["value"] is None
