"""Relative gain, mean rank and differences over seeds, against values worked by hand and for their properties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mtft.statistics import gainful, mean_rank, mean_relative_gain, relative_gain, seeded_difference

LESS = np.array([False, True, False])
SINGLE = np.array([0.5, 0.4, 0.8])


def test_gains_of_scores_and_of_error_rates() -> None:
    gains = relative_gain([0.6, 0.3, 0.6], SINGLE, LESS)
    assert gains == pytest.approx([0.2, 0.25, -0.25])
    assert mean_relative_gain([0.6, 0.3, 0.6], SINGLE, LESS) == pytest.approx(0.2 / 3)
    assert mean_relative_gain(SINGLE, SINGLE, LESS) == 0


def test_a_task_whose_baseline_is_nought_in_one_seed_has_no_gain_in_any() -> None:
    ours, theirs = (
        np.array([[0.2, 0.6, 0.4], [0.2, 0.6, 0.4]]),
        np.array([[0.0, 0.5, 0.4], [0.1, 0.5, np.nan]]),
    )
    assert np.isnan(relative_gain(ours, theirs)[0, 0])
    assert gainful(ours, theirs).tolist() == [False, True, False]
    assert gainful(theirs, ours).tolist() == [True, True, False]
    # a mean says nothing rather than being one over other tasks
    assert np.isnan(mean_relative_gain(ours, theirs)).all()
    assert mean_relative_gain(ours[:, 1:2], theirs[:, 1:2]) == pytest.approx([0.2, 0.2])
    assert np.isnan(mean_relative_gain(np.empty((2, 0)), np.empty((2, 0)))).all()


def test_scale_and_order_of_tasks_change_no_gain() -> None:
    scores, order = np.random.default_rng(0).uniform(0.1, 1, (4, 3)), [2, 0, 1]
    gains = mean_relative_gain(scores, SINGLE, LESS)
    assert mean_relative_gain(scores[:, order], SINGLE[order], LESS[order]) == pytest.approx(gains)
    assert mean_relative_gain(scores * 100, SINGLE * 100, LESS) == pytest.approx(gains)


def test_ranks_by_hand() -> None:
    # task 1: .9 and .9 share ranks 1 and 2; task 2: .4, .3, .2
    assert mean_rank([[0.9, 0.2], [0.8, 0.4], [0.9, 0.3]]).tolist() == [2.25, 2.0, 1.75]
    assert mean_rank([[0.9, 0.2], [0.8, 0.4]], [False, True]).tolist() == [1.0, 2.0]
    assert mean_rank([[0.9, np.nan], [0.8, 0.4]]).tolist() == [1.0, 2.0]
    assert np.isnan(mean_rank([[np.nan], [1.0]])).all()


def test_ranks_follow_their_methods_and_add_up() -> None:
    scores = np.random.default_rng(1).uniform(size=(5, 7))
    methods, tasks = [3, 1, 4, 0, 2], [6, 2, 0, 1, 5, 3, 4]
    ranks = mean_rank(scores)
    assert mean_rank(scores[methods]) == pytest.approx(ranks[methods])
    assert mean_rank(scores[:, tasks]) == pytest.approx(ranks)
    assert ranks.mean() == pytest.approx(3)  # (5 + 1) / 2
    assert mean_rank(np.exp(scores)) == pytest.approx(ranks)  # only the order counts


def test_difference_over_seeds_by_hand() -> None:
    found = seeded_difference([0.1, 0.2, 0.3], item_error=0.0, n_items=50)
    error = 0.1 / np.sqrt(3)  # standard deviation .1
    assert found.difference == pytest.approx(0.2)
    assert found.seed_error == pytest.approx(error)
    assert found.high == pytest.approx(0.2 + stats.t.ppf(0.975, 2) * error)
    assert found.p_value == pytest.approx(stats.ttest_1samp([0.1, 0.2, 0.3], 0).pvalue)


def test_items_and_seeds_add_up_and_more_seeds_never_hide_the_items() -> None:
    quiet = seeded_difference([0.2] * 3, item_error=0.05, n_items=101)
    # the seeds agree: freedom of the items' 100 alone
    assert quiet.high - quiet.difference == pytest.approx(stats.t.ppf(0.975, 100) * 0.05)
    loud = seeded_difference([0.1, 0.2, 0.3], item_error=0.05, n_items=101)
    assert loud.high - loud.low > quiet.high - quiet.low
    many = seeded_difference([0.2] * 1000, item_error=0.05, n_items=101)
    assert many.high - many.low == pytest.approx(quiet.high - quiet.low)


def test_signs_and_missing_seeds() -> None:
    values = [0.1, 0.25, float("nan"), 0.3]
    found, turned = (seeded_difference(np.array(values) * sign, 0.02, 40) for sign in (1, -1))
    assert found.n_seeds == 3
    assert (turned.difference, turned.low, turned.high) == pytest.approx(
        (-found.difference, -found.high, -found.low)
    )
    assert turned.p_value == pytest.approx(found.p_value)
    assert np.isnan(seeded_difference([float("nan")], 0.1, 4).difference)
    alone = seeded_difference([0.2], 0.05, 101)
    assert np.isnan(alone.seed_error)
    assert alone.low > 0


@pytest.mark.parametrize("error", [np.nan, np.inf])
def test_an_unknown_error_leaves_the_limits_unknown(error: float) -> None:
    found = seeded_difference([0.2, 0.3], error, 1)
    assert found.difference == pytest.approx(0.25)
    assert np.isnan([found.low, found.high, found.p_value]).all()


def test_no_difference_anywhere_is_no_difference() -> None:
    found = seeded_difference([0.0, 0.0], 0.0, 10)
    assert (found.difference, found.p_value) == (0, 1)
