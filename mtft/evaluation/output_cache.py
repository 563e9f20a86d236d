"""Model outputs kept on disk as they are made, so that a killed evaluation goes on where it stopped."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

logger = logging.getLogger(__name__)

Answer = list[float] | str
SCHEMA = pa.schema([("key", pa.string()), ("loglikelihoods", pa.list_(pa.float64())), ("text", pa.string())])
_FINGERPRINT = b"mtft.fingerprint"


class OutputCache:
    """Outputs of one model under one protocol, by request key.

    Every shard of finished work is one Parquet file, `<folder>/<fingerprint>/<process>-<number>-<random>.parquet`,
    with page checksums, written under another name and renamed; all processes' shards are read, so the number of
    processes may change in between.

    Args:
        folder: Where; None keeps nothing.
        fingerprint: Of model, tokenizer and protocol together: another model's outputs are never found. It stands in
            each shard too, so that one that was moved is not taken for this model's.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.folder = folder / fingerprint if folder is not None else None

    def read(self) -> dict[str, Answer]:
        """Every stored output; a shard that is not whole, or another model's, is passed over with a warning."""
        found: dict[str, Answer] = {}
        if self.folder is None or not self.folder.is_dir():
            return found
        for path in sorted(self.folder.glob("*.parquet")):
            try:
                found |= self._read(path)
            except (OSError, pa.ArrowException, KeyError, ValueError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                logger.warning("%s is passed over, and its examples are scored again: %s", path, reason)
        return found

    def write(self, outputs: dict[str, Answer], *, rank: int) -> None:
        """Stores one shard."""
        if self.folder is None or not outputs:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self.folder.glob(f"{rank}-*.parquet")))
        # The number is for people; the random part keeps what another start of the process wrote.
        target = self.folder / f"{rank}-{number:05d}-{secrets.token_hex(3)}.parquet"
        answers = list(outputs.values())
        columns = {
            "key": list(outputs),
            "loglikelihoods": [a if isinstance(a, list) else None for a in answers],
            "text": [a if isinstance(a, str) else None for a in answers],
        }
        table = pa.table(columns, schema=SCHEMA.with_metadata({_FINGERPRINT: self.fingerprint}))
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        temporary.replace(target)

    def _read(self, path: Path) -> dict[str, Answer]:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            owner = (file.schema_arrow.metadata or {}).get(_FINGERPRINT, b"").decode()
            if owner != self.fingerprint:
                raise ValueError(f"outputs of {owner or 'an unknown model'}, not of {self.fingerprint}")
            columns = file.read(SCHEMA.names).to_pydict()
        rows = zip(*(columns[name] for name in SCHEMA.names), strict=True)
        return {key: text if values is None else values for key, values, text in rows}
