"""The problems that balancing methods solve, against solutions by other ways, however small one group's gradient is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.optimize import minimize, nnls
from torch import Tensor

from mtft.training.gradient_methods import gradient_method
from mtft.training.gradient_settings import GradientSettings
from mtft.training.gradient_solvers import cagrad_weights, dualproj_weights, fair_weights, upgrad_weights
from mtft.training.gradient_step import GradientStep

pytest.importorskip("torchjd", reason="needs the extra multitask")

Floats = npt.NDArray[np.float64]

RATIOS = (1.0, 0.1, 0.03, 0.01, 1e-3, 2e-4, 1e-4, 1e-6)
CONES = {"upgrad": upgrad_weights, "dualproj": dualproj_weights}
SOLVED = ("upgrad", "dualproj", "cagrad", "mgda", "nash_mtl", "fairgrad", "imtl_g", "aligned_mtl", "config")


def conflicting(ratio: float, groups: int = 4, seed: int = 0, width: int = 30) -> Tensor:
    """(groups, width) float64: the first conflicts with the others' mean and is `ratio` as long as they."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(groups, width, dtype=torch.float64, generator=generator)
    rows += 0.5 * torch.randn(width, dtype=torch.float64, generator=generator)
    others = rows[1:].mean(dim=0)
    rows[0] = rows[0] / rows[0].norm() - others / others.norm()
    rows[0] *= ratio * rows[1:].norm(dim=1).mean() / rows[0].norm()
    return rows


def weights_of(name: str, rows: Tensor, **settings: float) -> Tensor:
    found = gradient_method(GradientSettings(gradient_balancing=name, **settings), list(map(str, rows)))  # type: ignore[arg-type]
    losses = torch.ones(len(rows), dtype=torch.float64)
    return found.weights(GradientStep(rows @ rows.T, losses, list(range(len(rows)))))


def projected(rows: Floats, direction: Floats) -> Floats:
    """The nearest vector with no negative product with a row: what is missing is a sum of rows, v >= 0.

    Rows of length 1 are of the same cone.
    """
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    missing = nnls(units.T, -direction, maxiter=10_000)[0]
    return direction + missing @ units


