"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mtft.tasks.raw import Drop, Record
from mtft.tasks.source import Source

BATCH = 1024  # rows held at a time


def read_parquet(path: Path, shown: str, source: Source, drop: Drop) -> Iterator[Record]:
    """The rows of a Parquet file."""
    from pyarrow import ArrowException  # heavy: a tenth of a second, for one format of six
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                for values in batch.to_pylist():
                    yield Record(values, number, f"{shown}#{number}")
                    number += 1
    except ArrowException as error:
        drop("malformed_file", shown, f"not Parquet: {error}")
