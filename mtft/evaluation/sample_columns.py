"""Samples as columns: a million scored rows take codes and numbers, not a million objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtft.evaluation.choice_columns import ChoiceColumns
from mtft.evaluation.examples import Sample
from mtft.evaluation.sample_table import mapping_of, samples_of, table_of
from mtft.statistics import FloatArray

IntArray = NDArray[np.int64]
_BATCH = 4096


class Codes(NamedTuple):
    """A column of texts as numbers.

    Attributes:
        codes: (n,) int64, the place of each row's text among `values`.
        values: The distinct texts, sorted, so that codes sort as the texts do.
    """

    codes: IntArray
    values: list[str]


class SampleColumns:
    """The samples of an evaluation by column, each decoded when it is first asked for.

    Args:
        table: As `read_table` gives it.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table.unify_dictionaries()
        self._codes: dict[str, Codes] = {}
        self._scores: dict[str, FloatArray] = {}
        self._numbers: dict[str, FloatArray] = {}
        self._lengths: dict[str, IntArray] = {}

    def codes(self, name: str) -> Codes:
        """A column of texts; a missing text is an empty one."""
        if name not in self._codes:
            self._codes[name] = _coded(self.table.column(name))
        return self._codes[name]

    def score(self, name: str) -> FloatArray:
        """(n,) float64: one of the samples' scores, nan where a sample has none."""
        if name not in self._scores:
            codes = self.codes("scores").codes
            values = [_number(scores.get(name)) for scores in self._distinct_scores]
            self._scores[name] = np.array(values, dtype=np.float64)[codes]
        return self._scores[name]

    @cached_property
    def _distinct_scores(self) -> list[Mapping[str, float]]:
        return [mapping_of(text) for text in self.codes("scores").values]

    @cached_property
    def is_scored(self) -> NDArray[np.bool_]:
        """(n,) whether a sample has scores."""
        found = self.codes("unscored_reason")
        empty = found.values.index("") if "" in found.values else -1
        return np.asarray(found.codes == empty)

    def numbers(self, name: str) -> FloatArray:
        """(n,) float64: a column of numbers; 0 where there is none."""
        if name not in self._numbers:
            known = name in self.table.column_names
            column = self.table.column(name).fill_null(0) if known else np.zeros(self.table.num_rows)
            self._numbers[name] = np.asarray(column, dtype=np.float64)
        return self._numbers[name]

    def lengths(self, name: str) -> IntArray:
        """(n,) int64: how long each list of a column is; 0 where there is none."""
        if name not in self._lengths:
            known = name in self.table.column_names
            column = pc.list_value_length(self.table.column(name)).fill_null(0) if known else 0
            self._lengths[name] = np.zeros(self.table.num_rows, dtype=np.int64) + np.asarray(
                column, dtype=np.int64
            )
        return self._lengths[name]

    @cached_property
    def choices(self) -> ChoiceColumns:
        """The answer choices of all samples."""
        return ChoiceColumns.of(*(self.table.column(name) for name in ("choices", "targets", "prediction")))

    def all(self) -> SampleRows:
        """Every sample."""
        return SampleRows(self, np.arange(self.table.num_rows))


