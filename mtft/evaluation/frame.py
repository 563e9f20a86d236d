"""Scored rows of many evaluations as one pandas data frame.

```python
rows = mtft.load_results(["runs/mt5", "runs/bloom"], task="xcopa")
rows.pivot_table("value", "language", ["run", "model"], observed=True)
```
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mtft.errors import RunError, nearest
from mtft.evaluation.sample_table import SCHEMA, mapping_of

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = "samples.parquet"
# Read always: what a row is about. The others are texts and lists, read where they are asked for.
COLUMNS = (
    "model", "step", "task", "dataset", "config", "cluster", "language", "prompt_language", "template",
    "template_id", "metric", "id", "item_group", "contamination", "unscored_reason",
)  # fmt: skip
FURTHER = tuple(name for name in SCHEMA.names if name not in (*COLUMNS, "scores"))
_ABSENT = {"step": -1, "contamination": ""}  # what older tables lack
_NEEDED = {"scores", *COLUMNS} - _ABSENT.keys()
Paths = str | os.PathLike[str]
Names = str | Iterable[str] | None


def load_results(
    paths: Paths | Iterable[Paths],
    *,
    task: Names = None,
    language: Names = None,
    model: Names = None,
    columns: Sequence[str] = (),
) -> pd.DataFrame:
    """Every score of every example in some evaluations, one row each.

    Columns, those of text as categories:

    - `run`: the path as it was given;
    - `model`, `step` (int32; -1 where not known), `task`, `dataset`, `config`, `cluster`, `language`,
      `prompt_language`, `template`, `template_id`, `id` (split/row, unique within task and config), `item_group` (equal
      for an item's translations), `metric` (the scorer), `contamination`, `unscored_reason`;
    - `score` and `value` (float64): name and value of one score. An example with several has several rows, one
      without any has one, both empty: it is unscored, and no zero.

    Args:
        paths: Folders of runs or of evaluations (what `--output_dir` named), or `samples.parquet` files.
        task: Only these tasks.
        language: Only these languages.
        model: Only these models.
        columns: Of `samples.parquet`, further ones: `inputs`, `choices`, `prediction`, `target`, …

    Raises:
        RunError: A path holds no samples, a file is no table of samples, or a column is unknown.
    """
    for name in columns:
        if name not in (*COLUMNS, *FURTHER):
            raise RunError(
                "A column must be one of `samples.parquet`.", found=f"`{name}`", remedy=nearest(name, FURTHER)
            )
    wanted = (*COLUMNS, *(name for name in columns if name not in COLUMNS))
    keep = {"task": _names(task), "language": _names(language), "model": _names(model)}
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    parts = [
        part
        for path in given
        for file in samples_of(Path(path))
        for part in _parts(file, os.fspath(path), wanted, keep)
    ]
    if not parts:
        raise RunError("There must be at least one path to read results from.", found="none")
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return frame


def samples_of(path: Path) -> list[Path]:
    """The tables of samples at a path: itself, in the folder, or in the evaluations of the run there.

    Raises:
        RunError: There is none.
    """
    if path.is_file():
        return [path]
    for found in (path / SAMPLES, path / "eval" / SAMPLES):
        if found.is_file():
            return [found]
    unfinished = sorted((path / "eval").glob(f"*/{SAMPLES}"))  # a run's report comes after its models
    if not unfinished:
        raise RunError(
            "Results must be a folder that an evaluation or a run wrote, or its samples.parquet.",
            found="none",
            where=path,
            remedy="Of an evaluation that has not ended, `load_outputs` reads what there is.",
        )
    return unfinished


def _names(names: Names) -> list[str] | None:
    return None if names is None else [names] if isinstance(names, str) else list(names)


def _parts(
    file: Path, run: str, wanted: Sequence[str], keep: dict[str, list[str] | None]
) -> Iterable[pa.Table]:
    """The rows of a file, row group by row group, so that what is not kept is never held together."""
    try:
        with pq.ParquetFile(file) as parquet:
            known = parquet.schema_arrow.names
            if missing := [name for name in ("scores", *wanted) if name not in known and name in _NEEDED]:
                raise KeyError(f"no column {', '.join(missing)}")
            read = [name for name in ("scores", *wanted) if name in known]
            for number in range(max(parquet.num_row_groups, 1)):
                table = parquet.read_row_group(number, read) if parquet.num_row_groups else parquet.read(read)
                yield _long(_kept(table, keep), run, wanted)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise RunError(
            "Samples must be a table that an evaluation wrote.", found=error, where=file
        ) from error


def _kept(table: pa.Table, keep: dict[str, list[str] | None]) -> pa.Table:
    for name, values in keep.items():
        if values is not None:
            table = table.filter(
                pc.is_in(table.column(name).cast(pa.string()), pa.array(values, pa.string()))
            )
    return table


def _long(table: pa.Table, run: str, wanted: Sequence[str]) -> pa.Table:
    """One row per score; an example without scores keeps one."""
    scores = _map(table.column("scores"))
    sizes = np.diff(scores.offsets.to_numpy())
    rows = np.repeat(np.arange(len(sizes)), np.maximum(sizes, 1))
    present = np.repeat(sizes > 0, np.maximum(sizes, 1))
    places = pa.array(np.where(present, np.cumsum(present) - 1, 0), mask=~present)
    columns = {"run": _coded(pa.repeat(run, len(rows)))}
    for name in wanted:
        column = _column(table, name)
        columns[name] = column if len(rows) == len(sizes) else column.take(pa.array(rows))
    columns["score"] = _coded(scores.keys).take(places)
    columns["value"] = scores.items.take(places)
    return pa.table(columns)


def _column(table: pa.Table, name: str) -> Any:
    if name not in table.column_names:
        value = pa.nulls(table.num_rows) if name not in _ABSENT else pa.repeat(_ABSENT[name], table.num_rows)
        kind = SCHEMA.field(name).type
        return _coded(value) if pa.types.is_dictionary(kind) else value.cast(kind)
    kind = SCHEMA.field(name).type
    column = table.column(name)
    return _coded(column) if pa.types.is_dictionary(kind) else column


def _coded(column: Any) -> Any:
    """The column with each text once; as it is where it was read so."""
    coded = pa.dictionary(pa.int32(), pa.string())
    if pa.types.is_dictionary(column.type):
        return column.cast(coded)
    return column.cast(pa.string()).dictionary_encode()


def _map(column: pa.ChunkedArray) -> pa.MapArray:
    """The scores as one array; equal ones are parsed once."""
    texts = _coded(column).unify_dictionaries().combine_chunks()
    texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
    kinds = [list(mapping_of(text).items()) for text in texts.dictionary.to_pylist()]
    return pa.array(kinds, pa.map_(pa.string(), pa.float64())).take(texts.indices)
