"""Which scored examples a page shows: few per cell, chosen by hash and balanced between right and wrong.

All work is on Arrow and numpy columns, so a million rows cost seconds and no million Python objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mtft.errors import RunError

CELL = ("task", "language", "config", "prompt_language")
EXAMPLE = (*CELL, "template", "template_id", "id")
NEEDED = ("model", "task", "language")
RIGHT, WRONG, UNKNOWN = 0, 1, 2
_JUDGED_BY = ("accuracy", "exact_match")
_SEED, _PRIME = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SampleFile:
    """A `samples.parquet` and the names that its models have in the report.

    Attributes:
        path: The file.
        names: Model in the file → its name in the report; a model that is not named keeps its name.
        left_out: Models of the file that the report does not show.
    """

    path: Path
    names: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Choice:
    """The chosen examples.

    Attributes:
        rows: Per example, best candidates of every cell first, its rows as (file, row) pairs.
        total: Distinct examples in the files.
    """

    rows: tuple[tuple[tuple[int, int], ...], ...]
    total: int


@dataclass(frozen=True)
class _Column:
    """A text column as codes into its distinct values."""

    codes: Numbers
    values: list[str]

    def hashes(self) -> Hashes:
        known = [_hash(value) for value in self.values]
        return np.array(known, dtype=np.uint64)[self.codes]


def choose(
    files: Sequence[SampleFile], *, focus: str | None, base: str | None, per_cell: int, limit: int
) -> Choice:
    """Up to `per_cell` examples of every cell, in turn those that the models got right and wrong.

    Args:
        files: The samples; an example that several files have is one example.
        focus: The model whose answers decide first what is right and wrong.
        base: The model it is compared with, which decides next.
        per_cell: How many per cell at most.
        limit: How many in all, at least one per cell.

    Raises:
        RunError: A file is missing or not Parquet, or lacks `model`, `task` or `language`.
    """
    parts = [_keys(at, file, focus, base) for at, file in enumerate(files)]
    cell, example, model, outcome, file, row = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(example):
        return Choice((), 0)
    _, first, inverse = np.unique(example, return_index=True, return_inverse=True)
    kind = _kind(inverse, model, outcome, len(first))
    order = _balanced(cell[first], kind, example[first])
    cells = len(np.unique(cell))
    room = max(1, min(per_cell, limit // cells))
    chosen = [at for at, rank in order if rank < room]
    place = {int(at): n for n, at in enumerate(chosen)}
    wanted = np.isin(inverse, np.array(chosen, dtype=np.int64))
    rows: list[list[tuple[int, int]]] = [[] for _ in chosen]
    for at, of_file, number in zip(inverse[wanted], file[wanted], row[wanted], strict=True):
        rows[place[int(at)]].append((int(of_file), int(number)))
    return Choice(tuple(map(tuple, rows)), len(first))


def _balanced(cell: Hashes, kind: Numbers, example: Hashes) -> list[tuple[int, int]]:
    """(example, rank in its cell), ranks first: in turn one example of every kind, by hash."""
    by_kind = np.lexsort((example, kind, cell))
    turn = _rank_in_groups(np.stack([cell[by_kind], kind[by_kind].astype(np.uint64)]))
    by_turn = by_kind[np.lexsort((kind[by_kind], turn, cell[by_kind]))]
    rank = _rank_in_groups(cell[by_turn][None])
    order = np.lexsort((cell[by_turn], rank))
    return list(zip(by_turn[order].tolist(), rank[order].tolist(), strict=True))


def _rank_in_groups(sorted_keys: Hashes) -> Numbers:
    """0, 1, 2, … within every run of equal columns."""
    count = sorted_keys.shape[1]
    new = np.ones(count, dtype=bool)
    new[1:] = (sorted_keys[:, 1:] != sorted_keys[:, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    ranks: Numbers = np.arange(count) - starts[np.cumsum(new) - 1]
    return ranks


def _kind(inverse: Numbers, model: Numbers, outcome: Numbers, count: int) -> Numbers:
    """0 to 8 per example: focus right, wrong or unknown, times the same of the base model."""
    kinds = []
    for wanted in (0, 1):
        found = np.full(count, UNKNOWN, dtype=np.int64)
        rows = np.flatnonzero(model == wanted)
        np.minimum.at(found, inverse[rows], outcome[rows])
        kinds.append(found)
    return kinds[0] * 3 + kinds[1]


def _keys(at: int, file: SampleFile, focus: str | None, base: str | None) -> tuple[npt.NDArray[Any], ...]:
    """Per row of a file: hash of its cell and of its example, which model (0 focus, 1 base, 2 other), outcome."""
    opened = open_samples(file.path)
    columns = {name: _column(opened, name) for name in EXAMPLE}
    models = _column(opened, "model")
    cell = _mixed([columns[name].hashes() for name in CELL])
    example = _mixed([cell, *(columns[name].hashes() for name in EXAMPLE[len(CELL) :])])
    code_of = {focus: 0, base: 1}
    named = [file.names.get(name, name) for name in models.values]
    model = np.array([code_of.get(name, 2) for name in named], dtype=np.int64)[models.codes]
    shown = np.array([name not in file.left_out for name in models.values], dtype=bool)[models.codes]
    row = np.flatnonzero(shown)
    outcome = _outcomes(opened)
    return cell[row], example[row], model[row], outcome[row], np.full(len(row), at), row


def open_samples(path: Path) -> pq.ParquetFile:
    """The file, with the columns that samples need.

    Raises:
        RunError: It is missing, no Parquet file, or lacks one.
    """
    try:
        opened = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError("Samples must be a readable Parquet file.", found=str(error), where=path) from error
    missing = set(NEEDED) - set(opened.schema_arrow.names)
    if missing:
        raise RunError("Samples need these columns.", found=f"no {sorted(missing)}", where=path)
    return opened


def _column(opened: pq.ParquetFile, name: str) -> _Column:
    """A column's texts; empty where the file lacks it, or a row."""
    count = opened.metadata.num_rows
    if name not in opened.schema_arrow.names:
        return _Column(np.zeros(count, dtype=np.int64), [""])
    column = opened.read(columns=[name]).column(0)
    encoded = pc.fill_null(pc.cast(column, pa.string()), "").dictionary_encode().unify_dictionaries()
    codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    values = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    return _Column(np.concatenate(codes).astype(np.int64) if codes else np.zeros(0, np.int64), values)