@pytest.mark.parametrize("groups", [4, 8])
@pytest.mark.parametrize("name", CONES)
def test_small_gradients_are_protected_as_large_ones(name: str, groups: int) -> None:
    """Against the projections of explicit vectors, by non-negative least squares."""
    conflicts = []
    for number, ratio in enumerate(RATIOS):
        rows = conflicting(ratio, groups, seed=number)
        found = (weights_of(name, rows) @ rows).numpy()
        vectors = rows.numpy()
        several = vectors if name == "upgrad" else vectors.mean(axis=0, keepdims=True)
        expected = np.mean([projected(vectors, vector) for vector in several], axis=0)
        off = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        assert off < 1e-5, ratio
        cosines = vectors @ found / np.linalg.norm(vectors, axis=1) / np.linalg.norm(found)
        assert cosines.min() > -1e-6, ratio
        conflicts.append(float(vectors[0] @ vectors[1:].mean(axis=0)))
    assert max(conflicts) < 0  # the mean alone would go against the first group


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize(("groups", "c"), [(4, 0.5), (8, 0.5), (4, 0.9)])
def test_cagrad_is_the_best_direction_of_its_ball(ratio: float, groups: int, c: float) -> None:
    """max min_i g_i d over |d - m| <= c |m|, solved as it stands: for d, in units of |m| and of the shortest row."""
    rows = conflicting(ratio, groups, seed=groups, width=12)
    weights = weights_of("cagrad", rows, cagrad_c=c)
    assert float(weights.min()) > 1 / groups - 1e-12  # m + c |m| v / |v|, v in the cone of the rows
    vectors, mean = rows.numpy(), rows.mean(dim=0).numpy()
    norms = np.linalg.norm(vectors, axis=1)
    units, shares = vectors / norms[:, None], norms.min() / norms
    middle = mean / np.linalg.norm(mean)
    found = (weights @ rows).numpy() / np.linalg.norm(mean)
    assert np.linalg.norm(found - middle) == pytest.approx(c, rel=1e-6)
    best = minimize(
        lambda z: -z[-1],
        np.append(middle, (units @ middle / shares).min()),
        jac=lambda z: np.append(np.zeros(len(z) - 1), -1.0),
        constraints=[
            {"type": "ineq", "fun": lambda z: units @ z[:-1] - shares * z[-1],
             "jac": lambda z: np.hstack([units, -shares[:, None]])},
            {"type": "ineq", "fun": lambda z: c**2 - np.square(z[:-1] - middle).sum(),
             "jac": lambda z: np.append(-2 * (z[:-1] - middle), 0.0)},
        ],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )  # fmt: skip
    assert (units @ found / shares).min() == pytest.approx(best.x[-1], rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(found, best.x[:-1], atol=1e-3)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("groups", [2, 4, 8, 40])
def test_mgda_is_the_shortest_vector(ratio: float, groups: int) -> None:
    """As every row's product with it is at least its square, no other point between the rows is shorter."""
    rows = conflicting(ratio, groups)
    weights = weights_of("mgda", rows)
    assert float(weights.min()) >= 0
    assert float(weights.sum()) == pytest.approx(1.0)
    update = weights @ rows
    slack = (rows @ update - update @ update) / (rows.norm(dim=1) * update.norm())
    assert float(slack.min()) > -1e-7


@pytest.mark.parametrize("ratio", RATIOS)
def test_equations_hold_for_small_gradients(ratio: float) -> None:
    for groups in (4, 8):
        rows = conflicting(ratio, groups)
        gramian, norms, ones = rows @ rows.T, rows.norm(dim=1), torch.ones(groups, dtype=torch.float64)
        nash = weights_of("nash_mtl", rows)
        bargain = nash * (gramian @ nash)
        torch.testing.assert_close(bargain / bargain.mean(), ones, rtol=1e-5, atol=0)
        for alpha in (0.5, 1.0, 2.0, 5.0, 20.0):
            fair = weights_of("fairgrad", rows, fairgrad_alpha=alpha)
            off = (gramian @ fair - fair ** (-1 / alpha)).abs() / (gramian.abs() @ fair)
            assert float(off.max()) < 1e-6, (groups, alpha)
        for name in ("imtl_g", "config"):
            cosines = rows @ (weights_of(name, rows) @ rows) / norms
            torch.testing.assert_close(cosines / cosines.mean(), ones, rtol=1e-5, atol=0)
        left, scales, _ = torch.linalg.svd(rows, full_matrices=False)
        aligned = scales.min() * (left / scales) @ left.T @ ones / groups
        torch.testing.assert_close(
            weights_of("aligned_mtl", rows) * norms, aligned * norms, rtol=1e-5, atol=0
        )


@pytest.mark.parametrize("name", SOLVED)
def test_the_order_of_groups_does_not_matter_where_one_is_small(name: str) -> None:
    order = torch.tensor([3, 1, 0, 4, 2])
    for ratio in (1e-2, 1e-4):
        rows = conflicting(ratio, 5)
        first, second = weights_of(name, rows), weights_of(name, rows[order])
        norms = rows.norm(dim=1)
        torch.testing.assert_close((second * norms[order]), (first * norms)[order], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", CONES)
def test_gradients_of_zero_bound_nothing(name: str) -> None:
    rows = conflicting(0.1)
    expected = CONES[name](rows @ rows.T)
    rows = torch.cat([rows[:2], torch.zeros(1, 30, dtype=torch.float64), rows[2:]])
    found = CONES[name](rows @ rows.T)
    assert found[2] == 0
    torch.testing.assert_close(found[[0, 1, 3, 4]], expected)
    assert CONES[name](torch.zeros(3, 3, dtype=torch.float64)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("groups", [2, 40])
@pytest.mark.parametrize("name", SOLVED)
def test_dependent_and_opposite_gradients_give_finite_weights(name: str, groups: int) -> None:
    rows = conflicting(1.0, groups, width=10)
    rows[1] = -2 * rows[0]
    weights = weights_of(name, rows)
    assert torch.isfinite(weights).all()
    assert float((weights.abs() * rows.norm(dim=1)).max() / rows.norm(dim=1).max()) < 1e5


def test_cagrad_where_gradients_cancel() -> None:
    """No d helps both of two opposite ones; of three, the third is then followed."""
    rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    two, three = rows[:2], rows
    assert cagrad_weights(two @ two.T, 0.5).tolist() == [0.5, 0.5]
    update = cagrad_weights(three @ three.T, 0.5) @ three
    assert update.tolist() == pytest.approx([0.0, 1.0], abs=1e-6)
    assert cagrad_weights(three @ three.T, 0.0).tolist() == pytest.approx([1 / 3] * 3)


def test_fair_weights_of_orthogonal_gradients() -> None:
    """There w_i n_i^2 = w_i^(-1 / alpha)."""
    norms = torch.tensor([1e-3, 1.0, 20.0], dtype=torch.float64)
    for alpha in (0.3, 1.0, 7.0):
        found = fair_weights(torch.diag(norms**2), alpha)
        torch.testing.assert_close(found, norms ** (-2 * alpha / (1 + alpha)), rtol=1e-6, atol=0)
