"""From a Gramian to weights where a method solves a problem: on rows of unit length, so that no row is too small.

A solver's constants (regularisation, tolerances) stand beside the largest entries of what it gets. A group whose
gradient is a hundredth of the others' has entries of 1e-4 in the Gramian and is then solved for no more, although all
of these problems can be stated on gradients divided by their norms. `_REGULAR` is therefore relative to each row.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor

Floats = npt.NDArray[np.float64]

# opposite unit gradients have no unique weights; those found then stay finite
_REGULAR = 1e-8
_ROUNDING = 1e-6  # beside unit vectors that it is a sum of, a vector this short has no direction
_MOST_NEWTON_STEPS = 500
_MOST_CHANGE = 0.99  # of a weight in one of them: else it would come to 0 by rounding
_MOST_BISECTIONS = 100
_INCOMPATIBLE = 1e-13
_NNLS_STEPS = 100  # for each group


def upgrad_weights(gramian: Tensor) -> Tensor:
    """The mean of the gradients, each projected on the dual cone {d: g_j d >= 0 for all j}.

    With norms n and unit gradients u the cone is that of u, and a projection on a cone keeps factors: the mean is
    sum_i (n_i / T) project(u_i), which is TorchJD's UPGrad of u with preferences n / T. Its weights are of u, so they
    are divided by n.

    Args:
        gramian: (groups, groups) float64 on the CPU; a gradient of zero gets weight 0 here and below.

    Returns:
        (groups,) float64.

    Source: Quinton and Rey 2024, arXiv 2406.16232, section 3.
    """
    from torchjd.aggregation import UPGradWeighting

    return _of_cone(gramian, UPGradWeighting)


def dualproj_weights(gramian: Tensor) -> Tensor:
    """The mean gradient, sum_i (n_i / T) u_i, projected on the dual cone; see `upgrad_weights`.

    Source: Lopez-Paz and Ranzato 2017 (NeurIPS), equation 11.
    """
    from torchjd.aggregation import DualProjWeighting

    return _of_cone(gramian, DualProjWeighting)


def _of_cone(gramian: Tensor, weighting: Callable[..., Callable[[Tensor], Tensor]]) -> Tensor:
    from torchjd.linalg import QuadprogProjector

    def solve(unit: Tensor, norms: Tensor) -> Tensor:
        scale = norms.mean()
        projector = QuadprogProjector(reg_eps=_REGULAR)
        return scale * weighting(norms / scale / len(norms), projector=projector)(unit) / norms

    return _on_unit_rows(gramian, solve)


def shortest_weights(gramian: Tensor) -> Tensor:
    """The w >= 0 with sum 1 and the shortest sum_i w_i g_i: MGDA.

    The least squares min over y >= 0 of |sum_i y_i g_i|^2 + (sum_i y_i - 1)^2 have a solution that is proportional to
    it, which an active set finds. Algorithm 2 of the source, Frank-Wolfe, is stopped after a hundred steps: with
    eight groups, a tenth away from it, and where one gradient is short against some of the others.

    Source: Sener and Koltun 2018 (NeurIPS), arXiv 1810.04650, equation 3.
    """

    def solve(unit: Tensor, norms: Tensor) -> Tensor:
        shares = (norms.min() / norms).numpy()
        found = _least_squares(np.vstack([root_of(unit).T.numpy(), shares]))
        return torch.from_numpy(found * shares / (found @ shares))

    return _on_unit_rows(gramian, solve)


def _least_squares(matrix: Floats) -> Floats:
    """The y >= 0 whose `matrix` y is nearest to (0, ..., 0, 1)."""
    wanted = np.zeros(len(matrix))
    wanted[-1] = 1.0
    found: Floats = nnls(matrix, wanted, maxiter=_NNLS_STEPS * matrix.shape[1])[0]
    return found


def cagrad_weights(gramian: Tensor, c: float) -> Tensor:
    """CAGrad: the d with |d - m| <= c |m| and the largest t = min_i g_i d, where m is the mean gradient.

    The nearest d to m with g_i d >= t for all i lies further off the larger t is, so that t is found by bisection. d
    is m and a sum of gradients with weights of at least 0: m + c |m| v / |v| with the source's v, whose dual problem
    has the same solutions. t counts in units of the smallest norm, and m in its own length.

    Args:
        gramian: See `upgrad_weights`.
        c: Radius of the ball, at least 0.

    Source: Liu et al. 2021, arXiv 2110.14048, equation 1 and algorithm 1.
    """

    def solve(unit: Tensor, norms: Tensor) -> Tensor:
        root, groups = root_of(unit), len(norms)
        mean = root.T @ norms / groups
        length = mean.norm()
        equal = torch.full_like(norms, 1.0 / groups)
        if length <= _ROUNDING * norms.mean():
            return equal
        cosines, shares = (root @ mean / length).numpy(), (norms.min() / norms).numpy()
        added = torch.from_numpy(_farthest(root.numpy(), cosines, shares, c))
        found: Tensor = equal + length * added / norms
        return found

    return _on_unit_rows(gramian, solve)


def _farthest(root: Floats, cosines: Floats, shares: Floats, c: float) -> Floats:
    """What is added up over `root` to reach the largest t with all `cosines + root e >= t shares` and |e| <= c."""
    low, high = float((cosines / shares).min()), float(((cosines + c) / shares).min())
    found = np.zeros(len(root))
    for _ in range(_MOST_BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        weights = _nearest(root, middle * shares - cosines)
        if weights is None or np.linalg.norm(weights @ root) > c:
            high = middle
        else:
            low, found = middle, weights
    return found


def _nearest(root: Floats, bounds: Floats) -> Floats | None:
    """The y >= 0 for which e = `y root` is the shortest with `root e >= bounds`; None where there is no such e.

    Source: Lawson and Hanson 1974, Solving Least Squares Problems, section 23.4 (least distance programming).
    """
    found = _least_squares(np.vstack([root.T, bounds]))
    missing = 1.0 - float(bounds @ found)
    return found / missing if missing > _INCOMPATIBLE else None


def fair_weights(gramian: Tensor, alpha: float) -> Tensor:
    """The positive w with G w = w^(-1 / alpha): FairGrad's, and for alpha 1 Nash-MTL's bargain G w = 1 / w.

    They are where w'Gw / 2 - sum_i h(w_i), h' = w^(-1 / alpha), is least, which is strictly convex. Newton's steps do
    not depend on the rows' scales. With r the largest relative change of a weight, a step is shortened by
    (1 - (1 + r / alpha)^(-alpha)) / r, which is 1 / (1 + r) for alpha 1: until there the curvature has grown by less
    than (1 - s r)^(-1 - 1 / alpha) after a share s of it, so that the function still falls and no weight reaches 0.

    Args:
        gramian: See `upgrad_weights`.
        alpha: Above 0.

    Source: Ban and Ji 2024, arXiv 2402.15638, equation 4; Navon et al. 2022, arXiv 2202.01017, section 3.2.
    """

    def solve(unit: Tensor, norms: Tensor) -> Tensor:
        regular = unit + _REGULAR * torch.eye(len(unit), dtype=unit.dtype)
        return _fair(regular * torch.outer(norms, norms), alpha)

    return _on_unit_rows(gramian, solve)


def _fair(gramian: Tensor, alpha: float) -> Tensor:
    """See `fair_weights`; of a positive definite Gramian."""
    found = gramian.diagonal() ** (-alpha / (1.0 + alpha))
    for _ in range(_MOST_NEWTON_STEPS):
        slope = gramian @ found - found ** (-1.0 / alpha)
        curvature = gramian + torch.diag(found ** (-1.0 / alpha - 1.0) / alpha)
        change = torch.cholesky_solve(slope[:, None], torch.linalg.cholesky(curvature))[:, 0]
        largest = float((change / found).abs().max())
        if largest < 1e-8:
            break
        found = found - change * min(1.0 - (1.0 + largest / alpha) ** -alpha, _MOST_CHANGE) / largest
    return found


def root_of(gramian: Tensor) -> Tensor:
    """A (groups, rank) matrix whose rows have these products, (groups, groups) float64."""
    values, vectors = torch.linalg.eigh(gramian)
    # float32 gradients: below this, a direction is their rounding
    kept = values > values[-1] * len(values) * 1e-13
    found: Tensor = vectors[:, kept] * values[kept].sqrt()
    return found


def _on_unit_rows(gramian: Tensor, solve: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What `solve` makes of the Gramian of the unit gradients and of the norms; 0 for gradients of zero."""
    weights = torch.zeros(len(gramian), dtype=gramian.dtype)
    kept = gramian.diagonal() > 0
    if kept.any():
        norms = gramian.diagonal()[kept].sqrt()
        weights[kept] = solve(gramian[kept][:, kept] / torch.outer(norms, norms), norms)
    return weights
