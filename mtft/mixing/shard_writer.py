"""Writing one unit's prompted rows into a shard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mtft.mixing.shards import HASHES, SCHEMA, TEXTS, Origin, ShardSummary
from mtft.mixing.text_hashes import Hashes, Places, text_hashes
from mtft.tasks.records import Example

BATCH_ROWS = 2048


def pair_hash(inputs: str, target: str) -> bytes:
    """128 bits of what trains; the input's length keeps the two texts apart."""
    return blake2b(f"{len(inputs)}\n{inputs}{target}".encode(), digest_size=16).digest()


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
        self._seen: set[bytes] = set()
        self._origins: dict[tuple[int, str, str, str], int] = {}
        self._last_row = -1
        self._group, self._group_hash = "", group_hash("")
        self._begin()

    def add(
        self, example: Example, row: int, template: int, template_name: str, texts: Sequence[str] = ()
    ) -> None:
        """One prompted row.

        Args:
            example: The row.
            row: Its number within the unit.
            template: The template's number within the task.
            template_name: And its name.
            texts: The row's own texts, by whose hashes evaluation recognises it (`mtft.mixing.text_hashes`).
        """
        try:
            pair = pair_hash(example.inputs, example.targets[0])
        except UnicodeEncodeError:  # half a character: JSON can hold one, UTF-8 and Arrow cannot
            return self.drop("not_unicode")
        if pair in self._seen:
            return self.drop("duplicate")
        self._seen.add(pair)
        if example.item_group != self._group:
            self._group, self._group_hash = example.item_group, group_hash(example.item_group)
        origin = self._origin(example, template, template_name)
        self._texts.append(
            (example.inputs, example.targets, example.answer_choices, example.row_id, self._group)
        )
        self._numbers.append((row, template, origin))
        self._pairs += pair
        self._groups.append(self._group_hash)
        self._row_texts.append(texts if row != self._last_row else ())
        self.summary.examples += 1
        self.summary.rows += row != self._last_row
        self._last_row = row
        if len(self._texts) == BATCH_ROWS:
            self._flush()
        return None

    def drop(self, reason: str, count: int = 1) -> None:
        """Count prompted rows that are left out."""
        self.summary.drop(reason, count)

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
        return self.summary

    def _origin(self, example: Example, template: int, name: str) -> int:
        """The number of what the record shares with others; a template's rows differ in little of it."""
        key = (template, example.split, example.source_revision, example.language)
        number = self._origins.get(key)
        if number is None:
            number = self._origins[key] = len(self._origins)
            self.summary.origins.append(Origin.of(example, name))
        return number

    def _begin(self) -> None:
        self._texts: list[tuple[str, Sequence[str], Sequence[str] | None, str, str]] = []
        self._numbers: list[tuple[int, int, int]] = []
        self._pairs = bytearray()
        self._groups: list[int] = []
        self._row_texts: list[Sequence[str]] = []

    def _flush(self) -> None:
        if not self._texts:
            return
        columns: list[Any] = list(zip(*self._texts, strict=True))
        arrays = [pa.array(column, type=SCHEMA.field(i).type) for i, column in enumerate(columns)]
        pairs = np.frombuffer(self._pairs, dtype=">u8").reshape(-1, 2).astype(np.uint64)
        numbers = (*np.array(self._numbers).T, *pairs.T, np.array(self._groups, dtype=np.uint64))
        kinds = SCHEMA.types[len(TEXTS) : -len(HASHES)]
        arrays += [
            pa.array(np.ascontiguousarray(column, dtype=kind.to_pandas_dtype()))
            for column, kind in zip(numbers, kinds, strict=True)
        ]
        found = text_hashes(self._row_texts)
        arrays += [_lists(found.ngrams, found.ngram_ends), _lists(found.short, found.short_ends)]
        self._writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
        self._begin()


def _lists(values: Hashes, ends: Places) -> pa.Array:
    """One list per record."""
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))
