"""`samples.parquet`: one row per scored example and model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

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
    "choice_tokens": pa.list_(pa.int32()),
    "prior_loglikelihoods": pa.list_(pa.float64()),
    "truncated_tokens": pa.int32(),
}
_JSON = ("scores", "slices")
_LATER = {
    "signature", "shots", "dropped_shots", "slices", "choice_tokens", "prior_loglikelihoods", "truncated_tokens",
}  # fmt: skip
_NEEDED = {f.name for f in fields(Sample)} - _LATER
SCHEMA = pa.schema([(f.name, _TYPES.get(f.name, pa.string())) for f in fields(Sample)])


def write_samples(samples: Sequence[Sample], path: Path) -> None:
    """Writes the samples under a temporary name beside `path` and renames it; mappings are JSON text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[object]] = {f.name: [getattr(s, f.name) for s in samples] for f in fields(Sample)}
    for name in _JSON:
        columns[name] = [json.dumps(getattr(s, name), ensure_ascii=False) for s in samples]
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(pa.table(columns, schema=SCHEMA), temporary, compression="zstd")
    temporary.replace(path)


def read_samples(path: Path) -> list[Sample]:
    """The samples of a file that `write_samples` wrote.

    Raises:
        RunError: The file is missing, or no such table.
    """
    try:
        # Older tables have fewer columns.
        known = set(pq.read_schema(path).names)
        table = pq.read_table(path, columns=[name for name in SCHEMA.names if name in known | _NEEDED])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise RunError(
            "Samples must be a table that an evaluation wrote.", found=error, where=path
        ) from error
    return [_sample(row) for row in table.to_pylist()]


def _sample(row: dict[str, object]) -> Sample:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    values |= {name: json.loads(str(values[name])) for name in _JSON if name in values}
    return Sample(**values)  # type: ignore[arg-type]
