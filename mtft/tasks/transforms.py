"""Declared changes to rows: each takes a row's columns and gives rows back; none runs code of a card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mtft.errors import nearest
from mtft.tasks.composed import Structure
from mtft.tasks.context import Context, Fields, RowError, Transform, column
from mtft.tasks.crosswise import Borrow, Pair
from mtft.tasks.direction import Direction
from mtft.tasks.expression import evaluate, lookup
from mtft.tasks.filtering import Keep
from mtft.tasks.program_text import CodeLines
from mtft.tasks.references import References
from mtft.tasks.tagging import entities_of, invalid_tags, written


@dataclass(frozen=True)
class Rename:
    """`rename: {old: new}`; an empty name is a column without a header."""

    WHOLE: ClassVar[str] = "columns"
    columns: dict[str, str]

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row under the new names."""
        for old in self.columns:
            column(row, old)
        yield {self.columns.get(name, name): value for name, value in row.items()}


@dataclass(frozen=True)
class Constant:
    """`constant: {column: value}`."""

    WHOLE: ClassVar[str] = "values"
    values: dict[str, Any]

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the constants."""
        yield {**row, **self.values}


@dataclass(frozen=True)
class Copy:
    """`path: {column: dotted.path}`: takes what stands deeper in the row, `answers.0.text`."""

    WHOLE: ClassVar[str] = "paths"
    paths: dict[str, str]

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with what the paths lead to."""
        try:
            yield {**row, **{name: lookup(row, path) for name, path in self.paths.items()}}
        except KeyError as error:
            raise RowError("missing_column", f"no value at `{error.args[0]}`") from None


@dataclass(frozen=True)
class Text:
    """`text: {column: "{title}: {body}"}`: an expression over the row."""

    WHOLE: ClassVar[str] = "columns"
    columns: dict[str, str]

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the texts."""
        try:
            yield {**row, **{name: evaluate(text, row) for name, text in self.columns.items()}}
        except KeyError as error:
            raise RowError("missing_column", f"no column `{error.args[0]}`") from None


@dataclass(frozen=True)
class Integer:
    """`integer: [column, …]`: whole numbers that are written as text."""

    WHOLE: ClassVar[str] = "columns"
    columns: tuple[str, ...]

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with numbers."""
        yield {**row, **{name: _integer(name, column(row, name)) for name in self.columns}}


@dataclass(frozen=True)
class Json:
    """`json: [column, …]`: columns that hold JSON as text."""

    WHOLE: ClassVar[str] = "columns"
    columns: tuple[str, ...]

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the parsed values."""
        try:
            yield {**row, **{name: json.loads(column(row, name)) for name in self.columns}}
        except (ValueError, TypeError) as error:
            raise RowError("malformed_row", f"a cell is not JSON: {error}") from None


@dataclass(frozen=True)
class Label:
    """The number of a label, 0-based in the card's `labels`.

    Attributes:
        column: The column that holds its name, or its number.
        to: The column to write.
        base: The number of the first label, where the column holds numbers.
        values: Upstream's word for it → the card's name for it.
    """

    SHORTHAND: ClassVar[str] = "column"
    column: str
    to: str = "label"
    base: int | None = None
    values: dict[str, str] = field(default_factory=dict)

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the label's number."""
        yield {**row, self.to: self._number(column(row, self.column), context.labels)}

    def _number(self, value: Any, labels: tuple[str, ...]) -> int:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        name = self.values.get(text, text)
        if name in labels:
            return labels.index(name)
        if self.base is not None and not isinstance(value, bool):
            number = _integer(self.column, value) - self.base
            if 0 <= number < len(labels):
                return number
        numbers = f" or a number from {self.base}" if self.base is not None else ""
        known = f"the labels are {', '.join(labels)}{numbers}. {nearest(name, labels)}"
        raise RowError("unknown_label", f"`{self.column}` is {value!r}; {known}")


