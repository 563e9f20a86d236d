"""What a heat map shows: one model's cells, and what their colour is measured from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from mtft.reporting.headline import control_of
from mtft.reporting.levels import against_base, against_chance
from mtft.reporting.records import Summary
from mtft.reporting.results import Results
from mtft.reporting.wording import Scales

Place = tuple[str, str, str, str]
"""Task, language, configuration and prompt language: where examples belong."""
Level = Callable[[Summary], int | None]
CHANCE, BASE = "chance", "the base model"


@dataclass(frozen=True)
class HeatMap:
    """What one heat map shows: a model's rows, how they are coloured, and the words for it."""

    results: Results
    scales: Scales
    model: str
    rows: tuple[Summary, ...]
    level: Level
    zero: str
    title: str
    anchors: Mapping[Place, str] = field(default_factory=dict)

    @property
    def caption(self) -> str:
        """What the numbers and the colours are, in one sentence."""
        return f"Score of the median template of {self.model}, coloured by its distance from {self.zero}"

    @property
    def tasks(self) -> list[str]:
        """Columns: trained clusters first."""
        return sorted({row.task for row in self.rows}, key=self.results.task_order)

    @property
    def languages(self) -> list[str]:
        """Rows: trained languages first."""
        return sorted({row.language for row in self.rows}, key=self.results.language_order)


def chance_map(
    results: Results, scales: Scales, model: str, anchors: Mapping[Place, str] | None = None
) -> HeatMap:
    """The cells that have a chance level, coloured against it; `anchors` are ids of the cells' examples."""
    rows = tuple(row for row in _rows(results, model) if row.chance is not None)
    title = "Choices and rankings, against chance"
    return HeatMap(results, scales, model, rows, against_chance, CHANCE, title, anchors or {})


def gain_map(
    results: Results, scales: Scales, model: str, anchors: Mapping[Place, str] | None = None
) -> HeatMap:
    """The cells without a chance level, coloured by their gain over the base model."""
    rows = tuple(row for row in _rows(results, model) if row.chance is None)

    def level(row: Summary) -> int | None:
        comparison = results.comparison(row.key) if model == results.focus else None
        base = results.at(results.base, row.key) if model != results.base else None
        return against_base(row, base, comparison, scales)

    against = results.base if results.rivals and results.base else BASE
    title = f"Generated answers, against {against}"
    return HeatMap(results, scales, model, rows, level, against, title, anchors or {})


def _rows(results: Results, model: str) -> Iterable[Summary]:
    return (row for row in (results.at(model, key) for key in results.keys) if row is not None)


def counts(heat: HeatMap, row: Summary) -> bool:
    """Whether a held-out cell beats every control."""
    if heat.model != heat.results.focus or not row.held_out or heat.results.rivals:
        return False
    control = control_of(heat.results, row.key)
    return bool(control and control.get("counts"))
