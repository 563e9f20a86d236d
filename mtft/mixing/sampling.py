"""Few-shot training: which items of a cell a mixture trains on, drawn by hash and evenly over strata.

Every item has a place in one order that depends on the seed and the items alone; a sample is a beginning of that
order, so a larger one holds every smaller one, and siblings that share items share them in their samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mtft.errors import MixtureError, nearest
from mtft.mixing.permutation import stable_key
from mtft.mixing.settings import Section
from mtft.tasks import Problems

if TYPE_CHECKING:
    from mtft.tasks import Row, Task

LABEL = "label"
MAX_STRATA = 1000
SAMPLE_KEYS = ("sample", "stratify", "sample_seed")


@dataclass(frozen=True)
class Sampling:
    """How many of a cell's items train; an item is all rows of one item group.

    Attributes:
        count: So many items, or all where there are fewer; None where `percent` says it.
        percent: So many of a hundred, at least one item.
        stratify: A column whose values share the sample in proportion, each with one item if there is room.
            `label`, where there is no such column, is the target under the first template.
        seed: Of the draw; None takes the mixture's.
    """

    count: int | None = None
    percent: float | None = None
    stratify: str | None = None
    seed: int | None = None

    @classmethod
    def parse(cls, text: str) -> Sampling:
        """What `32` (items) or `5%` means.

        Raises:
            MixtureError: It means nothing.
        """
        number = text.strip().removesuffix("%")
        try:
            made = cls(count=int(number)) if number == text.strip() else cls(percent=float(number))
        except ValueError:
            made = cls()
        made.check(found=f"`{text}`", where=None)
        return made

    @classmethod
    def read(cls, section: Section) -> Sampling | None:
        """What an entry of a mixture says with `sample`, `stratify` and `sample_seed`; None without `sample`.

        Raises:
            MixtureError: A value is out of range, or a key stands there without `sample`.
        """
        if "sample" not in section:
            for key in SAMPLE_KEYS[1:]:
                if key in section:
                    rule = f"`{key}` says how to draw a `sample`, which must be given too."
                    raise MixtureError(rule, where=section.where)
            return None
        size = Section(section.raw("sample"), f"{section.where}.sample", ("count", "percent"))
        made = cls(
            count=size.whole("count"),
            percent=size.number("percent"),
            stratify=section.text("stratify") if "stratify" in section else None,
            seed=section.whole("sample_seed", least=0),
        )
        made.check(found=section.raw("sample"), where=size.where)
        return made

    def check(self, *, found: object, where: str | None) -> None:
        """Checks the size.

        Raises:
            MixtureError: There is none, there are two, or it is out of range.
        """
        counted = self.percent is None and self.count is not None and self.count >= 1
        share = self.count is None and self.percent is not None and 0 < self.percent <= 100
        if not counted and not share:
            rule = "A sample must be a `count` of at least 1, or a `percent` above 0 and at most 100."
            raise MixtureError(rule, found=found, where=where)

    def size(self, items: int) -> int:
        """How many of so many items. Example: 1 percent of 250 is 2, of 20 it is 1."""
        if self.count is not None:
            return min(self.count, items)
        return min(items, max(1, round(items * (self.percent or 0.0) / 100)))

    def draw(self, strata: Mapping[str, str], seed: int) -> Sampled:
        """The sample of some items.

        Seats go to strata as in a parliament where every party has one first: the k-th item of a stratum of n
        follows all that have a smaller (k - 1/2) / n.

        Args:
            strata: Item → its stratum.
            seed: The mixture's.

        Source: Webster's method of odd divisors, which never takes a seat away when the house grows; Balinski
        and Young 1982, Fair Representation, chapter 8 and appendix A.
        """
        own = seed if self.seed is None else self.seed
        sizes = Counter(strata.values())
        filled: Counter[str] = Counter()
        order: list[tuple[bool, float, int, str]] = []
        for key, item in sorted((stable_key(own, item), item) for item in strata):
            place, n = filled[strata[item]], sizes[strata[item]]
            order.append((place > 0, (place + 0.5) / n, key, item))
            filled[strata[item]] += 1
        drawn = [item for *_, item in sorted(order)[: self.size(len(order))]]
        return Sampled(frozenset(drawn), dict(sizes), dict(Counter(strata[item] for item in drawn)))


@dataclass(frozen=True)
class Sampled:
    """What a sample took.

    Attributes:
        items: The item groups.
        sizes: Stratum → items there are.
        drawn: Stratum → items taken.
    """

    items: frozenset[str]
    sizes: dict[str, int] = field(default_factory=dict)
    drawn: dict[str, int] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """What the manifest says: `items`, `drawn` and, where there are several, both per stratum."""
        found: dict[str, Any] = {"items": sum(self.sizes.values()), "drawn": len(self.items)}
        if len(self.sizes) > 1:
            found["strata"] = {
                name: {"items": n, "drawn": self.drawn.get(name, 0)} for name, n in sorted(self.sizes.items())
            }
        return found


def sampled(sampling: Sampling, task: Task, rows: Iterable[Row], seed: int) -> Sampled:
    """The items of a cell that train.

    An item whose rows differ in the column stands in the first of their strata, so that it stays whole.

    Raises:
        MixtureError: The rows lack the column, or it has more than 1,000 values.
    """
    value = _stratum(sampling.stratify, task, seed)
    strata: dict[str, str] = {}
    for row in rows:
        found = value(row)
        strata[row.item_group] = min(strata.get(row.item_group, found), found)
    values = len(set(strata.values()))
    if values > MAX_STRATA:
        rule = f"A column to stratify by must have at most {MAX_STRATA:,} values."
        raise MixtureError(rule, found=f"{values:,} in `{sampling.stratify}`", where=task.key)
    return sampling.draw(strata, seed)


def _stratum(column: str | None, task: Task, seed: int) -> Callable[[Row], str]:
    def value(row: Row) -> str:
        if column is None:
            return ""
        if column in row.fields:
            return str(row.fields[column])
        if column == LABEL:
            template = task.templates[0] if task.templates else None
            example = task.render(row, template, Problems(), seed)
            return "" if example is None else example.target
        raise MixtureError(
            "A sample must be stratified by a column of the rows, or by `label`.",
            found=f"`{column}`",
            where=row.where,
            remedy=nearest(column, [*row.fields, LABEL]),
        )

    return value
