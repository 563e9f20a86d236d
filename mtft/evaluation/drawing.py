"""The examples of one cell: items drawn by their group, rendered with every template."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mtft.errors import SourceError, StructureError
from mtft.evaluation.cells import Asked
from mtft.evaluation.examples import EvalCell, EvalExample, Shortening
from mtft.evaluation.fewshot import ShotPool
from mtft.evaluation.scorers import SCORERS, unscorable_reason
from mtft.mixing.row_texts import text_columns, texts_of
from mtft.structured import Table
from mtft.structured.linearize import as_table
from mtft.tasks.division import Side, draw_groups, fraction
from mtft.tasks.records import Row
from mtft.tasks.task import PROMPTED

if TYPE_CHECKING:
    from mtft.prompting import Template
    from mtft.tasks import Problems, Sources, Task


_RANKED = frozenset({"ndcg", "roc_auc"})  # their items are queries, kept whole
logger = logging.getLogger(__name__)

TABLE_COLUMN = "table"


def drawn(rows: Iterable[Row], count: int | None, *, whole_groups: bool = False) -> list[Row]:
    """At most `count` rows, by hash of their item group: languages, templates and models share what is drawn.

    Args:
        rows: The rows of one cell.
        count: Most rows, or most groups; None for all.
        whole_groups: Count groups and keep them whole, as a ranking's queries must be.
    """
    ordered = sorted(rows, key=lambda row: (fraction("draw", row.item_group), row.item_group, row.row_id))
    if count is None:
        return ordered
    if whole_groups:
        kept = draw_groups((row.item_group for row in ordered), count)
        return [row for row in ordered if row.item_group in kept]
    return ordered[:count]


def reachable_examples(
    cells: Iterable[tuple[Asked, EvalCell]], side: Side, sources: Sources, problems: Problems, *, seed: int
) -> list[EvalExample]:
    """The examples of all cells; one whose rows cannot be reached is counted in `problems` and named in the log.

    Raises:
        SourceError: The rows of none can be reached.
        SuiteError: There are no rows to take shots from.
    """
    found: list[EvalExample] = []
    missing: list[SourceError] = []
    for asked, cell in cells:
        try:
            found += cell_examples(asked, cell, side, sources, problems, seed=seed)
        except SourceError as error:
            logger.warning("%s is not evaluated: %s", asked.task.key, error)
            problems.add("unreachable_source", cell.task, cell.config, str(error))
            missing.append(error)
    if missing and not found:
        raise missing[0]
    return found


def cell_examples(
    asked: Asked, cell: EvalCell, side: Side, sources: Sources, problems: Problems, *, seed: int
) -> list[EvalExample]:
    """The cell's rows under each of its templates.

    Rows that cannot be rendered, and examples that no model could be scored on, are counted in `problems`;
    the latter stay, and count as unscored.

    Raises:
        SuiteError: There are no rows to take shots from.
    """
    task = asked.task
    found_rows = (
        task.split_rows(asked.splits, sources, problems)
        if asked.splits
        else task.rows(side, sources, problems)
    )
    rows = drawn(found_rows, asked.max_items, whole_groups=bool(_RANKED & set(cell.metrics)))
    if not rows and cell.seen == "seen":
        problems.note("empty_cell", task.name, task.config)  # such as word lists, which only train
    elif not rows:
        problems.add("empty_cell", task.name, task.config, f"no {side} rows in {task.language}")
    pool = ShotPool(task, asked.shots, sources, problems, seed) if rows and asked.shots.count else None
    columns = text_columns(task)
    texts = [texts_of(row.fields, columns) for row in rows]  # shared by all templates
    found = []
    for template in asked.templates:
        name = template.name if template is not None else PROMPTED
        for row, own in zip(rows, texts, strict=True):
            table = _table_of(row, cell, problems)
            example = task.render(row, template, problems, seed)
            if example is None:
                continue
            for metric in cell.metrics:
                if reason := unscorable_reason(example, SCORERS[metric], table):
                    problems.add("unscorable", task.name, row.where, f"{reason} (template `{name}`)")
            shots = pool.of(example, template) if pool else ()
            slices = _slices_of(row, task.card.slices)
            shortening = _shortening(task, row, template, seed)
            found.append(EvalExample(example, name, cell, table, shots, slices, shortening, texts=own))
    return found


def _shortening(task: Task, row: Row, template: Template | None, seed: int) -> Shortening | None:
    """How the row's prompt can lose a part of its column; None where the card names none for the template."""
    if template is None or task.truncatable(template) is None:
        return None
    return Shortening(task, row, template, seed)


def _slices_of(row: Row, columns: Iterable[str]) -> dict[str, str]:
    """The row's values in these columns; a row that lacks one is in no slice of it."""
    return {name: str(row.fields[name]) for name in columns if row.fields.get(name) is not None}


def _table_of(row: Row, cell: EvalCell, problems: Problems) -> Table | None:
    """The table in the row's column `table`, where a scorer of the cell looks at it; None if it has none.

    One that breaks a rule is counted in `problems`, and is none.
    """
    value = row.fields.get(TABLE_COLUMN)
    if value is None or not any(SCORERS[metric].kinds for metric in cell.metrics):
        return None
    try:
        return as_table(value)
    except StructureError as error:
        problems.add("malformed_table", cell.task, row.where, f"{error.rule} Found: {error.found}")
        return None
