"""From sizes to shares: caps, explicit weights, temperatures and the bound on repetition, as pure arithmetic.

Order of operations, each step a function below:

1. **size** of a unit (one language of one task). `unit: rows`: its rows; templates do not count, so adding
   one changes no share. `unit: examples`: its prompted rows, after the caps per template and per dataset.
2. **cap**: `min(size, cap)`.
3. **kind**. `proportional`: the capped size times the task's weight. `weights`: the task's weight, divided
   among its languages by capped size. `unimax`: as `proportional` within a group (a language, a cluster or a
   task); between groups as even as the maximum repetition allows.
4. **task temperature** within a cluster: `(task's total) ** (1 / T)`, the cluster's total kept; not with
   `weights`, which fix the totals.
5. **language temperature** within a block, likewise. A block is a cluster (`proportional`), a task
   (`weights`) or UniMax's group.
6. **cluster temperature** over all: `(cluster's total) ** (1 / T)`; not with `weights`.
7. **maximum repetition** over a horizon of positions: no unit is met more than that many times per row; what
   it gives up goes to the others in proportion; with `unimax`, evenly to the other groups.
8. **quantised** to integers for the schedule.

Temperature 1 changes nothing, a large one evens out.

Source: seqio `mixing_rate_num_examples` (scale, maximum, temperature); Raffel et al. 2020, arXiv 1910.10683,
section 3.5.2. Prompted rows under a cap per template: Muennighoff et al. 2023 (xP3), arXiv 2211.01786; under
one per dataset: Sanh et al. 2022 (P3), arXiv 2110.08207. Step 7 as a bound on epochs: Chung et al. 2023
(UniMax), arXiv 2304.09151.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from mtft.errors import MixtureError
from mtft.mixing.annealing import TEMPERATURES, Annealing
from mtft.mixing.unimax import unimax_shares

Shares = npt.NDArray[np.float64]

Kind = Literal["proportional", "weights", "unimax"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Grouping = Literal["language", "cluster", "task"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
Measure = Literal["rows", "examples"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
RESOLUTION = 2**30
# the temperatures that act within one of UniMax's groups
WITHIN_UNIMAX: dict[Grouping, tuple[str, ...]] = {
    "language": (),
    "cluster": ("temperature_language", "temperature_task"),
    "task": ("temperature_language",),
}


@dataclass(frozen=True)
class Rates:
    """How the units of a mixture share its positions.

    Attributes:
        kind: `proportional` to capped sizes times weights, by `weights` alone, or `unimax`.
        cap: Largest size that counts; None for any.
        temperature_language: Temperature among the languages of a block.
        temperature_cluster: Temperature among the clusters.
        max_repetition: Most times that a row is met within the horizon; None for any.
        unit: What a size counts: `rows`, or prompted `examples`.
        cap_per_template: Examples: most that count of one template on one split; None for any.
        cap_per_dataset: Examples: of a unit with more rows than this, each template counts that many divided
            by the number of its templates, rounded down; None for any.
        temperature_task: Temperature among the tasks of a cluster.
        unimax_by: UniMax's groups: `language`, `cluster` or `task`.
        anneal: Temperatures that change along the run, in place of constant ones; None for none.
        over: Positions over which bounds on repetition hold; None for one pass. `anneal` has its own.

    Raises:
        MixtureError: A value is out of range, `weights` comes with a task or cluster temperature, a cap on
            examples comes with rows, UniMax lacks a maximum repetition or comes with a temperature that its
            groups leave no place for, or annealing comes with a bound on repetition or with `over` outside it.
    """

    kind: Kind = "proportional"
    cap: int | None = None
    temperature_language: float = 1.0
    temperature_cluster: float = 1.0
    max_repetition: float | None = None
    unit: Measure = "rows"
    cap_per_template: int | None = None
    cap_per_dataset: int | None = None
    temperature_task: float = 1.0
    unimax_by: Grouping = "language"
    anneal: Annealing | None = None
    over: int | None = None

    def __post_init__(self) -> None:
        caps = (self.cap, self.cap_per_template, self.cap_per_dataset, self.over)
        temperatures = (self.temperature_language, self.temperature_cluster, self.temperature_task)
        positive = (*caps, *temperatures, self.max_repetition)
        known = self.kind in KINDS and self.unit in MEASURES
        if not known or any(value is not None and not value > 0 for value in positive):
            raise MixtureError(
                f"Rates must be of a kind among {', '.join(KINDS)} and a unit among {', '.join(MEASURES)}, "
                "with positive numbers.",
                found=self,
            )
        if self.unit == "rows" and (self.cap_per_template or self.cap_per_dataset):
            raise MixtureError(
                "Caps per template and per dataset count prompted examples.",
                found="unit: rows",
                remedy="Give `unit: examples`.",
            )
        self._check_temperatures()
        self._check_unimax()
        if self.anneal is not None and (self.max_repetition is not None or self.kind == "unimax"):
            raise MixtureError(
                "A bound on repetition holds over rates that stay the same, so it goes without `anneal`.",
                found=f"kind: {self.kind}, max_repetition: {self.max_repetition}",
                remedy="Give `cap`, or drop one of the two.",
            )
        if self.anneal is not None and self.over is not None:
            raise MixtureError(
                "What `anneal` goes over stands in `anneal`.",
                found=f"over: {self.over}",
                remedy="Give `over` there.",
            )

    @property
    def changing(self) -> dict[str, Any]:
        """The temperatures that are not 1: a constant, or the values of `anneal`."""
        annealed = {} if self.anneal is None else self.anneal.values
        constant = {name: getattr(self, name) for name in TEMPERATURES if getattr(self, name) != 1.0}
        return {**constant, **annealed}

    def as_dict(self) -> dict[str, Any]:
        """The rules as plain data; those of UniMax, of annealing and `over` only where they are used."""
        content = asdict(self)
        if self.kind != "unimax":
            del content["unimax_by"]
        if self.over is None:
            del content["over"]
        if self.anneal is None:
            del content["anneal"]
        else:
            content["anneal"] = self.anneal.as_dict()
        return content

    def _check_temperatures(self) -> None:
        for name, value in self.changing.items():
            if self.kind == "weights" and name != "temperature_language":
                raise MixtureError(
                    f"Explicit weights fix the totals, so they go without a {name.partition('_')[2]} temperature.",
                    found=f"kind: weights, {name}: {value}",
                )
            if self.anneal is not None and name in self.anneal.values and getattr(self, name) != 1.0:
                raise MixtureError(
                    f"`{name}` is constant or annealed, not both.",
                    found=f"{name}: {getattr(self, name)}, anneal.{name}: {list(value)}",
                )

    def _check_unimax(self) -> None:
        if self.unimax_by not in GROUPINGS or (self.kind != "unimax" and self.unimax_by != "language"):
            raise MixtureError(
                f"`unimax_by` must be one of {', '.join(GROUPINGS)}, with `kind: unimax`.",
                found=f"kind: {self.kind}, unimax_by: {self.unimax_by}",
            )
        if self.kind != "unimax":
            return
        if self.max_repetition is None:
            raise MixtureError(
                "UniMax must know how often a row may be met.",
                found="kind: unimax without max_repetition",
                remedy="Give `max_repetition`.",
            )
        free = WITHIN_UNIMAX[self.unimax_by]
        if refused := [name for name in self.changing if name not in free]:
            raise MixtureError(
                f"UniMax over each {self.unimax_by} goes with "
                f"{' and '.join(free) if free else 'no temperature'}: the others would change its even shares.",
                found=f"{refused[0]}: {self.changing[refused[0]]}",
            )


@dataclass(frozen=True)
class Unit:
    """What the arithmetic needs to know of one language of one task.

    Attributes:
        rows: Its rows.
        task: The task it belongs to.
        cluster: The task's cluster.
        language: Its language.
        weight: The task's explicit weight.
        max_repetition: The task's own bound, over the mixture's.
        prompted: Its prompted rows, of each template on each split.
        templates: How many templates it has.
    """

    rows: int
    task: str
    cluster: str
    language: str
    weight: float = 1.0
    max_repetition: float | None = None
    prompted: tuple[int, ...] = ()
    templates: int = 1


def size_of(unit: Unit, rates: Rates) -> int:
    """What a unit's size is before the overall cap.

    Example: 1,000 rows under 4 templates are 1,000 rows; as examples 4,000; with at most 300 per template
    1,200; with 600 per dataset 4 x (600 // 4) = 600, and with 2,000 per dataset 4,000, since 1,000 rows are
    not more.
    """
    if rates.unit == "rows":
        return unit.rows
    most = [] if rates.cap_per_template is None else [rates.cap_per_template]
    if rates.cap_per_dataset is not None and unit.rows > rates.cap_per_dataset:
        most.append(rates.cap_per_dataset // unit.templates)
    return sum(min(count, *most) if most else count for count in unit.prompted)


def shares(units: Sequence[Unit], rates: Rates, *, horizon: int | None = None) -> Shares:
    """Each unit's share of the positions, (units,) float64 summing to 1; zero for a unit without rows.

    Args:
        units: The units.
        rates: The rules; what they say of annealing is left to `phases_of`.
        horizon: Positions over which the maximum repetition is held; by default what `horizon_of` says.

    Raises:
        MixtureError: No unit has rows, or the horizon is too long for the maximum repetition.
    """
    sizes = np.array([size_of(unit, rates) for unit in units], dtype=np.float64)
    if not sizes.sum() > 0:
        raise MixtureError("A mixture must have at least one row to train on.", found="none")
    weights = np.array([unit.weight for unit in units])
    result = capped(sizes, rates.cap)
    blocks = [getattr(unit, _block(rates)) for unit in units]
    result = weights * within(result, blocks) * (sizes > 0) if rates.kind == "weights" else result * weights
    result = tempered(result, [unit.task for unit in units], rates.temperature_task, blocks=blocks)
    languages = [(block, unit.language) for block, unit in zip(blocks, units, strict=True)]
    result = tempered(result, languages, rates.temperature_language, blocks=blocks)
    result = tempered(result, [unit.cluster for unit in units], rates.temperature_cluster)
    most = most_positions(units, rates)
    length = horizon_of(units, rates) if horizon is None else horizon
    if rates.kind == "unimax":
        return unimax_shares(result, blocks, most, length)
    return bounded(result / result.sum(), most, length)


def capped(sizes: Shares, cap: int | None) -> Shares:
    """`min(size, cap)`. Example: `[10, 300]` capped at 100 is `[10, 100]`."""
    return sizes if cap is None else np.minimum(sizes, cap)


def totals(values: Shares, groups: Sequence[Hashable]) -> Shares:
    """For each element, the sum over its group. Example: `[1, 2, 3]` in groups `a a b` is `[3, 3, 3]`."""
    index = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    inverse = np.array([index[group] for group in groups], dtype=np.int64)
    sums = np.bincount(inverse, weights=values, minlength=len(index))
    return np.asarray(sums[inverse], dtype=np.float64)


def within(values: Shares, groups: Sequence[Hashable]) -> Shares:
    """Each element's share of its group; zero where the group's sum is."""
    sums = totals(values, groups)
    return np.divide(values, sums, out=np.zeros_like(values), where=sums > 0)


def tempered(
    values: Shares,
    groups: Sequence[Hashable],
    temperature: float,
    *,
    blocks: Sequence[Hashable] | None = None,
) -> Shares:
    """The values with each group's total raised to 1 / temperature, and each block's total kept.

    Example: values `[16, 3, 1]` in groups `a b b` have totals 16 and 4; at temperature 2 these become 4 and
    2, scaled back to 20 in all: `[13.33, 5, 1.67]`.

    Args:
        values: (units,) float64.
        groups: The group of each.
        temperature: Above zero.
        blocks: The block of each; a group lies within one block. By default one block holds all.
    """
    if temperature == 1.0:
        return values
    sums = totals(values, groups)
    raised = within(values, groups) * np.power(sums, 1.0 / temperature)
    around = blocks if blocks is not None else [0] * len(values)
    return within(raised, around) * totals(values, around)


def bounded(share: Shares, most: Shares, horizon: int) -> Shares:
    """The shares with no unit over `most` of `horizon` positions; the excess goes to the others in
    proportion.

    Example: shares `[.5, .5]` of 16 positions, of which the first may have 4, become `[.25, .75]`.

    Args:
        share: (units,) summing to 1.
        most: (units,) most positions of each; infinity for any.
        horizon: Positions in all.

    Raises:
        MixtureError: All together may not fill the horizon.
    """
    if most[share > 0].sum() < horizon:
        raise MixtureError(
            "The maximum repetition must leave enough rows for the positions asked for.",
            found=f"{horizon} positions, at most {int(most[share > 0].sum())} allowed",
            remedy="Raise `max_repetition`, or give fewer positions as `over`.",
        )
    limit, full = most / horizon, np.zeros(len(share), dtype=bool)
    result = share
    while (over := (result > limit * (1 + 1e-12)) & ~full).any():
        full |= over
        free = np.where(full, 0.0, share)
        left = 1.0 - limit[full].sum()
        result = np.where(full, limit, free * (left / free.sum() if free.sum() > 0 else 0.0))
    return result


def quantised(share: Shares) -> npt.NDArray[np.int64]:
    """The schedule's exact weights: integers of sum about 2**30, at least 1 where a share is positive."""
    weights = np.rint(share * RESOLUTION).astype(np.int64)
    return np.where(share > 0, np.maximum(weights, 1), 0)


def horizon_of(units: Sequence[Unit], rates: Rates) -> int:
    """Positions over which the maximum repetition is held: `over`, or one pass, as many as there are rows."""
    return sum(unit.rows for unit in units) if rates.over is None else rates.over


def most_positions(units: Sequence[Unit], rates: Rates) -> Shares:
    """Each unit's rows times its maximum repetition, (units,) float64; infinity where it has none."""
    rows = np.array([unit.rows for unit in units], dtype=np.float64)
    own = [rates.max_repetition if unit.max_repetition is None else unit.max_repetition for unit in units]
    return np.array([np.inf if times is None else times for times in own]) * np.maximum(rows, 1e-9)


def refuse_bounded_annealing(units: Sequence[Unit]) -> None:
    """Refuse a task's own bound on repetition where rates change.

    Raises:
        MixtureError: A task has one.
    """
    for unit in units:
        if unit.max_repetition is not None:
            raise MixtureError(
                "A bound on repetition holds over rates that stay the same, so it goes without `anneal`.",
                found=f"task {unit.task}, max_repetition: {unit.max_repetition:g}",
            )


def _block(rates: Rates) -> str:
    """What a unit's temperatures per task and language keep the total of."""
    return {"proportional": "cluster", "weights": "task", "unimax": rates.unimax_by}[rates.kind]
