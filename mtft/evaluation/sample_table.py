"""`samples.parquet`, the results cube: one row per scored example, metric and model.

Texts that recur are dictionary-encoded, so that a prompt is stored once for all models and metrics that share it, and
stay so in memory; scores and slices are JSON objects. Row groups are small enough to be read one by one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mtft.errors import RunError
from mtft.evaluation.examples import Sample

ROW_GROUP = 1 << 17  # rows
DICTIONARY_BYTES = 1 << 26  # of a row group's texts; beyond, Parquet stores each again
CODED = pa.dictionary(pa.int32(), pa.string())
_TEXTS = pa.list_(pa.string())
_PROMPTS, _LEFT_OUT = b"mtft.prompts", b"left out"
_TYPES = {
    "prediction": pa.string(),
    "choices": _TEXTS,
    "targets": _TEXTS,
    "loglikelihoods": pa.list_(pa.float64()),
    "shots": pa.int32(),
    "dropped_shots": pa.int32(),
    "choice_tokens": pa.list_(pa.int32()),
    "prior_loglikelihoods": pa.list_(pa.float64()),
    "truncated_tokens": pa.int32(),
    "step": pa.int32(),
}
JSON_COLUMNS = ("scores", "slices")
# Older tables have fewer columns.
_LATER = {
    "signature", "shots", "dropped_shots", "slices", "choice_tokens", "prior_loglikelihoods", "truncated_tokens",
    "contamination", "step",
}  # fmt: skip
_NEEDED = {f.name for f in fields(Sample)} - _LATER
SCHEMA = pa.schema([(f.name, _TYPES.get(f.name, CODED)) for f in fields(Sample)])
_REPEATED = [field.name for field in SCHEMA if field.type == CODED]


def table_of(samples: Sequence[Sample]) -> pa.Table:
    """The samples as a table; mappings are JSON text."""
    columns: dict[str, list[object]] = {f.name: [getattr(s, f.name) for s in samples] for f in fields(Sample)}
    for name in JSON_COLUMNS:
        columns[name] = [json.dumps(getattr(s, name), ensure_ascii=False) for s in samples]
    return pa.table(columns, schema=SCHEMA)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a table of samples under a temporary name beside `path` and renames it.

    Raises:
        RunError: The table was read without its prompts, which would be lost.
    """
    if (table.schema.metadata or {}).get(_PROMPTS) == _LEFT_OUT:
        raise RunError(
            "Samples must have their prompts to be written.", found="a table read without them", where=path
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    columns = [_as(table.column(field.name), field.type) for field in SCHEMA]
    with pq.ParquetWriter(
        temporary, SCHEMA, compression="zstd", dictionary_pagesize_limit=DICTIONARY_BYTES
    ) as writer:
        writer.write_table(pa.table(columns, schema=SCHEMA), row_group_size=ROW_GROUP)
    temporary.replace(path)


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    return column.cast(pa.string()).dictionary_encode() if kind == CODED else column.cast(kind)


def write_samples(samples: Sequence[Sample], path: Path) -> None:
    """Writes the samples under a temporary name beside `path` and renames it."""
    write_table(table_of(samples), path)


def read_table(path: Path, *, prompts: bool = True) -> pa.Table:
    """The table of a file that `write_table` wrote; columns that it lacks have their default.

    Args:
        path: The file.
        prompts: Also read `inputs`; else they are empty.

    Raises:
        RunError: The file is missing, or no such table.
    """
    try:
        known = set(pq.read_schema(path).names)
        wanted = [name for name in SCHEMA.names if name in known | _NEEDED and (prompts or name != "inputs")]
        table = pq.read_table(path, columns=wanted, read_dictionary=_REPEATED)
        missing = sorted(_NEEDED - known)
        if missing:
            raise KeyError(f"no column {', '.join(missing)}")
        return _completed(table).replace_schema_metadata(None if prompts else {_PROMPTS: _LEFT_OUT})
    except (OSError, pa.ArrowException, KeyError) as error:
        raise RunError(
            "Samples must be a table that an evaluation wrote.", found=error, where=path
        ) from error


def _completed(table: pa.Table) -> pa.Table:
    """The table with every column of a sample, in order."""
    defaults = {f.name: _default(f) for f in fields(Sample)}
    columns = [
        _typed(table.column(field.name), field.type)
        if field.name in table.column_names
        else pa.array([defaults[field.name]], type=field.type).take(
            pa.array([0] * table.num_rows, pa.int64())
        )
        for field in SCHEMA
    ]
    return pa.table(columns, names=SCHEMA.names)


def _typed(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column as the type that samples have; dictionaries of texts stay dictionaries."""
    found, kind = (
        each.value_type if pa.types.is_dictionary(each) else each for each in (column.type, wanted)
    )
    if found == kind:
        return column
    if pa.types.is_string(kind) and not (pa.types.is_large_string(found) or pa.types.is_null(found)):
        raise pa.ArrowInvalid(f"a column of {found}, not of text")
    return column.cast(kind)


def _default(field: Field[Any]) -> Any:
    if field.name in JSON_COLUMNS:
        return "{}"
    return "" if field.default is MISSING else field.default


def read_samples(path: Path) -> list[Sample]:
    """The samples of a file that `write_samples` wrote, of this or an earlier version.

    Raises:
        RunError: The file is missing, or no such table.
    """
    return samples_of(read_table(path))


def samples_of(table: pa.Table) -> list[Sample]:
    """The rows of a table as samples."""
    # Column by column: equal texts then stay one object.
    columns = {name: _values(table.column(name), name) for name in table.column_names}
    return [Sample(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray, name: str) -> list[Any]:
    values = _texts(column) if pa.types.is_dictionary(column.type) else column.to_pylist()
    if name in JSON_COLUMNS:
        return [mapping_of(each or "") for each in values]
    return [tuple(each) if isinstance(each, list) else each for each in values]


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """The texts of a coded column; of a dictionary that serves many more rows, only those that occur here."""
    column = column.unify_dictionaries().combine_chunks()
    part = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    codes, place = np.unique(part.indices.fill_null(-1).to_numpy(zero_copy_only=False), return_inverse=True)
    known = codes[codes >= 0]
    texts = [*[None] * (len(codes) - len(known)), *part.dictionary.take(pa.array(known)).to_pylist()]
    return [texts[at] for at in place.tolist()]


def mapping_of(text: str) -> dict[str, Any]:
    """The mapping that a cell of a JSON column holds; nothing of an empty one.

    Raises:
        RunError: It is no JSON object.
    """
    try:
        found = json.loads(text or "{}")
    except (json.JSONDecodeError, RecursionError) as error:
        raise RunError("Scores and slices of samples must be JSON.", found=f"`{text[:80]}`") from error
    if not isinstance(found, dict):
        raise RunError("Scores and slices of samples must be JSON objects.", found=f"`{text[:80]}`")
    return found
