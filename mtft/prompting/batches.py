"""Rows by the batch, as `datasets.map` hands them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mtft.errors import TemplateError

if TYPE_CHECKING:
    from mtft.prompting.template import Template

BLANK = "blank"  # the reason of rows that a template leaves out


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of equally long columns.

    Raises:
        TemplateError: The columns differ in length.
    """
    names = list(columns)
    values = [columns[name] for name in names]
    if len({len(column) for column in values}) > 1:
        found = ", ".join(f"{name} {len(column)}" for name, column in zip(names, values, strict=True))
        raise TemplateError("The columns of a batch must be equally long.", found=found)
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


@dataclass(frozen=True)
class BatchRenderer:
    """A function for `datasets.map` that goes to worker processes and gives the same there in any order.

    Example:
        `dataset.map(BatchRenderer(template), batched=True, with_indices=True, num_proc=2,
        remove_columns=dataset.column_names)`

    Attributes:
        template: The template.
        seed: The run's seed.
        id_column: The column that holds the rows' ids; None takes the indices that `with_indices` gives.
        strict: Raise on the first row that cannot be rendered, instead of giving the reason in its place.
    """

    template: Template
    seed: int = 0
    id_column: str | None = None
    strict: bool = False

    def __call__(
        self, batch: Mapping[str, Sequence[Any]], indices: Sequence[int] | None = None
    ) -> dict[str, list[Any]]:
        """Columns `inputs`, `targets`, `answer_choices` and `skipped`, one row for one row.

        `skipped` is None for a rendered row, else `blank` or the code of its fault; the other columns then hold None.

        Raises:
            RenderError: Under `strict`, a row breaks a rule.
        """
        ids = batch[self.id_column] if self.id_column is not None else indices
        names = None if ids is None else [str(name) for name in ids]
        made = self.template.render_batch(batch, example_ids=names, seed=self.seed)
        columns: dict[str, list[Any]] = {"inputs": [], "targets": [], "answer_choices": [], "skipped": []}
        for rendered in made:
            if self.strict and isinstance(rendered, Exception):
                raise rendered
            for column, value in zip(columns.values(), _values(rendered), strict=True):
                column.append(value)
        return columns


def _values(rendered: Any) -> tuple[Any, ...]:
    if rendered is None:
        return None, None, None, BLANK
    if isinstance(rendered, Exception):
        return None, None, None, getattr(rendered, "fault", "failed")
    choices = rendered.answer_choices
    return rendered.inputs, list(rendered.targets), None if choices is None else list(choices), None
