"""The answer a report opens with: on how many held-out cells the finetuned model generalises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mtft.reporting.records import CellKey, Comparison, Summary
from mtft.reporting.results import Results
from mtft.reporting.wording import HELD_OUT, LESS_IS_BETTER, POINTS, plural

YES_SHARE = 0.5
PARTLY_SHARE = 0.1
MIN_GAIN = 2.0
"""Points of 100 that a score without a chance level must gain over the base model before it counts."""
KINDS = tuple(HELD_OUT)


@dataclass(frozen=True)
class Judged:
    """One held-out cell of the finetuned model and what it beats; None where that was not measured."""

    row: Summary
    above_chance: bool | None
    above_base: bool | None
    counts: bool | None

    @property
    def generalises(self) -> bool | None:
        """Whether it beats everything it was measured against; None if there was nothing to beat.

        Where controls were run they decide; else chance and the base model do.
        """
        if self.counts is not None:
            return self.counts
        measured = [won for won in (self.above_chance, self.above_base) if won is not None]
        return all(measured) if measured else None


@dataclass(frozen=True)
class Tally:
    """Counts over the held-out cells of one kind.

    Attributes:
        cells: Cells with a score.
        chance, base, controls, generalise: (cells that beat it, cells where it was measured).
    """

    kind: str
    cells: int
    chance: tuple[int, int]
    base: tuple[int, int]
    controls: tuple[int, int]
    generalise: tuple[int, int]

    @property
    def verdict(self) -> str:
        """`yes`, `partly`, `no` or `not measured`, by the share of cells that generalise."""
        won, measured = self.generalise
        if not measured:
            return "not measured"
        if won >= YES_SHARE * measured:
            return "yes"
        return "partly" if won >= PARTLY_SHARE * measured else "no"


def judge(results: Results, model: str | None = None) -> tuple[Judged, ...]:
    """Every held-out cell that a model (the finetuned one) was scored on, in the report's order."""
    rows = (results.at(model or results.focus, key) for key in results.keys)
    return tuple(_judged(row, results) for row in rows if row and row.held_out and row.median is not None)


def control_of(results: Results, key: CellKey) -> Mapping[str, Any] | None:
    """The control experiments of one cell."""
    return next((row for row in results.controls_near(key) if is_about(row, key)), None)


def is_about(control: Mapping[str, Any], key: CellKey) -> bool:
    """Whether a control's row is about this cell; a part of the key that the row lacks matches any."""
    given = {name: control.get(name) or "" for name in CellKey._fields}
    return all(given[name] in ("", value) for name, value in key._asdict().items())


def _judged(row: Summary, results: Results) -> Judged:
    # Controls were run beside the finetuned model of one run.
    control = control_of(results, row.key) if row.model == results.focus and not results.rivals else None
    return Judged(
        row=row,
        above_chance=None if row.chance is None else row.above_chance,
        above_base=_beats_base(row, results),
        counts=bool(control["counts"]) if control and control.get("counts") is not None else None,
    )


def _beats_base(row: Summary, results: Results) -> bool | None:
    """By the interval of the gain; without a chance level, the gain must also be of `MIN_GAIN` points.

    A model that hardly answers at all scores next to nothing on free text, and any change of its output is
    then a difference that many items can establish: one word right is no generalisation.
    """
    base = results.at(results.base_of(row.model), row.key)
    if base is None or base.median is None or row.median is None:
        return None
    gain, low = _gain(row, base, results.comparison(row.key, row.model, base.model))
    points = gain if row.metric in POINTS else 100 * gain
    return low > 0 and (row.chance is not None or points >= MIN_GAIN)


def _gain(row: Summary, base: Summary, paired: Comparison | None) -> tuple[float, float]:
    """The gain over the base and its lower limit: paired where it is, else the cell's against the base's median."""
    median, bar = row.median or 0.0, base.median or 0.0
    limits = (row.low, row.high)
    found = [median - bar, *((median if limit is None else limit) - bar for limit in limits)]
    if paired is not None and paired.low is not None and paired.high is not None:
        found = [median - bar if paired.difference is None else paired.difference, paired.low, paired.high]
    if row.metric in LESS_IS_BETTER:
        return -found[0], -found[2]
    return found[0], found[1]


def _count(marks: Iterable[bool | None]) -> tuple[int, int]:
    measured = [mark for mark in marks if mark is not None]
    return sum(measured), len(measured)


def tally(judged: Iterable[Judged], kind: str = "all") -> Tally:
    """The counts over held-out cells, of one kind or of all."""
    cells = [cell for cell in judged if kind in ("all", cell.row.seen)]
    return Tally(
        kind=kind,
        cells=len(cells),
        chance=_count(cell.above_chance for cell in cells),
        base=_count(cell.above_base for cell in cells),
        controls=_count(cell.counts for cell in cells),
        generalise=_count(cell.generalises for cell in cells),
    )


def tallies(results: Results, model: str | None = None) -> list[Tally]:
    """Counts over all held-out cells of a model (the finetuned one), then per kind that occurs."""
    judged = judge(results, model)
    kinds = [kind for kind in KINDS if any(cell.row.seen == kind for cell in judged)]
    return [tally(judged), *(tally(judged, kind) for kind in kinds)]


def sentence(results: Results) -> str:
    """The answer in words, with its numbers."""
    total = tallies(results)[0]
    if results.focus is None:
        return "No model was scored."
    if not results.knows_training and results.summary:
        return f"{_above_chance(results)} What the model was finetuned on is not known here."
    if not total.cells:
        return "No held-out cell was scored, so this report cannot say whether the model generalises."
    parts = [
        f"{won:,} of {measured:,} beat {what}"
        for (won, measured), what in (
            (total.chance, "chance"),
            (total.base, "the base model"),
            (total.controls, "all controls"),
        )
        if measured
    ]
    if not parts:
        return f"{plural(total.cells, 'held-out cell')} had nothing to be compared with."
    won, measured = total.generalise
    verb = "generalises" if measured == 1 else "generalise"
    left = f"; {total.cells - measured:,} could not be measured" if total.cells > measured else ""
    return f"{won:,} of {plural(measured, 'held-out cell')} {verb}: {_listed(parts)}{left}."


def _above_chance(results: Results) -> str:
    """How many of all cells beat chance."""
    rows = [results.at(results.focus, key) for key in results.keys]
    won, measured = _count(row.above_chance for row in rows if row is not None and row.chance is not None)
    return f"{won} of {plural(measured, 'cell')} beat chance."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


CONTROLS = {
    "base": "base model",
    "shuffled": "shuffled labels",
    "bag_of_tokens": "bag of shared tokens",
    "chance": "chance",
}


def controls_run(results: Results) -> list[str]:
    """The controls that any cell has a score of."""
    return [name for name in CONTROLS if any(row.get(name) is not None for row in results.controls)]


def rule(results: Results) -> str:
    """How the verdict is reached, in words."""
    if any(row.get("counts") is not None for row in results.controls):
        names = ", ".join(CONTROLS[name] for name in controls_run(results) if name != "chance")
        against = (
            f"its 95 % interval lies above every control ({names}) and chance; where no controls were run, above "
            "chance and the base model as far as they are known"
        )
    else:
        against = (
            "its 95 % interval lies above chance (where there is a chance level) and it beats the base model"
        )
    return (
        f"A held-out cell generalises when {against}. “Yes” when at least {YES_SHARE:.0%} of the cells do, "
        f"“partly” from {PARTLY_SHARE:.0%}. A cell is one task in one language with the prompts of one "
        "language; its score is that of the median template."
    )
