"""`samples.parquet`: one row per scored example and model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mtft.errors import RunError
from mtft.evaluation.examples import Sample

_TEXTS = pa.list_(pa.string())
_TYPES = {
    "choices": _TEXTS,
    "targets": _TEXTS,
    "loglikelihoods": pa.list_(pa.float64()),
    "shots": pa.int32(),
    "dropped_shots": pa.int32(),
}
JSON_COLUMNS = ("scores", "slices")
_NEEDED = {f.name for f in fields(Sample)} - {"signature", "shots", "dropped_shots", "slices"}
SCHEMA = pa.schema([(f.name, _TYPES.get(f.name, pa.string())) for f in fields(Sample)])
# Texts that hardly ever repeat; all others are read as dictionaries.
_UNIQUE = {"inputs", "prediction"}
_REPEATED = [field.name for field in SCHEMA if field.type == pa.string() and field.name not in _UNIQUE]


def table_of(samples: Sequence[Sample]) -> pa.Table:
    """The samples as a table; mappings are JSON text."""
    columns: dict[str, list[object]] = {f.name: [getattr(s, f.name) for s in samples] for f in fields(Sample)}
    for name in JSON_COLUMNS:
        columns[name] = [json.dumps(getattr(s, name), ensure_ascii=False) for s in samples]
    return pa.table(columns, schema=SCHEMA)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a table of samples under a temporary name beside `path` and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table.cast(SCHEMA), temporary, compression="zstd")
    temporary.replace(path)


def write_samples(samples: Sequence[Sample], path: Path) -> None:
    """Writes the samples under a temporary name beside `path` and renames it; mappings are JSON text."""
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
        known = set(pq.read_schema(path).names)  # older tables have fewer columns
        wanted = [name for name in SCHEMA.names if name in known | _NEEDED and (prompts or name != "inputs")]
        table = pq.read_table(path, columns=wanted, read_dictionary=_REPEATED)
        missing = sorted(_NEEDED - known)
        if missing:
            raise KeyError(f"no column {', '.join(missing)}")
        return _completed(table)
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
    is_dictionary = pa.types.is_dictionary(column.type)
    found = column.type.value_type if is_dictionary else column.type
    return column if found == wanted else column.cast(wanted)


def _default(field: Field[Any]) -> Any:
    if field.name in JSON_COLUMNS:
        return "{}"
    return "" if field.default is MISSING else field.default


def read_samples(path: Path) -> list[Sample]:
    """The samples of a file that `write_samples` wrote.

    Raises:
        RunError: The file is missing, or no such table.
    """
    return samples_of(read_table(path))


def samples_of(table: pa.Table) -> list[Sample]:
    """The rows of a table as samples."""
    return [_sample(row) for row in table.to_pylist()]


def _sample(row: dict[str, object]) -> Sample:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    values |= {name: mapping_of(str(values[name])) for name in JSON_COLUMNS}
    return Sample(**values)  # type: ignore[arg-type]


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
