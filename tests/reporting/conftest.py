"""Fixtures of the reporting tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.reporting.synthetic_results import build_results


@pytest.fixture
def results() -> dict[str, Any]:
    return build_results()


@pytest.fixture
def write_samples(tmp_path: Path) -> Any:
    def write(rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> Path:
        path = tmp_path / "samples.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
        return path

    return write
