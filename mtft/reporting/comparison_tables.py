"""Paired comparisons of models as tables: differences, p-values, and items where one wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mtft.reporting.headline import tallies
from mtft.reporting.levels import gained
from mtft.reporting.records import Comparison
from mtft.reporting.results import Results, reversed_comparison
from mtft.reporting.tables import PLACE, Cell, Table, key_order, place_cells, plain_table, score_cell, trimmed
from mtft.reporting.wording import NOTHING, Scales, metric_name, whole

LEVEL = 0.05


@dataclass(frozen=True)
class Score:
    """In how many cells one model beats another, by Holm-corrected paired tests at 5 %."""

    a: str
    b: str
    a_wins: int
    b_wins: int
    undecided: int

    @property
    def cells(self) -> int:
        """Cells that were compared."""
        return self.a_wins + self.b_wins + self.undecided


def pairs_of(results: Results) -> list[tuple[str, str]]:
    """The pairs (later, earlier) of models that a page about several runs compares."""
    names = results.rivals
    return [(a, b) for at, b in enumerate(names) for a in names[at + 1 :]]


def rows_of(results: Results, a: str, b: str) -> list[Comparison]:
    """The comparisons a - b of primary metrics, by task and language."""
    primary = {(key.task, key.metric) for key in results.keys}
    found = [
        row if row.a == a else reversed_comparison(row)
        for row in results.comparisons
        if {row.a, row.b} == {a, b}
    ]
    shown = [row for row in found if (row.task, row.metric) in primary and row.difference is not None]
    return sorted(shown, key=lambda row: key_order(results, row.key))


def p_of(row: Comparison) -> float | None:
    """The corrected p-value where there is one, else the plain one."""
    return row.p_holm if row.p_holm is not None else row.p_value


def decided(row: Comparison) -> bool:
    """Whether the difference is shown at the 5 % level."""
    p = p_of(row)
    return p is not None and p < LEVEL


def score(results: Results, a: str, b: str) -> Score:
    """The count of cells that either model wins."""
    rows = rows_of(results, a, b)
    won = sum(decided(row) and gained(row) > 0 for row in rows)
    lost = sum(decided(row) and gained(row) < 0 for row in rows)
    return Score(a, b, won, lost, len(rows) - won - lost)


def comparisons(results: Results, scales: Scales, a: str, b: str) -> Table:
    """Every cell of a pair of models: both scores, the difference with its interval, p-values, single wins."""
    rows = [_row(results, scales, row) for row in rows_of(results, a, b)]
    columns = (*PLACE, "metric", b, a, "difference", "95 % interval", "p", "p, Holm")
    more = ("McNemar p", "McNemar p, Holm", f"items to {a}", f"items to {b}", "pairs")
    note = (
        "Scores are those of the median template; the difference is paired on the same items and averaged over "
        "templates, items clustered. Holm corrects over all cells of the pair and metric. An item goes to the "
        "model that is right under more of its templates."
    )
    made = plain_table(f"comparison-{a}-{b}", f"{a} against {b}", (*columns, *more), rows, note)
    return trimmed(made, "prompts in", "p", "p, Holm", *more)


def _row(results: Results, scales: Scales, row: Comparison) -> tuple[Cell, ...]:
    sides = [results.at(name, row.key) for name in (row.b, row.a)]
    tone = ("good" if gained(row) > 0 else "bad") if decided(row) else ""
    interval = f"{scales.signed(row.metric, row.low)} to {scales.signed(row.metric, row.high)}"
    known = row.low is not None and row.high is not None
    return (
        *place_cells(results, row.key),
        Cell(metric_name(row.metric)),
        *(score_cell(scales, row.metric, side.median if side else None) for side in sides),
        Cell(scales.signed(row.metric, row.difference), row.difference, tone),
        Cell(interval, row.low) if known else Cell(NOTHING),
        *(p_cell(p) for p in (row.p_value, row.p_holm, row.mcnemar_p, row.mcnemar_p_holm)),
        *(Cell(whole(n), n) for n in (row.a_only, row.b_only, row.n)),
    )


def p_cell(p: float | None) -> Cell:
    """A p-value, never as zero."""
    if p is None:
        return Cell(NOTHING)
    return Cell("< 0.001" if p < 0.001 else f"{p:.3f}", p)


def verdicts(results: Results) -> Table:
    """For every compared run the answer of its own report: held-out cells that generalise."""
    rows = []
    for name in results.rivals:
        total = tallies(results, name)[0]
        shares = (total.chance, total.base, total.controls, total.generalise)
        cells = [Cell(f"{w} of {m}", w / m) if m else Cell(NOTHING) for w, m in shares]
        rows.append((Cell(name), Cell(str(total.cells), total.cells), *cells, Cell(total.verdict)))
    columns = (
        "run",
        "held-out cells",
        "beat chance",
        "beat base",
        "beat all controls",
        "generalise",
        "verdict",
    )
    return trimmed(plain_table("verdicts", "Held-out cells", columns, rows), "beat base", "beat all controls")


def sentence(results: Results, pairs: Sequence[tuple[str, str]]) -> str:
    """The comparison in words."""
    parts = []
    for a, b in pairs:
        found = score(results, a, b)
        if not found.cells:
            parts.append(f"{a} and {b} share {len(results.keys)} cells, with no paired test.")
            continue
        parts.append(
            f"{a} is better than {b} in {found.a_wins} of {found.cells} cells, worse in {found.b_wins}; "
            f"in {found.undecided} the data cannot tell."
        )
    return " ".join(parts)
