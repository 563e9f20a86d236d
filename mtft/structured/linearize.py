"""Tables as text, in styles that are named and versioned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mtft.errors import StructureError, nearest
from mtft.structured.budget import TokenBudget, fit, note_drops
from mtft.structured.linearizers.key_value import KEY_VALUE
from mtft.structured.linearizers.natural import NATURAL
from mtft.structured.linearizers.plan import Linearizer
from mtft.structured.linearizers.quick import quick
from mtft.structured.linearizers.row_wise import ROW_WISE
from mtft.structured.linearizers.totto import TOTTO, TOTTO_FULL
from mtft.structured.linearizers.triples import TRIPLES
from mtft.structured.linearizers.unified import UNIFIED
from mtft.structured.table import Table

LINEARIZERS: dict[str, Linearizer] = {
    style.name: style for style in (UNIFIED, TOTTO, TOTTO_FULL, TRIPLES, KEY_VALUE, ROW_WISE, NATURAL)
}
# Part of the fingerprint of templates that linearise: changes when any style does.
VERSION = " ".join(f"{style.name}-{style.version}" for style in LINEARIZERS.values())


@dataclass(slots=True)
class Linearized:
    """A table as text; not frozen, which would cost a tenth of a small table's time.

    Attributes:
        text: The text.
        dropped: What the budget left out, by role: `cell`, `context_cell` (one not highlighted, in a table with
            highlights), `header` (one that heads nothing), or a title's role.
        omitted: What the style leaves out by its nature, by role: cells that are not highlighted, and section
            texts in ToTTo's own format.
        tokens: The text's tokens, where there was a budget.
    """

    text: str
    dropped: Counter[str] = field(default_factory=Counter)
    omitted: Counter[str] = field(default_factory=Counter)
    tokens: int | None = None


def linearizer(style: str) -> Linearizer:
    """The style of this name.

    Raises:
        StructureError: There is none.
    """
    if style not in LINEARIZERS:
        rule = "A linearisation style must be a known one."
        raise StructureError(rule, found=f"`{style}`", remedy=nearest(str(style), LINEARIZERS))
    return LINEARIZERS[style]


def linearize(table: Table, style: str = "unified", budget: TokenBudget | None = None) -> Linearized:
    """The table as text in a style, within a budget where one is given.

    Args:
        table: The table.
        style: A name of `LINEARIZERS`.
        budget: How long the text may be; None for as long as it is.

    Raises:
        StructureError: The style is unknown, the table has too many headers, or the budget is too small for
            the style's frame.
    """
    if style == "unified" and budget is None and (made := quick(table)) is not None:
        return Linearized(made[0], Counter(), made[1])
    plan = linearizer(style).plan(table)
    omitted = Counter(plan.omitted())
    if budget is None:
        return Linearized(plan.text(), omitted=omitted)
    fitted = fit(plan, budget)
    return Linearized(fitted.text, fitted.dropped, omitted, fitted.tokens)


def tags(*styles: str) -> tuple[str, ...]:
    """Every tag that the styles may write, each once; of all styles where none is named.

    Raises:
        StructureError: A style is unknown.
    """
    chosen = [linearizer(style) for style in styles or LINEARIZERS]
    return tuple(dict.fromkeys(tag for style in chosen for tag in style.tags))


def linearized_text(table: Any, style: Any = "unified", budget: Any = None) -> str:
    """What the filter `linearize` of templates gives: the text of a table or of its plain data.

    Args:
        table: A `Table`, or what `Table.as_dict` gives.
        style: A name of `LINEARIZERS`.
        budget: The most tokens, by `estimated_tokens`, since a template knows no tokenizer; None for no limit.

    Raises:
        StructureError: It is no table, the style is unknown, or the budget is not a number or too small.
    """
    limit = None if budget is None else TokenBudget(budget)
    if not isinstance(style, str):
        raise StructureError("A linearisation style must be a name.", found=type(style).__name__)
    plan = linearizer(style).plan(as_table(table))
    if limit is None:
        return plan.text()
    fitted = fit(plan, limit)
    note_drops(fitted.dropped)
    return fitted.text


def as_table(value: Any) -> Table:
    """The table that a row's column holds: a `Table`, or its plain data as JSON and Arrow give it back.

    Raises:
        StructureError: It is neither.
    """
    if isinstance(value, Table):
        return value
    if not isinstance(value, Mapping):
        raise StructureError("A table must be a `Table` or its plain data.", found=type(value).__name__)
    table = Table.from_dict({name: part for name, part in value.items() if part is not None})
    for text in [text for title in table.titles for text in (title.role, title.text)]:
        if not isinstance(text, str):
            raise StructureError("A table's titles must be text.", found=repr(text)[:60])
    return table
