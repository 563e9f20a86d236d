"""`trajectory.parquet`: what diagnostics measured along a run, in long form."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mtft.errors import RunError

TRAJECTORY_FILE = "trajectory.parquet"
_DEVELOPMENT = b"mtft.development"
SCHEMA = pa.schema(
    [
        ("step", pa.int32()), ("seed", pa.int64()), ("task", pa.string()), ("language", pa.string()),
        ("quantity", pa.string()), ("other", pa.string()), ("value", pa.float64()), ("n", pa.int32()),
    ]
)  # fmt: skip


class TrajectoryRow(NamedTuple):
    """One row.

    Attributes:
        step: Optimiser steps that were made.
        seed: The run's.
        task: A group's name.
        language: Code; empty for all.
        quantity: `train_loss` (nats per target token), `dev_metric` (0..1), `conflict`, `cosine`, `gradient_norm`,
            `coherence`, `noise_scale`, `fisher_trace`, `sharpness` or, where losses are balanced by task,
            `update_share` (0..1).
        other: The other task of a `cosine`; the metric's name of a `dev_metric`; else empty.
        value: nan where it is not defined.
        n: Examples, or batches of a cosine, that it was made of.
    """

    step: int
    seed: int
    task: str
    language: str
    quantity: str
    other: str
    value: float
    n: int


def write_trajectory(path: Path, rows: Iterable[TrajectoryRow], development: str | None = None) -> None:
    """Write all rows, whole or not at all.

    Args:
        path: The file.
        rows: In any order.
        development: Fingerprint of what the development metric is made on.
    """
    columns = list(zip(*sorted(rows, key=lambda row: row[:6]), strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    facts = None if development is None else {_DEVELOPMENT: development.encode()}
    pq.write_table(pa.table(arrays, schema=SCHEMA.with_metadata(facts)), unfinished)
    unfinished.replace(path)


def development_of(path: Path) -> str | None:
    """The fingerprint of what a file's development metric was made on; None where it says none, or cannot be read."""
    try:
        facts = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return None
    return facts[_DEVELOPMENT].decode() if _DEVELOPMENT in facts else None


def read_trajectory(place: Path) -> list[TrajectoryRow]:
    """The rows of a file, or of the run in a folder.

    Raises:
        RunError: There is none, or it is no trajectory.
    """
    path = place / TRAJECTORY_FILE if place.is_dir() else place
    if not path.is_file():
        raise RunError(
            "A run must have a trajectory.",
            found="none",
            where=path,
            remedy="Train it with --diagnostics true.",
        )
    try:
        table = pq.read_table(path)
        columns: list[list[Any]] = [table.column(field.name).cast(field.type).to_pylist() for field in SCHEMA]
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise RunError(
            f"A trajectory must be a Parquet file with the columns {', '.join(SCHEMA.names)}.",
            found=str(error).splitlines()[0],
            where=path,
        ) from error
    if any(None in column for column in columns):
        raise RunError("A trajectory must have a value in every column.", found="nulls", where=path)
    return [TrajectoryRow(*row) for row in zip(*columns, strict=True)]