def _outcomes(opened: pq.ParquetFile) -> Numbers:
    """Whether every row's answer is right, wrong, or has no score that says so."""
    found = np.full(opened.metadata.num_rows, UNKNOWN, dtype=np.int64)
    if "scores" not in opened.schema_arrow.names:
        return found
    column = opened.read(columns=["scores"]).column("scores")
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        column = pa.chunked_array([pa.array([_as_json(value) for value in column.to_pylist()], pa.string())])
    for metric in reversed(_JUDGED_BY):
        number = rf'"{metric}":\s*(?P<value>[-+0-9.eE]+)'
        texts = pc.struct_field(pc.extract_regex(column, pattern=number), "value")
        values = pc.cast(texts, pa.float64()).to_numpy()
        found = np.where(values >= 0.5, RIGHT, np.where(values < 0.5, WRONG, found))
    return found


def _as_json(value: Any) -> str:
    pairs = value.items() if isinstance(value, Mapping) else value or []
    return json.dumps({str(k): v for k, v in pairs})


def _mixed(columns: Sequence[Hashes]) -> Hashes:
    """One hash of several columns; which rows are equal, and in which order, depends on their texts alone."""
    mixed = np.full(len(columns[0]), _SEED, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            mixed = (mixed ^ column) * _PRIME
            mixed ^= mixed >> np.uint64(29)
    return mixed


def _hash(value: str) -> int:
    digest = hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
