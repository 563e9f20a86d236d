"""Transforms that look across languages or configurations: directions of translation, borrowed columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mtft import languages
from mtft.errors import TaskError
from mtft.tasks.context import Context, Fields, RowError, column
from mtft.tasks.expression import evaluate, lookup


@dataclass(frozen=True)
class Pair:
    """A direction of translation, in one of three layouts.

    Writes `source`, `target`, and English names as `source_language`, `target_language`.

    Attributes:
        columns: A table with a column per language: language code → column, its code where it is not named.
        first: A file per published pair: path to the text in the pair's first language; `{first}` and
            `{second}` stand for the published names, `translation.{first}`.
        second: Likewise in its second language; a direction read backwards swaps the two.
        sentence: A folder per language: the column of its sentences.
        match: The column whose equal value, in the source language's folder, finds the same sentence.
    """

    columns: dict[str, str] = field(default_factory=dict)
    first: str | None = None
    second: str | None = None
    sentence: str | None = None
    match: str | None = None

    def __post_init__(self) -> None:
        layouts = (bool(self.columns), bool(self.first and self.second), bool(self.sentence and self.match))
        if sum(layouts) != 1:
            rule = "`pair` must have `columns`, or `first` and `second`, or `sentence` and `match`."
            given = [name for name, value in vars(self).items() if value]
            raise TaskError(rule, found=", ".join(given) or "none")

    @property
    def looks_around(self) -> bool:
        """Whether rows follow from other configurations' data too."""
        return self.sentence is not None

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with source, target and their languages' names."""
        codes = str(context.variant.source), str(context.variant.language)
        source, target = self._texts(row, context, codes)
        source_name, target_name = (languages.get(code).name for code in codes)
        yield {
            **row,
            "source_language": source_name,
            "target_language": target_name,
            "source": source,
            "target": target,
        }

    def _texts(self, row: Fields, context: Context, codes: tuple[str, str]) -> tuple[Any, Any]:
        if self.columns:
            source, target = (column(row, self.columns.get(code, code)) for code in codes)
            return source, target
        if self.sentence and self.match:
            return self._joined(row, context, self.sentence, self.match), column(row, self.sentence)
        names = {"first": context.variant.first, "second": context.variant.second}
        first, second = (_at(row, evaluate(str(path), names)) for path in (self.first, self.second))
        return (second, first) if context.variant.backwards else (first, second)

    @staticmethod
    def _joined(row: Fields, context: Context, sentence: str, match: str) -> Any:
        """The same sentence in the source language's folder."""
        folder = str(context.variant.source_folder)
        other = context.table(folder, match).get(str(column(row, match)))
        if other is None:
            raise RowError("missing_column", f"no row of `{folder}` has this `{match}`")
        return column(other, sentence)


def _at(row: Fields, path: str) -> Any:
    try:
        return lookup(row, path)
    except KeyError:
        raise RowError("missing_column", f"no value at `{path}`") from None


@dataclass(frozen=True)
class Borrow:
    """Takes a column from the same item in another configuration, where it is wrong in this one.

    Attributes:
        column: The column.
        config: The configuration that has it right.
        match: The column by whose value the items are found.
    """

    looks_around: ClassVar[bool] = True

    column: str
    config: str
    match: str

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the other configuration's value."""
        other = context.table(self.config, self.match).get(str(column(row, self.match)))
        if other is None or self.column not in other:
            raise RowError("missing_column", f"config `{self.config}` has no `{self.column}` for this item")
        if other[self.column] != column(row, self.column):
            context.note(f"repaired_{self.column}")
        yield {**row, self.column: other[self.column]}
