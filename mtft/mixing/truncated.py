"""The shortened prompts of one shard on disk, memory-mapped when read.

`<key>-<measure>-<tokens>.arrow` holds, per record that was shortened to so many tokens, its number, its prompt, its
lengths and the hash of what trains; and behind them the file's own hash.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtft.mixing.files import sealed_size

SCHEMA = pa.schema(
    [
        ("record", pa.int32()),
        ("inputs", pa.string()),
        ("input_tokens", pa.int32()),
        ("target_tokens", pa.int32()),
        ("pair_high", pa.uint64()),
        ("pair_low", pa.uint64()),
    ]
)


class TruncatedPrompts:
    """The shortened prompts of a shard, mapped: reading one touches only its own pages.

    Args:
        path: The file.
        size: Its bytes before its hash.

    Attributes:
        records: (n,) int32, the records whose prompts these are; ascending.
        lengths: (2, n) int32, tokens of prompt and target: what stands between the two may change with the prompt.
        pairs: (2, n) uint64, the halves of `pair_hash`.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self.records: npt.NDArray[np.int32] = self._column("record")
        self.lengths: npt.NDArray[np.int32] = np.stack(
            [self._column("input_tokens"), self._column("target_tokens")]
        )
        self.pairs: npt.NDArray[np.uint64] = np.stack([self._column("pair_high"), self._column("pair_low")])

    @classmethod
    def find(cls, path: Path) -> TruncatedPrompts | None:
        """Those of a file; None where there is none, or none unharmed."""
        size = sealed_size(path)
        return None if size is None else cls(path, size)

    def __len__(self) -> int:
        return len(self.records)

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapping, which another process opens for itself."""
        return {k: v for k, v in self.__dict__.items() if k != "_file"}

    def prompt(self, record: int) -> str | None:
        """The shortened prompt of a record; None where it was not shortened."""
        place = int(np.searchsorted(self.records, record))
        if place == len(self) or self.records[place] != record:
            return None
        batch_rows = int(self._file.get_batch(0).num_rows)  # of all batches but the last
        number, at = divmod(place, batch_rows)
        text: str = self._file.get_batch(number).column("inputs")[at].as_py()
        return text

    def put_into(self, table: pa.Table, records: npt.NDArray[np.int32]) -> pa.Table:
        """A table of these records of the shard, the column `inputs` with the shortened prompts."""
        places = np.flatnonzero(np.isin(records, self.records)).tolist()
        if not places:
            return table
        prompts = table.column("inputs").to_pylist()
        for place in places:
            prompts[place] = self.prompt(int(records[place]))
        column = table.schema.get_field_index("inputs")
        return table.set_column(column, table.schema.field(column), pa.array(prompts, pa.string()))

    @cached_property
    def _file(self) -> Any:
        return pa.ipc.open_file(pa.memory_map(str(self._path)), footer_offset=self._size)

    def _column(self, name: str) -> npt.NDArray[Any]:
        return self._file.read_all().column(name).to_numpy()  # type: ignore[no-any-return]
