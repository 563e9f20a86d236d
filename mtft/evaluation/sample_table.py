"""`samples.parquet`, the results cube: one row per scored example, metric and model.

Texts that recur are dictionary-encoded, so that a prompt is stored once for all models and metrics that share it, and
stay so in memory; scores and slices are maps. Row groups are small enough to be read one by one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mtft.errors import RunError
from mtft.evaluation.examples import Sample

ROW_GROUP = 1 << 17  # rows
DICTIONARY_BYTES = 1 << 26  # of a row group's texts; beyond, Parquet stores each again
_CODED = pa.dictionary(pa.int32(), pa.string())
_TEXTS = pa.list_(pa.string())
_TYPES = {
    "prediction": pa.string(),
    "choices": _TEXTS,
    "targets": _TEXTS,
    "loglikelihoods": pa.list_(pa.float64()),
    "scores": pa.map_(pa.string(), pa.float64()),
    "shots": pa.int32(),
    "dropped_shots": pa.int32(),
    "slices": pa.map_(pa.string(), pa.string()),
    "step": pa.int32(),
}
_MAPS = ("scores", "slices")
# Older tables have fewer columns.
_NEEDED = {f.name for f in fields(Sample)} - {
    "signature", "shots", "dropped_shots", "slices", "contamination", "step",
}  # fmt: skip
SCHEMA = pa.schema([(f.name, _TYPES.get(f.name, _CODED)) for f in fields(Sample)])


def write_samples(samples: Sequence[Sample], path: Path) -> None:
    """Writes the samples under a temporary name beside `path` and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with pq.ParquetWriter(
        temporary, SCHEMA, compression="zstd", dictionary_pagesize_limit=DICTIONARY_BYTES
    ) as writer:
        for start in range(0, len(samples), ROW_GROUP):
            writer.write_table(_table(samples[start : start + ROW_GROUP]))
    temporary.replace(path)


def _table(samples: Sequence[Sample]) -> pa.Table:
    columns: dict[str, list[Any]] = {f.name: [getattr(s, f.name) for s in samples] for f in fields(Sample)}
    for name in _MAPS:
        columns[name] = [list(mapping.items()) for mapping in columns[name]]
    return pa.table(columns, schema=SCHEMA)


def read_samples(path: Path) -> list[Sample]:
    """The samples of a file that `write_samples` wrote, of this or an earlier version.

    Raises:
        RunError: The file is missing, or no such table.
    """
    try:
        with pq.ParquetFile(path) as file:
            known = set(file.schema_arrow.names)
            wanted = [name for name in SCHEMA.names if name in known | _NEEDED]
            if missing := [name for name in wanted if name not in known]:
                raise KeyError(f"no column {', '.join(missing)}")
            parts = [_samples(file.read_row_group(n, wanted)) for n in range(file.num_row_groups)]
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise RunError(
            "Samples must be a table that an evaluation wrote.", found=error, where=path
        ) from error
    return [sample for part in parts for sample in part]


def _samples(table: pa.Table) -> list[Sample]:
    # Column by column: equal texts then stay one object.
    columns = {name: _values(table.column(name), name) for name in table.column_names}
    return [Sample(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray, name: str) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.combine_chunks()
        part = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        texts = part.dictionary.to_pylist()
        return [None if code is None else texts[code] for code in part.indices.to_pylist()]
    values = column.to_pylist()
    if name in _MAPS:
        return [json.loads(each) if isinstance(each, str) else dict(each) for each in values]
    return [tuple(each) if isinstance(each, list) else each for each in values]
