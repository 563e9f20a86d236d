"""Named readers, for formats that need more than declared transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mtft.tasks import structured
from mtft.tasks.raw import Drop, Record
from mtft.tasks.xwinograd import read_xwinograd

# The split's files, their place for messages, the folder above the variant's own, and what to call for
# malformed lines.
Reader = Callable[[Sequence[Path], str, Path, Drop], Iterator[Record]]

READERS: dict[str, Reader] = {
    "dart": structured.read_dart,
    "e2e": structured.read_e2e,
    "logicnlg": structured.read_logicnlg,
    "scigen": structured.read_scigen,
    "totto": structured.read_totto,
    "viggo": structured.read_viggo,
    "webnlg": structured.read_webnlg,
    "xwinograd": read_xwinograd,
}
