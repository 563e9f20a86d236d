"""Whether a bound on repetition still holds where positions go beyond those that it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mtft.errors import ConfigError

if TYPE_CHECKING:
    from mtft.mixing.mixture import Mixture


def beyond_bound(
    mixture: Mixture, n_positions: int, units: npt.NDArray[np.int64] | None = None
) -> ConfigError | None:
    """What is wrong with going so far: the rows that are repeated most over their bound. None where nothing is.

    Up to the horizon the rates themselves keep the bounds, but for the row or two of a unit that the schedule may
    be ahead of its rate.

    Args:
        mixture: The mixture.
        n_positions: How many of its first positions are met.
        units: (n,) numbers of those that count; None for all.
    """
    if n_positions <= mixture.horizon:
        return None
    counts, most = mixture.schedule.counts(n_positions), mixture.most
    over = counts > most * (1 + 1e-12)
    if units is not None:
        over &= np.isin(np.arange(len(over)), units)
    if not over.any():
        return None
    worst = int(np.argmax(np.where(over, counts / np.maximum(most, 1e-9), 0)))
    unit, rows = mixture.built.shards[worst].summary.unit, mixture.sizes[worst]
    return ConfigError(
        "`max_repetition` must be kept over all positions of a run.",
        found=f"{n_positions:,} positions, rates that keep it over {mixture.horizon:,}: each row of {unit} comes "
        f"{counts[worst] / rows:.1f} times, at most {most[worst] / rows:g} allowed",
        where=mixture.built.spec.path,
        remedy=_remedy(n_positions, most[mixture.shares > 0].sum()),
    )


def _remedy(n_positions: int, allowed: float) -> str:
    """`over` where rates can keep the bounds so far, else what is left."""
    if n_positions <= allowed:
        return f"Give `over: {n_positions}` under `rates` of the mixture, or train fewer steps."
    return (
        f"All rows together may come {int(allowed):,} times: train fewer steps (with `over` under `rates`), "
        "or raise `max_repetition`."
    )
