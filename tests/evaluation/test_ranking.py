"""Ranking metrics against scikit-learn, with ties, and grouped by query."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.evaluation.aggregate import Resampling, TemplateCell, template_cells
from mtft.evaluation.examples import Sample
from mtft.evaluation.metrics import chance_level
from mtft.evaluation.ranking import auc, ndcg, placements, reciprocal_rank

# (gain, score) of each candidate; few different scores, so that ties are common.
QUERY = st.lists(st.tuples(st.integers(0, 2), st.integers(-2, 2)), min_size=2, max_size=9)
PAIRS = st.lists(st.tuples(st.booleans(), st.integers(-2, 2)), min_size=2, max_size=30)


def candidate(query: str, number: int, gain: float, score: float) -> Sample:
    return Sample(
        model="m", task="rank", dataset="rank", config="en", cluster="ranking", language="en",
        prompt_language="en", metric="ndcg", template="t", template_id="t", id=f"test/{query}-{number}",
        item_group=query, inputs="", choices=("no", "yes"), loglikelihoods=(0.0, score), prediction="yes",
        target="yes", targets=("yes",), scores={"relevance": float(gain), "margin": float(score)},
    )  # fmt: skip


def cells(queries: dict[str, list[tuple[float, float]]]) -> dict[str, TemplateCell]:
    rows = [candidate(q, n, *pair) for q, pairs in queries.items() for n, pair in enumerate(pairs)]
    return {cell.place.metric: cell for cell in template_cells(rows)}


@given(PAIRS)
def test_auc_is_scikit_learns(pairs: list[tuple[bool, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    labels, scores = zip(*pairs, strict=True)
    if len(set(labels)) == 1:
        assert math.isnan(auc(labels, scores))
    else:
        assert auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores))


@given(QUERY)
def test_ndcg_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    """Its `ndcg_score` averages over the orders of ties as well."""
    metrics = pytest.importorskip("sklearn.metrics")
    gains, scores = zip(*pairs, strict=True)
    if not any(gains):
        assert math.isnan(ndcg(gains, scores))
    else:
        assert ndcg(gains, scores) == pytest.approx(metrics.ndcg_score([gains], [scores]))


@pytest.mark.parametrize("gains", [(1, 0, 0, 1), (0, 0, 1, 0), (1, 1, 1, 0)])
def test_ties_count_as_every_order_alike(gains: tuple[int, ...]) -> None:
    orders = list(itertools.permutations(range(4)))
    tied = [0.0] * 4
    for measure in (ndcg, reciprocal_rank, auc):
        assert measure(gains, tied) == pytest.approx(np.mean([measure(gains, order) for order in orders]))
    assert auc(gains, tied) == 0.5


def test_auc_by_hand() -> None:
    assert auc([1, 0, 0], [2, 1, 2]) == pytest.approx((1 + 0.5) / 2)
    assert auc([2, 0, 1, 0], [5, 4, 3, 2]) == pytest.approx(3 / 4)  # every gain above 0 is relevant
    assert auc([0, 1], [1, 0]) == 0.0


@given(PAIRS)
def test_placements_of_both_kinds_have_the_auc_as_mean(pairs: list[tuple[bool, int]]) -> None:
    relevant, scores = np.array([p[0] for p in pairs]), np.array([float(p[1]) for p in pairs])
    if relevant.any() and not relevant.all():
        found = placements(relevant, scores)
        assert found[relevant].mean() == pytest.approx(found[~relevant].mean())


def test_auc_per_query_and_over_all_candidates_differ_where_queries_lie_at_different_levels() -> None:
    """Within each query the order is perfect, but the second query's scores are all higher."""
    found = cells({"a": [(1, 1), (0, 0)], "b": [(1, 11), (0, 10)]})
    assert found["auc"].value == 1.0
    assert found["auc_overall"].value == 0.75
    assert found["auc_overall"].n_unscored == 0


def test_queries_without_a_pair_count_in_the_overall_auc_only() -> None:
    queries = {"a": [(1.0, 1.0), (0.0, 0.0)], "all": [(1.0, -1.0), (1.0, 2.0)], "none": [(0.0, 0.5)]}
    found = cells(queries)
    assert (found["auc"].value, found["auc"].n_unscored) == (1.0, 2)
    assert found["ndcg"].n_unscored == found["mrr"].n_unscored == 1
    gains, scores = zip(*(pair for pairs in queries.values() for pair in pairs), strict=True)
    assert found["auc_overall"].value == pytest.approx(auc(gains, scores))
    assert len(found["auc_overall"].rows.ids) == 3


@pytest.mark.parametrize("gain", [0, 1])
def test_one_kind_alone_has_no_auc(gain: int) -> None:
    found = cells({"a": [(gain, 1), (gain, 2)]})
    assert math.isnan(found["auc"].value)
    assert math.isnan(found["auc_overall"].value)
    low = found["auc_overall"].interval(Resampling(["a"])).low
    assert math.isnan(low)


def test_chance_of_an_auc_is_one_half() -> None:
    found = cells({"a": [(1, 1), (0, 0), (0, 3)], "b": [(1, 2), (0, 5)]})
    for name in ("auc", "auc_overall"):
        assert chance_level(found[name].metric, found[name].scored) == 0.5


def test_the_expansion_has_the_spread_of_the_exact_bootstrap() -> None:
    """The overall AUC's replicates are linear in the queries; exact ones are computed here from the pairs."""
    draw = np.random.default_rng(1)
    gains = draw.random((60, 5)) < 0.3
    scores = np.round(draw.normal(size=(60, 5)) + gains + 0.5 * draw.normal(size=(60, 1)), 1)
    queries = {
        f"q{n:02d}": [(float(g), float(s)) for g, s in zip(gains[n], scores[n], strict=True)]
        for n in range(60)
    }
    cell = cells(queries)["auc_overall"]
    resampling = Resampling(queries)
    weights = resampling.weights(cell.groups)[:400]
    linear = cell.metric.value(weights.astype(float) @ cell.sums)
    exact = [auc(np.repeat(gains, w, axis=0).ravel(), np.repeat(scores, w, axis=0).ravel()) for w in weights]
    assert cell.value == pytest.approx(auc(gains.ravel(), scores.ravel()))
    assert np.std(linear) == pytest.approx(np.std(exact), rel=0.1)
    assert np.corrcoef(linear, exact)[0, 1] > 0.98
