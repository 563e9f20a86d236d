"""The examples of one cell: items drawn by their group, rendered with every template."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mtft.evaluation.cells import Asked
from mtft.evaluation.examples import EvalCell, EvalExample
from mtft.evaluation.scorers import SCORERS, unscorable_reason
from mtft.tasks.division import Side, draw_groups, fraction
from mtft.tasks.records import Row
from mtft.tasks.task import PROMPTED

if TYPE_CHECKING:
    from mtft.tasks import Problems, Sources


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


def cell_examples(
    asked: Asked, cell: EvalCell, side: Side, sources: Sources, problems: Problems, *, seed: int
) -> list[EvalExample]:
    """The cell's rows under each of its templates.

    Rows that cannot be rendered, and examples that no model could be scored on, are counted in `problems`;
    the latter stay, and count as unscored.
    """
    task = asked.task
    rows = drawn(task.rows(side, sources, problems), asked.max_items, whole_groups=cell.metrics == ("ndcg",))
    if not rows and cell.seen == "seen":
        problems.note("empty_cell", task.name, task.config)  # such as word lists, which only train
    elif not rows:
        problems.add("empty_cell", task.name, task.config, f"no {side} rows in {task.language}")
    found = []
    for template in asked.templates:
        name = template.name if template is not None else PROMPTED
        for row in rows:
            example = task.render(row, template, problems, seed)
            if example is None:
                continue
            for metric in cell.metrics:
                if reason := unscorable_reason(example, SCORERS[metric]):
                    problems.add("unscorable", task.name, row.where, f"{reason} (template `{name}`)")
            found.append(EvalExample(example, name, cell))
    return found
