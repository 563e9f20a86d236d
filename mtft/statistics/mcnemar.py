"""Which of two models does better where they differ, item by item."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mtft.statistics.intervals import cluster_sums


class Wins(NamedTuple):
    """The items on which two models differ.

    Attributes:
        a_only: Items on which the first model has more points, sorted.
        b_only: Items on which the second has more, sorted.
        both: How many of the others both get right, under more than half of their templates.
        neither: How many neither does.
    """

    a_only: NDArray[np.generic]
    b_only: NDArray[np.generic]
    both: int
    neither: int

    @property
    def p_value(self) -> float:
        """See `mcnemar_exact`."""
        return mcnemar_exact(len(self.a_only), len(self.b_only))


def wins(a: ArrayLike, b: ArrayLike, items: ArrayLike) -> Wins:
    """The items on which one model has more points than the other: with one template, is right where it is wrong.

    The unit is the item, not the answer: answers of one item to several templates depend on each other, so counting
    each as a pair makes McNemar's p-values too small. Nor does a majority of the templates decide an item, for one
    model may be right under half of them everywhere: no majority anywhere, and yet no worse.

    Args:
        a: (n,) points of the first model, in [0, 1], one per template and row.
        b: (n,) points of the second on the same templates and rows.
        items: (n,) labels of items.

    Example: three templates, of which a wins 2 and b wins 1 on the item "x": "x" is in `a_only`.
    """
    labels = np.unique(np.asarray(items))
    sums, counts = cluster_sums(np.stack([np.asarray(a, float), np.asarray(b, float)], axis=1), items)
    # Ties of choices share a point in thirds and the like: equal means equal but for rounding.
    first, second = sums.reshape(-1, 2).T
    more, less = first > second + 1e-9, second > first + 1e-9
    right = ~more & ~less & (first > counts / 2 + 1e-9)
    return Wins(labels[more], labels[less], int(right.sum()), int((~more & ~less & ~right).sum()))


def mcnemar_exact(a_only: int, b_only: int) -> float:
    """Two-sided exact p-value: of the items that one model gets right and the other wrong, each has half by chance.

    1 where there is no such item.

    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions",
    Psychometrika 12; the exact binomial form as in statsmodels' `mcnemar(exact=True)`.
    """
    if a_only + b_only == 0:
        return 1.0
    return float(stats.binomtest(a_only, a_only + b_only, 0.5).pvalue)
