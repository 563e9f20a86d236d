"""One unit's prompted rows on disk: an Arrow file, memory-mapped when read, and a JSON file that says it is
complete.

Arrow's file format, and not Parquet, because training reads single rows in random order: a mapped record
costs microseconds and no memory, where Parquet would decode a whole row group for each. `mtft.mixing.export`
writes Parquet.

    <key>.arrow     one record per prompted row, in the order of rows, then templates
    <key>.json      counts, drop reasons, and the origins that the records point to; written last
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtft.tasks.records import Example

BATCH_ROWS = 2048
SCHEMA = pa.schema(
    [
        ("inputs", pa.string()),
        ("targets", pa.list_(pa.string())),
        ("answer_choices", pa.list_(pa.string())),
        ("row_id", pa.string()),
        ("item_group", pa.string()),
        ("row", pa.int32()),
        ("template", pa.int16()),
        ("origin", pa.int32()),
        ("pair_high", pa.uint64()),
        ("pair_low", pa.uint64()),
        ("group", pa.uint64()),
    ]
)


@dataclass(frozen=True)
class Origin:
    """The provenance that many records share; with `row_id` and `item_group` it is an example's whole.

    Attributes are those of `Example`, and the template's name.
    """

    dataset: str
    config: str
    split: str
    template_id: str
    language: str
    prompt_language: str
    task: str
    source_revision: str
    template: str


@dataclass
class ShardSummary:
    """What stands in a shard's JSON file.

    Attributes:
        unit: `Task.key` of the unit.
        rows: Rows with at least one record.
        examples: Records.
        dropped: Prompted rows that were not written, by reason.
        problems: What the reading and rendering counted, as `Problems.as_dict` gives it.
        origins: What the records' `origin` points to.
        sample: How many items there are and how many were drawn, where the unit is a sample.
        slices: Column that the card slices results by → value → rows.
    """

    unit: str
    rows: int = 0
    examples: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    problems: dict[str, Any] = field(default_factory=dict)
    origins: list[Origin] = field(default_factory=list)
    sample: dict[str, Any] = field(default_factory=dict)
    slices: dict[str, dict[str, int]] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """To JSON, under a temporary name first."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> ShardSummary:
        """From JSON."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(**content | {"origins": [Origin(**origin) for origin in content["origins"]]})


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` if the block ends well, and is removed if not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def pair_hash(inputs: str, target: str) -> tuple[int, int]:
    """128 bits of what trains, as two 64-bit words; the input's length keeps the two texts apart."""
    digest = blake2b(f"{len(inputs)}\n{inputs}{target}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def group_hash(item_group: str) -> int:
    """64 bits of an item group's name."""
    return int.from_bytes(blake2b(item_group.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class ShardWriter:
    """Writes one unit's records; an exact duplicate (same inputs, same target) is dropped and counted.

    Args:
        path: The Arrow file, written as given: the caller renames it.
        unit: `Task.key` of the unit.
    """

    def __init__(self, path: Path, unit: str) -> None:
        self.summary = ShardSummary(unit)
        self._writer = pa.ipc.new_file(str(path), SCHEMA)
        self._records: list[tuple[Any, ...]] = []
        self._seen: set[tuple[int, int]] = set()
        self._origins: dict[Origin, int] = {}
        self._last_row = -1

    def add(self, example: Example, row: int, template: int, template_name: str) -> None:
        """One prompted row.

        Args:
            example: The row.
            row: Its number within the unit.
            template: The template's number within the task.
            template_name: And its name.
        """
        try:
            pair = pair_hash(example.inputs, example.target)
        except UnicodeEncodeError:  # half a character: JSON can hold one, UTF-8 and Arrow cannot
            return self.drop("not_unicode")
        if pair in self._seen:
            return self.drop("duplicate")
        self._seen.add(pair)
        origin = self._origins.setdefault(_origin(example, template_name), len(self._origins))
        texts = (example.inputs, list(example.targets), _listed(example.answer_choices))
        place = (example.row_id, example.item_group, row, template, origin)
        self._records.append((*texts, *place, *pair, group_hash(example.item_group)))
        self.summary.examples += 1
        self.summary.rows += row != self._last_row
        self._last_row = row
        if len(self._records) == BATCH_ROWS:
            self._flush()
        return None

    def drop(self, reason: str, count: int = 1) -> None:
        """Count prompted rows that are left out."""
        self.summary.dropped[reason] = self.summary.dropped.get(reason, 0) + count

    def count(self, fields: Mapping[str, Any], columns: Iterable[str]) -> None:
        """Count a row's values in the columns that results are sliced by."""
        for name in columns:
            if fields.get(name) is not None:
                values = self.summary.slices.setdefault(name, {})
                values[str(fields[name])] = values.get(str(fields[name]), 0) + 1

    def close(self) -> ShardSummary:
        """Finish the file; what it holds."""
        self._flush()
        self._writer.close()
        self.summary.origins = list(self._origins)
        return self.summary

    def _flush(self) -> None:
        if self._records:
            columns = zip(*self._records, strict=True)
            arrays = [pa.array(column, type=kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
            self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
            self._records = []


class Shard:
    """One unit's records, mapped: reading one touches only its own pages.

    Args:
        folder: The cache folder.
        key: The shard's key.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key
        self.summary = ShardSummary.read(folder / f"{key}.json")

    @staticmethod
    def complete(folder: Path, key: str) -> bool:
        """Whether the cache holds the shard whole."""
        return (folder / f"{key}.json").is_file() and (folder / f"{key}.arrow").is_file()

    def __len__(self) -> int:
        return self.summary.examples

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapping, which another process opens for itself."""
        return {k: v for k, v in self.__dict__.items() if k != "_batches"}

    @cached_property
    def _batches(self) -> list[Any]:
        """Views of the mapped file, all of one size but the last."""
        reader = pa.ipc.open_file(pa.memory_map(str(self.folder / f"{self.key}.arrow")))
        return [reader.get_batch(i) for i in range(reader.num_record_batches)]

    def example(self, record: int) -> Example:
        """One record, whole."""
        number, at = divmod(record, self._batches[0].num_rows)
        batch = self._batches[number]
        inputs, targets, choices, row_id, item_group = (batch.column(i)[at].as_py() for i in range(5))
        origin = self.origin(batch.column("origin")[at].as_py())
        return Example(
            inputs=inputs,
            targets=tuple(targets),
            answer_choices=None if choices is None else tuple(choices),
            dataset=origin.dataset,
            config=origin.config,
            split=origin.split,
            row_id=row_id,
            item_group=item_group,
            template_id=origin.template_id,
            language=origin.language,
            prompt_language=origin.prompt_language,
            task=origin.task,
            source_revision=origin.source_revision,
        )

    def origin(self, number: int) -> Origin:
        """The provenance that records point to as `number`."""
        return self.summary.origins[number]

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column of numbers, (records,)."""
        kind = SCHEMA.field(name).type.to_pandas_dtype()
        parts = [batch.column(name).to_numpy() for batch in self._batches]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)

    def texts(self) -> Iterator[tuple[int, list[str], list[str]]]:
        """The records batch by batch: number of the first, inputs, first targets."""
        first = 0
        for batch in self._batches:
            inputs = batch.column("inputs").to_pylist()
            targets = [targets[0] for targets in batch.column("targets").to_pylist()]
            yield first, inputs, targets
            first += batch.num_rows

    def tables(self, keep: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
        """The kept records batch by batch, as Arrow tables of this module's schema."""
        first = 0
        for batch in self._batches:
            mask = pa.array(keep[first : first + batch.num_rows])
            yield pa.Table.from_batches([batch]).filter(mask)
            first += batch.num_rows


def _origin(example: Example, template: str) -> Origin:
    return Origin(
        dataset=example.dataset,
        config=example.config,
        split=example.split,
        template_id=example.template_id,
        language=example.language,
        prompt_language=example.prompt_language,
        task=example.task,
        source_revision=example.source_revision,
        template=template,
    )


def _listed(texts: Sequence[str] | None) -> list[str] | None:
    return None if texts is None else list(texts)


def origin_columns(shard: Shard, numbers: npt.NDArray[np.int32]) -> dict[str, list[str]]:
    """The origins of some records as columns, by attribute."""
    names = list(Origin.__dataclass_fields__)
    rows = [astuple(origin) for origin in shard.summary.origins]
    return {name: [rows[i][j] for i in numbers.tolist()] for j, name in enumerate(names)}