@dataclass(frozen=True)
class Explode:
    """A row for each element of a list: the element's keys (or the element) beside the row's other columns.

    Attributes:
        column: The list; it is left out of the rows.
        index: The column that receives the element's 0-based number.
        to: The column that receives the element, where it is not a mapping.
    """

    SHORTHAND: ClassVar[str] = "column"
    column: str
    index: str | None = None
    to: str | None = None

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The rows of the list's elements."""
        elements = column(row, self.column)
        if not isinstance(elements, list):
            raise RowError("malformed_row", f"`{self.column}` is not a list but {type(elements).__name__}")
        rest = {name: value for name, value in row.items() if name != self.column}
        for number, element in enumerate(elements):
            own = element if isinstance(element, Mapping) else {self.to or self.column: element}
            yield {**rest, **own, **({self.index: number} if self.index else {})}


@dataclass(frozen=True)
class Columnar:
    """`columnar: [answers]`: a list of mappings becomes a mapping of lists, as `datasets` stores it."""

    WHOLE: ClassVar[str] = "columns"
    columns: tuple[str, ...]

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with mappings of lists."""
        yield {**row, **{name: _columnar(name, column(row, name)) for name in self.columns}}


@dataclass(frozen=True)
class Join:
    """Text from a list of texts.

    Attributes:
        column: The list.
        to: The column to write.
        separator: What stands between.
    """

    column: str
    to: str
    separator: str = " "

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the joined text."""
        yield {**row, self.to: self.separator.join(map(str, column(row, self.column)))}


@dataclass(frozen=True)
class Quotient:
    """The whole part of (column + offset) / by: the number of the set that consecutive ids form.

    Attributes:
        column: A column of whole numbers.
        by: How many make a set.
        to: The column to write.
        offset: Added first.
    """

    column: str
    by: int
    to: str
    offset: int = 0

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the set's number."""
        yield {**row, self.to: (_integer(self.column, column(row, self.column)) + self.offset) // self.by}


@dataclass(frozen=True)
class Entities:
    """Named entities as text, out of BIO tags: `PER: Amina ; LOC: Kano`, `none` where there are none.

    An `I-` tag that continues nothing begins an entity; sentences with one are counted.

    Attributes:
        tokens: The column of tokens.
        tags: The column of their tags.
        text: The column that receives the tokens, joined by spaces.
        to: The column that receives the entities.
    """

    tokens: str = "tokens"
    tags: str = "tags"
    text: str = "text"
    to: str = "entities"

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with its text and entities."""
        tokens, tags = column(row, self.tokens), column(row, self.tags)
        if invalid_tags(tags):
            context.note("invalid_bio")
        yield {**row, self.text: " ".join(tokens), self.to: written(entities_of(tokens, tags))}


TRANSFORMS: dict[str, type[Transform]] = {
    "borrow": Borrow,
    "code_lines": CodeLines,
    "columnar": Columnar,
    "constant": Constant,
    "direction": Direction,
    "entities": Entities,
    "explode": Explode,
    "integer": Integer,
    "join": Join,
    "json": Json,
    "keep": Keep,
    "label": Label,
    "pair": Pair,
    "path": Copy,
    "quotient": Quotient,
    "references": References,
    "rename": Rename,
    "structure": Structure,
    "text": Text,
}


def apply(steps: Iterable[Transform], row: Fields, context: Context) -> list[Fields]:
    """The rows that a record becomes by all steps in order, the configuration's own values first.

    Raises:
        RowError: A rule is broken.
    """
    rows = [{**row, **context.variant.values}]
    for step in steps:
        rows = [new for old in rows for new in step(old, context)]
    return rows


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise RowError("malformed_row", f"`{name}` is not a whole number but {value!r}")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise RowError("malformed_row", f"`{name}` is not a whole number but {value!r}") from None


def _columnar(name: str, value: Any) -> dict[str, list[Any]]:
    if isinstance(value, Mapping):
        return {key: list(items) for key, items in value.items()}
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowError("malformed_row", f"`{name}` is not a list of mappings")
    keys = value[0].keys() if value else ()
    if any(item.keys() != keys for item in value):
        raise RowError("malformed_row", f"the elements of `{name}` have different keys")
    return {key: [item[key] for item in value] for key in keys}