class SampleRows(Sequence[Sample]):
    """Some samples of a table, made into objects only when they are looked at.

    Args:
        columns: The table's.
        rows: (n,) int64 row numbers.
        given: Scores that hold for all of them, whatever the table says.
    """

    def __init__(
        self, columns: SampleColumns, rows: IntArray, given: Mapping[str, float] | None = None
    ) -> None:
        self.columns, self.rows, self._given = columns, rows, dict(given or {})

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> SampleRows:
        """The samples as rows of a table; those that already are one stay as they are."""
        if isinstance(samples, SampleRows):
            return samples
        return SampleColumns(table_of(list(samples))).all()

    @classmethod
    def joined(cls, parts: Sequence[SampleRows]) -> SampleRows:
        """The samples of all parts, in order, as one table."""
        tables = [_plain(part.table()) for part in parts]
        return SampleColumns(pa.concat_tables(tables)).all()

    def __len__(self) -> int:
        """How many samples."""
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> Sample: ...
    @overload
    def __getitem__(self, at: slice) -> SampleRows: ...
    def __getitem__(self, at: int | slice) -> Sample | SampleRows:
        """One sample, or a part of them."""
        if isinstance(at, slice):
            return self.take(np.arange(len(self))[at])
        return next(iter(self.take(np.array([range(len(self))[at]], dtype=np.int64))))

    def __iter__(self) -> Iterator[Sample]:
        """The samples, a few thousand at a time."""
        for start in range(0, len(self), _BATCH):
            made = samples_of(self.columns.table.take(self.rows[start : start + _BATCH]))
            given = self._given
            yield from (replace(s, scores={**s.scores, **given}) for s in made) if given else made

    def take(self, places: NDArray[Any]) -> SampleRows:
        """The samples at some places, or where a mask holds."""
        return SampleRows(self.columns, self.rows[places], self._given)

    def with_score(self, name: str, value: float) -> SampleRows:
        """The same samples, each with this score."""
        return SampleRows(self.columns, self.rows, {**self._given, name: value})

    def table(self) -> pa.Table:
        """Their rows."""
        table = self.columns.table
        whole = len(self) == table.num_rows and bool((np.diff(self.rows) == 1).all())
        return table if whole else table.take(self.rows)

    def codes(self, name: str) -> IntArray:
        """(n,) int64 codes of a column of texts; equal over all parts of one table."""
        return self.columns.codes(name).codes[self.rows]

    def code(self, name: str, text: str) -> int:
        """The code of a text in a column; -1 if it is not there."""
        values = self.columns.codes(name).values
        return values.index(text) if text in values else -1

    def names(self, name: str, codes: NDArray[Any]) -> list[str]:
        """The texts that codes of a column stand for."""
        values = self.columns.codes(name).values
        return [values[code] for code in codes.tolist()]

    def distinct(self, name: str) -> list[str]:
        """The distinct texts of a column, sorted."""
        return self.names(name, np.unique(self.codes(name)))

    def score(self, name: str) -> FloatArray:
        """(n,) float64 of one score; nan where there is none."""
        if name in self._given:
            return np.full(len(self), self._given[name])
        return np.asarray(self.columns.score(name)[self.rows])

    def numbers(self, name: str) -> FloatArray:
        """(n,) float64: a column of numbers; 0 where there is none."""
        return np.asarray(self.columns.numbers(name)[self.rows])

    def column(self, name: str) -> list[Any]:
        """A column's values."""
        values: list[Any] = self.columns.table.column(name).take(self.rows).to_pylist()
        return values

    def counts(self, name: str) -> IntArray:
        """(n,) int64: how long each list of a column is; 0 where the column is missing."""
        return np.asarray(self.columns.lengths(name)[self.rows])

    def flat(self, name: str) -> pa.ChunkedArray:
        """The lists of a column end to end."""
        return pc.list_flatten(self.columns.table.column(name).take(self.rows))

    def parts(self, *names: str) -> Iterator[tuple[tuple[str, ...], SampleRows]]:
        """The samples by the texts of some columns, in the order of these texts."""
        if not len(self):
            return
        part = np.zeros(len(self), dtype=np.int64)
        for name in names:
            # Numbers of the parts so far stay small, so that the next name's codes fit in.
            codes = self.codes(name)
            _, part = np.unique(part * (int(codes.max()) + 1) + codes, return_inverse=True)
        order = np.argsort(part, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
            first = self.take(places[:1])
            yield tuple(first.distinct(name)[0] for name in names), self.take(places)

    def scored(self) -> SampleRows:
        """Those that have scores."""
        return self.take(self.columns.is_scored[self.rows])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _coded(column: pa.ChunkedArray) -> Codes:
    column = (
        column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    )
    whole = column.combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    values = [value if value is not None else "" for value in whole.dictionary.to_pylist()]
    codes = np.asarray(whole.indices.fill_null(len(values)), dtype=np.int64)
    distinct, rank = np.unique(np.array([*values, ""], dtype=object), return_inverse=True)
    used, codes = np.unique(rank[codes], return_inverse=True)
    return Codes(codes.astype(np.int64), [str(text) for text in distinct[used]])


def _plain(table: pa.Table) -> pa.Table:
    """The table with texts as such, so that tables read from different files can be joined."""
    columns = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names, metadata=table.schema.metadata)
