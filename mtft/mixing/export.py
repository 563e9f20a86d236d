"""Writing a mixture's rows for other tools: JSON Lines as xP3 publishes them, and Parquet with provenance."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mtft.errors import MixtureError, nearest
from mtft.mixing.files import replacing
from mtft.mixing.index import KEPT
from mtft.mixing.shards import Origin, Shard, origin_columns

if TYPE_CHECKING:
    from mtft.mixing.built import BuiltMixture
    from mtft.mixing.index import MixtureIndex, UnitIndex

ExportFormat = Literal["jsonl", "parquet"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_PLAIN = ("inputs", "targets", "answer_choices", "row_id", "item_group")
_UNSAFE = re.compile(r"[^\w.+-]+", re.ASCII)


def export(
    built: BuiltMixture, index: MixtureIndex, folder: str | Path, export_format: str = "jsonl"
) -> dict[str, int]:
    """Every kept row in files under `folder`, once each; rows per file, by its path below `folder`.

    `jsonl` writes `<language>/xp3_<dataset>_<config>_<split>_<template>.jsonl` with the keys `inputs` and
    `targets`, both texts, in the manner of `bigscience/xP3`; the language is the one the targets are in.
    `parquet` writes files of the same names that hold every field of `Example` and the template's name.

    Args:
        built: The rendered rows.
        index: Which of them are kept.
        folder: Made where it does not exist; files of the same name are replaced.
        export_format: `jsonl` or `parquet`.

    Raises:
        MixtureError: The format is neither.
    """
    writers: dict[str, Callable[[pa.Table, Shard, Path], None]] = {
        "jsonl": _write_jsonl,
        "parquet": _write_parquet,
    }
    if export_format not in writers:
        raise MixtureError(
            "A mixture is exported in a known format.",
            found=f"`{export_format}`",
            remedy=nearest(export_format, FORMATS),
        )
    names = _file_names(built, export_format)
    written: dict[str, int] = {}
    for shard, unit in zip(built.shards, index.units, strict=True):
        for number, table in _by_origin(shard, unit):
            name = names[shard.summary.origins[number]]
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            writers[export_format](table, shard, path)
            written[name] = table.num_rows
    return written


def _by_origin(shard: Shard, unit: UnitIndex) -> Iterator[tuple[int, pa.Table]]:
    """The kept records of each origin: one dataset, config, split and template."""
    tables = list(_tables(shard, unit))
    if not tables:
        return
    table = pa.concat_tables(tables)
    numbers = table.column("origin").to_numpy()
    for number in np.unique(numbers).tolist():
        yield number, table.filter(pa.array(numbers == number))


def _tables(shard: Shard, unit: UnitIndex) -> Iterator[pa.Table]:
    """The kept records batch by batch: views of the mapped file where nothing was dropped or shortened."""
    first = 0
    for table in shard.tables(unit.verdicts == KEPT):
        records = unit.records[first : first + table.num_rows]
        yield table if unit.shortened is None else unit.shortened.put_into(table, records)
        first += table.num_rows


def _write_jsonl(table: pa.Table, shard: Shard, path: Path) -> None:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for batch in table.to_batches():
            inputs, targets = batch.column("inputs").to_pylist(), batch.column("targets").to_pylist()
            for prompt, references in zip(inputs, targets, strict=True):
                row = {"inputs": prompt, "targets": references[0]}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_parquet(table: pa.Table, shard: Shard, path: Path) -> None:
    origins = origin_columns(shard, table.column("origin").to_numpy())
    columns: dict[str, Any] = {name: table.column(name) for name in _PLAIN}
    columns |= {name: pa.array(values).dictionary_encode() for name, values in origins.items()}
    with replacing(path) as temporary, ExitStack() as stack:
        result = pa.table(columns)
        writer = stack.enter_context(pq.ParquetWriter(str(temporary), result.schema))
        writer.write_table(result)


def _file_names(built: BuiltMixture, suffix: str) -> dict[Origin, str]:
    """A path below the folder for every origin; where two would share one, both get their template's id."""
    wanted: dict[str, list[Origin]] = defaultdict(list)
    for shard in built.shards:
        for origin in shard.summary.origins:
            wanted[_stem(origin).lower()].append(origin)  # some file systems fold case
    names = {}
    for origins in wanted.values():
        for number, origin in enumerate(origins):
            more = f"_{origin.template_id[:8]}-{number}" if len(origins) > 1 else ""
            names[origin] = f"{_stem(origin)}{more}.{suffix}"
    return names


def _stem(origin: Origin) -> str:
    task, config, split, template = (
        _UNSAFE.sub("-", part).strip("-.") or "none"
        for part in (origin.task, origin.config, origin.split, origin.template)
    )
    return f"{_UNSAFE.sub('-', origin.language)}/xp3_{task}_{config}_{split}_{template}"
