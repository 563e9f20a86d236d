"""One unit's prompted rows on disk: an Arrow file, memory-mapped when read, and a JSON file that says it is
complete.

Arrow's file format, and not Parquet, because training reads single rows in random order: a mapped record
costs microseconds and no memory, where Parquet would decode a whole row group for each. `mtft.mixing.export`
writes Parquet.

    <key>.arrow     one record per prompted row, in the order of rows, then templates
    <key>.json      counts, drop reasons, the origins that the records point to, and the Arrow file's size and
                    hash; under a hash of its own; written last
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mtft.mixing.files import digest_of, replacing
from mtft.tasks.records import Example

logger = logging.getLogger(__name__)

TEXTS = ("inputs", "targets", "answer_choices", "row_id", "item_group")  # the columns before the numbers
HASHES = ("ngrams", "short")  # the columns behind them; a row's hashes stand in its first record
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
        *((name, pa.list_(pa.uint64())) for name in HASHES),
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

    @classmethod
    def of(cls, example: Example, template: str) -> Origin:
        """An example's, under the template of this name."""
        names = [name for name in cls.__dataclass_fields__ if name != "template"]
        return cls(**{name: getattr(example, name) for name in names}, template=template)


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
        parts: What decided the records, as `mtft.mixing.fingerprints.parts_of` names it.
        size: Bytes of the Arrow file.
        sha256: Its hash.
    """

    unit: str
    rows: int = 0
    examples: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    problems: dict[str, Any] = field(default_factory=dict)
    origins: list[Origin] = field(default_factory=list)
    sample: dict[str, Any] = field(default_factory=dict)
    slices: dict[str, dict[str, int]] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    sha256: str = ""

    def drop(self, reason: str, count: int = 1) -> None:
        """Count prompted rows that are left out."""
        self.dropped[reason] = self.dropped.get(reason, 0) + count

    def write(self, path: Path) -> None:
        """To JSON, under a temporary name first."""
        content = asdict(self)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"sha256": _hash(content), "summary": content}), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> ShardSummary:
        """From JSON.

        Raises:
            ValueError: It is not what was written.
        """
        hashed = json.loads(path.read_text(encoding="utf-8"))
        content = hashed["summary"]
        if _hash(content) != hashed["sha256"]:
            raise ValueError("the summary has another hash")
        return cls(**content | {"origins": [Origin(**origin) for origin in content["origins"]]})


def _hash(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content).encode()).hexdigest()


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

    @classmethod
    def find(cls, folder: Path, key: str, *, verify: bool) -> Shard | None:
        """The shard, if the cache holds it whole; one that is damaged is reported and counts as missing.

        Args:
            folder: The cache folder.
            key: The shard's key.
            verify: Read all of it and compare its hash; else only its size.
        """
        path = folder / f"{key}.arrow"
        try:
            shard = cls(folder, key)
            harmed = path.stat().st_size != shard.summary.size
            if not harmed and (not verify or digest_of(path).hex() == shard.summary.sha256):
                return shard
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):  # not JSON, not UTF-8, or not ours
            path = folder / f"{key}.json"
        logger.warning("%s does not have the hash it was written with: the shard is rendered again", path)
        return None

    def __len__(self) -> int:
        return self.summary.examples

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapping, which another process opens for itself."""
        return {k: v for k, v in self.__dict__.items() if k != "_file"}

    @cached_property
    def _file(self) -> Any:
        """The mapped file; its batches are views into it, all of one size but the last."""
        return pa.ipc.open_file(pa.memory_map(str(self.folder / f"{self.key}.arrow")))

    @cached_property
    def batch_rows(self) -> int:
        """Records of each batch but the last, which may have fewer."""
        return int(self._file.get_batch(0).num_rows) if len(self) else 1

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return int(self._file.num_record_batches)

    def example(self, record: int) -> Example:
        """One record, whole."""
        number, at = divmod(record, self.batch_rows)
        batch = self._file.get_batch(number)  # a view: no list of all of them is kept
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
        found = np.empty(len(self), dtype=kind)
        for first, batch in self._views():
            found[first : first + batch.num_rows] = batch.column(name).to_numpy()
        return found

    def hashes(self, name: str, keep: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.uint64]]:
        """A column of hashes (`HASHES`) batch by batch, of the kept records, whose hashes follow one another."""
        for first, batch in self._views():
            column = batch.column(name)
            sizes = np.diff(column.offsets.to_numpy())
            kept = np.repeat(keep[first : first + batch.num_rows], sizes)
            yield column.flatten().to_numpy()[kept]

    def texts(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, list[str], list[str]]]:
        """The records of batches `start` up to `stop`: number of a batch's first, its inputs, its first targets."""
        for first, batch in self._views(start, stop):
            targets = batch.column("targets")
            firsts = targets.flatten().take(pc.subtract(targets.offsets[:-1], targets.offsets[0]))
            yield first, batch.column("inputs").to_pylist(), firsts.to_pylist()

    def tables(self, keep: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
        """The kept records batch by batch, as Arrow tables of this module's schema."""
        for first, batch in self._views():
            mask = pa.array(keep[first : first + batch.num_rows])
            yield pa.Table.from_batches([batch]).filter(mask)

    def _views(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Any]]:
        """Number of the first record and the batch, for each of some batches."""
        for number in range(start, self.batches if stop is None else min(stop, self.batches)):
            yield number * self.batch_rows, self._file.get_batch(number)


def origin_columns(shard: Shard, numbers: npt.NDArray[np.int32]) -> dict[str, list[str]]:
    """The origins of some records as columns, by attribute."""
    names = list(Origin.__dataclass_fields__)
    rows = [astuple(origin) for origin in shard.summary.origins]
    return {name: [rows[i][j] for i in numbers.tolist()] for j, name in enumerate(names)}
