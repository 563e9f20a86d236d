"""UniMax: positions as even among groups as a bound on repetition allows."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from mtft.errors import MixtureError

Numbers = npt.NDArray[np.float64]


def unimax(most: Sequence[float] | Numbers, budget: float) -> Numbers:
    """Each group's positions, (groups,) float64 summing to the budget and nowhere over `most`.

    From the smallest group to the largest, each takes an even part of what is left, or all that it may have;
    what it leaves goes evenly to the larger ones. So those below their bound have one and the same number.

    Example: groups of 2, 10 and 50 rows that may be met 3 times have at most 6, 30 and 150 positions. Of a
    budget of 60 the first takes 6 of its 20, the second 27 of the 54 left, the third 27.

    Args:
        most: Most positions of each group: its rows times the epochs allowed; infinity for any.
        budget: Positions in all.

    Raises:
        MixtureError: All groups together may not fill the budget.

    Source: Chung et al. 2023, arXiv 2304.09151, algorithm 1. Where all groups are exhausted, the paper
    normalises, so that the bound no longer holds; here that is refused.
    """
    limits = np.asarray(most, dtype=np.float64)
    if limits.sum() < budget * (1 - 1e-12):
        raise MixtureError(
            "UniMax must have enough rows for the positions asked for.",
            found=f"{budget:g} positions, at most {limits.sum():g} allowed",
            remedy="Raise `max_repetition`, or give fewer positions as `over`.",
        )
    result, left = np.zeros(len(limits)), float(budget)
    for rank, group in enumerate(np.argsort(limits, kind="stable").tolist()):
        result[group] = min(left / (len(limits) - rank), limits[group])
        left -= result[group]
    return result


def unimax_shares(base: Numbers, groups: Sequence[Hashable], most: Numbers, horizon: int) -> Numbers:
    """Each unit's share under UniMax over groups, (units,) float64 summing to 1.

    Within a group the units share by `base`; one that would be over its own bound keeps to it, and the others
    of the group have the rest.

    Args:
        base: (units,) relative within each group; zero for a unit that never occurs.
        groups: The group of each.
        most: (units,) most positions of each.
        horizon: Positions in all.

    Raises:
        MixtureError: The bounds do not leave enough positions.
    """
    members: dict[Hashable, list[int]] = {}
    for unit, group in enumerate(groups):
        if base[unit] > 0:
            members.setdefault(group, []).append(unit)
    budgets = unimax([most[units].sum() for units in members.values()], horizon)
    result = np.zeros(len(base))
    for units, budget in zip(members.values(), budgets.tolist(), strict=True):
        result[units] = filled(base[units], most[units], budget)
    total: float = result.sum()
    return result / total


def filled(base: Numbers, most: Numbers, budget: float) -> Numbers:
    """The budget dealt in proportion to `base`, nobody over `most`; the excess goes to the others in proportion.

    Example: a budget of 16 over `[1, 1]`, of which the first may have 4, is `[4, 12]`.
    """
    if budget >= most.sum():
        return most
    # In order of the level at which each is full: once one is not, none after it is.
    result, left, weight = np.zeros(len(base)), budget, float(base.sum())
    for unit in np.argsort(most / base, kind="stable").tolist():
        result[unit] = min(left * base[unit] / weight, most[unit])
        left, weight = left - result[unit], weight - base[unit]
    return result
