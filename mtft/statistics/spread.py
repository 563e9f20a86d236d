"""How values spread: over the templates of a cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Spread(NamedTuple):
    """Five numbers of a set of values, and how many there were.

    Attributes:
        minimum: The least.
        q1: A quarter lies below.
        median: Half lies below.
        q3: Three quarters lie below.
        maximum: The greatest.
        n: How many.
    """

    minimum: float
    q1: float
    median: float
    q3: float
    maximum: float
    n: int


def spread(values: ArrayLike) -> Spread:
    """The spread of the values that are numbers; all nan without one.

    Quartiles are interpolated between order statistics, as in numpy's and R's default.

    Example: [1, 2, 3, 4, 10] gives 1, 2, 3, 4, 10.

    Source: Hyndman & Fan 1996, "Sample quantiles in statistical packages", The American Statistician 50,
    definition 7.
    """
    given = np.asarray(values, dtype=np.float64)
    finite = given[np.isfinite(given)]
    if not len(finite):
        nan = float("nan")
        return Spread(nan, nan, nan, nan, nan, 0)
    low, q1, middle, q3, high = np.quantile(finite, [0, 0.25, 0.5, 0.75, 1]).tolist()
    return Spread(low, q1, middle, q3, high, len(finite))
