from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mtft.errors import SuiteError
from mtft.evaluation.aggregate import template_cells
from mtft.evaluation.evaluator import sample_of
from mtft.evaluation.examples import EvalCell, EvalExample, Sample
from mtft.evaluation.metrics import METRICS, chance_level, majority_share
from mtft.evaluation.scorers import SCORERS, Unscorable, find_scorer, judge, unscorable_reason
from mtft.tasks.records import Example


def example(
    choices: tuple[str, ...] | None = ("no", "yes"), targets: tuple[str, ...] = ("yes",), **fields: str
) -> Example:
    values = {
        "inputs": "Is it so?", "dataset": "toy", "config": "en", "split": "test", "row_id": "1",
        "item_group": "g1", "template_id": "t1", "language": "en", "prompt_language": "en", "task": "toy",
        "source_revision": "r",
    }  # fmt: skip
    return Example(targets=targets, answer_choices=choices, **{**values, **fields})  # type: ignore[arg-type]


def sample(metric: str, answer: list[float] | str | None, reason: str = "", **fields: object) -> Sample:
    cell = EvalCell("toy", "en", "sentiment", "en", metrics=(metric,))
    made = example(**fields)  # type: ignore[arg-type]
    return sample_of(EvalExample(made, "template", cell), metric, answer, reason, "model")


def test_accuracy_shares_the_point_among_ties() -> None:
    accuracy = SCORERS["accuracy"]
    assert judge(example(), accuracy, (-1.0, -0.5), None).scores == {"accuracy": 1.0}
    assert judge(example(), accuracy, (-0.5, -1.0), None) == ("no", {"accuracy": 0.0})
    assert judge(example(), accuracy, (-1.0, -1.0), None).scores == {"accuracy": 0.5}
    three = example(("a", "b", "c"), ("b", "c"))
    assert judge(three, accuracy, (-1.0, -1.0, -1.0), None).scores == {"accuracy": pytest.approx(2 / 3)}


@pytest.mark.parametrize("bad", [(math.nan, -1.0), (-math.inf, -1.0), None])
def test_non_finite_scores_are_unscored_not_zero(bad: tuple[float, ...] | None) -> None:
    with pytest.raises(Unscorable, match="not finite"):
        judge(example(), SCORERS["accuracy"], bad, None)
    found = sample("accuracy", list(bad) if bad else None)
    assert found.scores == {}
    assert found.unscored_reason == "a log-likelihood is not finite"


@pytest.mark.parametrize(
    ("made", "scorer", "reason"),
    [
        (example(None), "accuracy", "gives no answer choices"),
        (example(targets=("perhaps",)), "accuracy", "not among the answer choices"),
        (example(("yes", "yes")), "accuracy", "only one answer choice"),
        (example(targets=("Amina is a person",)), "span_f1", "no list of entities"),
        (example(), "accuracy", ""),
        (example(None), "chrf", ""),
    ],
)
def test_what_no_model_could_be_scored_on_is_known_beforehand(
    made: Example, scorer: str, reason: str
) -> None:
    found = unscorable_reason(made, SCORERS[scorer])
    assert reason in found
    assert bool(found) == bool(reason)


def test_unknown_scorer_names_the_nearest() -> None:
    with pytest.raises(SuiteError, match="Did you mean: chrf"):
        find_scorer("chrff")


def test_ranking_score_is_the_margin_of_the_more_relevant_choice() -> None:
    scores = judge(example(), SCORERS["ndcg"], (-3.0, -1.0), None).scores
    assert scores == {"relevance": 1.0, "margin": 2.0}
    graded = example(("no", "partly", "fully"), ("partly",))
    scores = judge(graded, SCORERS["ndcg"], (0.0, 0.0, 0.0), None).scores
    assert scores == {"relevance": 1.0, "margin": pytest.approx(1.0)}


def test_queries_are_ranked_and_those_without_a_relevant_row_do_not_count() -> None:
    rows = [
        sample("ndcg", [0.0, 2.0], targets=("no",), row_id="1", item_group="q1"),
        sample("ndcg", [0.0, 1.0], targets=("yes",), row_id="2", item_group="q1"),
        sample("ndcg", [0.0, 1.0], targets=("no",), row_id="3", item_group="q2"),
    ]
    cell = next(c for c in template_cells(rows) if c.place.metric == "mrr")
    assert cell.value == 0.5
    assert (cell.groups, cell.n_unscored) == (["q1"], 1)
    # A random order of one relevant row among two: (1 + 1/2) / 2.
    assert chance_level(METRICS["ndcg"][1], rows) == pytest.approx(0.75)


def test_chance_is_the_larger_of_one_in_k_and_the_majority() -> None:
    metric = METRICS["accuracy"][0]
    labels = [sample("accuracy", [0.0, 1.0], targets=(t,)) for t in ("yes", "yes", "yes", "no")]
    assert chance_level(metric, labels) == 0.75
    # Choices of their own per item: the wording never repeats, the place does.
    places = [
        sample("accuracy", [0.0, 1.0], choices=(f"a{n}", f"b{n}"), targets=(f"b{n}",)) for n in range(5)
    ]
    assert majority_share(places) == 1.0
    balanced = [sample("accuracy", [0.0] * 4, choices=tuple("abcd"), targets=(t,)) for t in "abcd"]
    assert chance_level(metric, balanced) == 0.25
    assert chance_level(METRICS["chrf"][0], balanced) is None


def test_span_f1_is_micro_averaged_and_malformed_is_counted() -> None:
    made = [
        sample("span_f1", "PER: Amina", choices=None, targets=("PER: Amina ; LOC: Kano",), row_id="1"),
        sample("span_f1", "Kano", choices=None, targets=("LOC: Kano",), row_id="2"),
        sample("span_f1", "none", choices=None, targets=("none",), row_id="3"),
    ]
    cells = {c.place.metric: c for c in template_cells(made)}
    assert cells["span_f1"].value == pytest.approx(2 * 1 / (2 * 1 + 0 + 2))
    assert cells["malformed_rate"].value == pytest.approx(1 / 3)


def test_span_f1_without_any_entity_is_no_number() -> None:
    made = [sample("span_f1", "none", choices=None, targets=("none",))]
    assert math.isnan(next(c for c in template_cells(made) if c.place.metric == "span_f1").value)


def test_unscored_samples_do_not_lower_a_mean() -> None:
    made = [
        sample("accuracy", [0.0, 1.0], row_id="1"),
        sample("accuracy", None, "the prompt is too long", row_id="2"),
    ]
    (cell,) = template_cells(made)
    assert (cell.value, cell.n_unscored, len(cell.rows.ids)) == (1.0, 1, 1)


def test_answers_are_normalised_by_the_rows_language() -> None:
    found = sample("qa", "le Nil", choices=None, targets=("Nil",), language="fr")
    assert found.scores == {"f1": pytest.approx(2 / 3), "exact_match": 0.0}
    assert replace(found, scores={}).targets == ("Nil",)
