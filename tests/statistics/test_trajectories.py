"""The gap at comparable loss and the estimates of gradient noise, by hand and on curves with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from mtft.statistics import Curve, generalisation_gap, gradient_noise
from mtft.statistics.trajectories import NEGATIVE, NO_OVERLAP, ONE_SEED, POSITIVE, WITHIN


def curve(losses: list[float], metrics: list[float], seed: int = 0) -> Curve:
    return Curve(np.array(losses), np.array(metrics), seed)


def synthetic(offset: float, seed: int, noise: float = 0.0) -> Curve:
    """The metric falls by 0.1 per unit of log loss, from losses that each seed passes at other places."""
    draw = np.random.default_rng(seed)
    losses = np.exp(-np.linspace(0, 3, 20) - draw.uniform(0, 0.05, 20))
    losses = np.sort(losses)[::-1]
    return Curve(losses, 0.5 - 0.1 * np.log(losses) + offset + noise * draw.standard_normal(), seed)


def test_only_where_a_loss_is_first_reached() -> None:
    found = curve([3, 2, 2.5, np.nan, 1, 1, 0.5], [0, 1, 9, 2, 3, 9, np.nan]).falling()
    assert found.losses.tolist() == [3, 2, 1]
    assert found.metrics.tolist() == [0, 1, 3]


def test_by_hand() -> None:
    """Halfway between losses 4 and 1, in log, is 2; both curves are straight there."""
    single = [curve([4, 1], [0.2, 0.6], 1), curve([4, 1], [0.3, 0.7], 2)]
    multi = [curve([8, 2, 0.5], [0.0, 0.8, 0.8], 1), curve([4, 1], [0.6, 1.0], 2)]
    gap = generalisation_gap(single, multi, points=3)
    assert (gap.low, gap.high) == (1, 4)
    np.testing.assert_allclose(gap.losses, [4, 2, 1])
    np.testing.assert_allclose(gap.single, [0.25, 0.45, 0.65])
    np.testing.assert_allclose(gap.multi, [(0.4 + 0.6) / 2, (0.8 + 0.8) / 2, (0.8 + 1.0) / 2])
    np.testing.assert_allclose(gap.single_deviation, np.full(3, 0.1 / np.sqrt(2)))
    assert gap.mean == pytest.approx(np.mean([0.25, 0.35, 0.25]))
    means = ([0.4, 0.5], [2.0 / 3, 0.8])
    assert gap.band == pytest.approx(2 * sum(np.std(each, ddof=1) for each in means))
    assert gap.verdict == WITHIN


@pytest.mark.parametrize(("offset", "verdict"), [(0.1, POSITIVE), (-0.1, NEGATIVE), (0.0, WITHIN)])
def test_a_known_gap_is_found(offset: float, verdict: str) -> None:
    single = [synthetic(0.0, seed, 0.01) for seed in range(3)]
    multi = [synthetic(offset, seed + 10, 0.01) for seed in range(3)]
    gap = generalisation_gap(single, multi)
    assert gap.mean == pytest.approx(offset, abs=0.03)
    assert gap.verdict == verdict
    assert gap.share_above == (1.0 if offset > 0 else 0.0)
    assert gap.share_below == (1.0 if offset < 0 else 0.0)


def test_without_overlap_nothing_is_extrapolated() -> None:
    gap = generalisation_gap([curve([4, 3], [0, 1])] * 2, [curve([2, 1], [0, 1])] * 2)
    assert gap.verdict == NO_OVERLAP
    assert np.isnan(gap.mean)
    assert len(gap.losses) == 0
    assert np.isnan(gap.share_above)
    assert generalisation_gap([], [curve([2, 1], [0, 1])]).verdict == NO_OVERLAP
    assert generalisation_gap([curve([np.nan], [1])], [curve([2, 1], [0, 1])]).verdict == NO_OVERLAP


def test_one_seed_is_never_a_finding() -> None:
    gap = generalisation_gap([curve([4, 1], [0, 1])], [curve([4, 1], [5, 6])] * 3)
    assert gap.verdict == ONE_SEED
    assert gap.mean == pytest.approx(5)
    assert not gap.counts


def test_the_order_of_runs_changes_nothing() -> None:
    single, multi = ([synthetic(0.1 * side, seed) for seed in range(4)] for side in (0, 1))
    one, other = generalisation_gap(single, multi), generalisation_gap(single[::-1], multi[::-1])
    assert one.mean == pytest.approx(other.mean)
    assert one.band == pytest.approx(other.band)
    mirrored = generalisation_gap(multi, single)
    assert mirrored.mean == pytest.approx(-one.mean)


def test_gradient_noise_by_hand() -> None:
    """|G|^2 = 4 and tr(Sigma) = 12: batches of 2 have 10, batches of 8 have 5.5."""
    found = gradient_noise(10.0, 5.5, 2, 8)
    assert found.squared_norm == pytest.approx(4)
    assert found.trace == pytest.approx(12)
    assert found.scale == pytest.approx(3)


def test_gradient_noise_of_drawn_gradients() -> None:
    """Against the covariance of explicit gradients, whose estimate it equals where batches make the whole."""
    draw = np.random.default_rng(0)
    examples = draw.normal(0.5, 1.0, (64, 5))
    batches = examples.reshape(16, 4, 5).mean(axis=1)
    small, big = np.sum(batches**2, axis=1).mean(), np.sum(examples.mean(axis=0) ** 2)
    found = gradient_noise(small, big, 4, 64)
    # exact identity: between-batch variance, times the batch's size, is the unbiased trace
    assert found.trace == pytest.approx(4 * batches.var(axis=0, ddof=1).sum())
    assert found.trace == pytest.approx(examples.var(axis=0, ddof=1).sum(), rel=0.5)


def test_one_size_tells_nothing_and_negative_signal_gives_no_scale() -> None:
    assert np.isnan(gradient_noise(2.0, 2.0, 4, 4).trace)
    found = gradient_noise(10.0, 1.0, 1, 8)
    assert found.squared_norm < 0
    assert np.isnan(found.scale)


def test_one_seed_twice_is_one_seed() -> None:
    twice = [curve([3.0, 2.0, 1.0], [0.1, 0.2, 0.3], 1), curve([3.0, 2.0, 1.0], [0.1, 0.2, 0.3], 1)]
    gap = generalisation_gap(twice, [curve([3.0, 1.0], [0.5, 0.6], seed) for seed in (1, 2)])
    assert (gap.seeds, gap.verdict) == ((1, 2), ONE_SEED)
