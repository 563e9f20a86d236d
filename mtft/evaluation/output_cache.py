"""Model outputs kept on disk as they are made, so that a killed evaluation goes on where it stopped."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mtft.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

# Log-likelihoods of choices, or a generated text; None where the model's logits were no numbers.
Answer = list[float] | str | None
Item = tuple[str | int, ...]  # in the order of ITEM
# What a request was asked for; its answer may serve several examples.
ITEM = (
    "key", "model", "step", "task", "dataset", "config", "cluster", "language", "prompt_language", "template",
    "template_id", "metric", "id", "item_group",
)  # fmt: skip
_OUTPUTS = pa.schema(
    [("key", pa.string()), ("loglikelihoods", pa.list_(pa.float64())), ("text", pa.string())]
)
_ITEMS = pa.schema([(name, pa.int32() if name == "step" else pa.string()) for name in ITEM])
_FINGERPRINT = b"mtft.fingerprint"


class OutputCache:
    """Outputs of one model under one protocol, by request key.

    Every shard of finished work is one Parquet file, `<folder>/<fingerprint>/<process>-<number>-<random>.parquet`,
    with page checksums, written under another name and renamed; all processes' shards are read, so the number of
    processes may change in between. `items-<hash>.parquet` beside them says what was asked, so that together they
    are a cube of raw outputs before any is scored: `load_outputs`.

    Args:
        folder: Where; None keeps nothing.
        fingerprint: Of model, tokenizer and protocol together: another model's outputs are never found. It stands in
            each file too, so that one that was moved is not taken for this model's.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.folder = folder / fingerprint if folder is not None else None

    def read(self) -> dict[str, Answer]:
        """Every stored output; a shard that is not whole, or another model's, is passed over with a warning."""
        found: dict[str, Answer] = {}
        for table in self._tables("[0-9]*-*.parquet", _OUTPUTS):
            columns = table.to_pydict()
            rows = zip(*(columns[name] for name in _OUTPUTS.names), strict=True)
            found |= {key: text if values is None else values for key, values, text in rows}
        return found

    def write(self, outputs: dict[str, Answer], *, rank: int) -> None:
        """Stores one shard."""
        if self.folder is None or not outputs:
            return
        number = len(list(self.folder.glob(f"{rank}-*.parquet")))
        answers = list(outputs.values())
        columns = {
            "key": list(outputs),
            "loglikelihoods": [a if isinstance(a, list) else None for a in answers],
            "text": [a if isinstance(a, str) else None for a in answers],
        }
        # The number is for people; the random part keeps what another start of the process wrote.
        name = f"{rank}-{number:05d}-{secrets.token_hex(3)}.parquet"
        self._put(pa.table(columns, schema=_OUTPUTS), self.folder / name)

    def items(self) -> pa.Table:
        """What was asked, with the columns `ITEM`, each row once."""
        tables = [_ITEMS.empty_table(), *self._tables("items-*.parquet", _ITEMS)]
        return pa.concat_tables(tables).group_by(list(ITEM)).aggregate([])

    def describe(self, items: Sequence[Item]) -> None:
        """Stores what is asked, once."""
        if self.folder is None or not items:
            return
        digest = hashlib.sha256("\n".join(map(repr, items)).encode("utf-8", "backslashreplace"))
        target = self.folder / f"items-{digest.hexdigest()[:16]}.parquet"
        if not target.is_file():
            columns = zip(ITEM, zip(*items, strict=True), strict=True)
            self._put(pa.table({name: list(each) for name, each in columns}, schema=_ITEMS), target)

    def _put(self, table: pa.Table, target: Path) -> None:
        """Writes a file whole or not at all, its owner in it."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        marked = table.replace_schema_metadata({_FINGERPRINT: self.fingerprint})
        pq.write_table(marked, temporary, compression="zstd", write_page_checksum=True)
        temporary.replace(target)

    def _tables(self, pattern: str, schema: pa.Schema) -> Iterator[pa.Table]:
        """The whole files of this fingerprint."""
        for path in sorted(self.folder.glob(pattern)) if self.folder is not None else ():
            try:
                yield self._table(path, schema)
            except (OSError, pa.ArrowException, KeyError, ValueError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                logger.warning("%s is passed over, and its examples are scored again: %s", path, reason)

    def _table(self, path: Path, schema: pa.Schema) -> pa.Table:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            owner = (file.schema_arrow.metadata or {}).get(_FINGERPRINT, b"").decode()
            if owner != self.fingerprint:
                raise ValueError(f"outputs of {owner or 'an unknown model'}, not of {self.fingerprint}")
            return file.read(schema.names).select(schema.names).replace_schema_metadata().cast(schema)


def load_outputs(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """What a model has answered so far in an evaluation that still runs, or was killed: raw outputs, not yet scored.

    Columns, those of text as categories: `key` (equal for identical requests), `model`, `step`, `task`, `dataset`,
    `config`, `cluster`, `language`, `prompt_language`, `template`, `template_id`, `metric`, `id`, `item_group`; and,
    not as categories, `loglikelihoods` (one per choice) or `text`. One row per example and metric with an answer.

    Args:
        folder: The evaluation's; its shards stand in `outputs`.

    Raises:
        RunError: There are none.
    """
    owners = sorted({path.parent for path in Path(folder).rglob("outputs/*/items-*.parquet")})
    if not owners:
        raise RunError(
            "An evaluation's folder must hold outputs, which are kept while it runs.",
            found="none",
            where=folder,
        )
    tables = [_answered(OutputCache(owner.parent, owner.name)) for owner in owners]
    frame: pd.DataFrame = pa.concat_tables(tables).unify_dictionaries().to_pandas()
    return frame


def _answered(cache: OutputCache) -> pa.Table:
    """What was asked and has its answer, with it."""
    answers, items = cache.read(), cache.items()
    items = items.filter(pc.is_in(items.column("key"), pa.array(list(answers), pa.string())))
    found = [answers[key] for key in items.column("key").to_pylist()]
    columns = {
        name: items.column(name) if name == "step" else items.column(name).dictionary_encode()
        for name in ITEM
    }
    lists = [each if isinstance(each, list) else None for each in found]
    texts = [each if isinstance(each, str) else None for each in found]
    return pa.table(
        {
            **columns,
            "loglikelihoods": pa.array(lists, pa.list_(pa.float64())),
            "text": pa.array(texts, pa.string()),
        }
    )
