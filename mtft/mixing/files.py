"""Files of the cache: put in place whole, claimed by one process at a time, and known by their hash."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

if sys.platform != "win32":  # there two builds at once do the same work twice, and nothing worse
    import fcntl

logger = logging.getLogger(__name__)

DIGEST = 32  # bytes of SHA-256
_BLOCK = 1 << 20


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` if the block ends well, and is removed if not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def claimed(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process may write the files that begin with `path`, and no other does meanwhile.

    A claim ends with its process, however that ends; what a killed one left half-written is removed here.

    Args:
        path: Without a suffix.
        wait: Come back when the claim is free; else False at once where another process has it.
    """
    lock = path.with_name(f".{path.name}.lock")
    file = _locked(lock, wait=wait)
    if file is None:
        yield False
        return
    try:
        for left in path.parent.glob(f".{path.name}*.tmp"):
            left.unlink(missing_ok=True)
        yield True
    finally:
        lock.unlink(missing_ok=True)
        file.close()


def _locked(lock: Path, *, wait: bool) -> IO[bytes] | None:
    """The lock file, open and locked; None where another process holds it and waiting is not wanted."""
    while True:
        file = lock.open("ab")
        if sys.platform == "win32":
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            return None
        except OSError:  # a file system without locks
            return file
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()  # its last holder removed it: this lock is on a file that no one else will find


def digest_of(path: Path, size: int | None = None) -> bytes:
    """SHA-256 of a file, or of its first `size` bytes; 32 bytes."""
    digest, left = hashlib.sha256(), path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while left and (block := file.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.digest()


def keep_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Writes an array as NumPy does, and its hash behind it."""
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            np.save(file, array)
        seal(temporary)


def kept_array(path: Path) -> npt.NDArray[Any] | None:
    """An array that `keep_array` wrote, mapped into memory; None where there is none, or none unharmed."""
    if sealed_size(path) is None:
        return None
    found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def seal(path: Path) -> None:
    """Write a file's hash behind it."""
    digest = digest_of(path)
    with path.open("ab") as file:
        file.write(digest)


def sealed_size(path: Path) -> int | None:
    """Bytes of a file before the hash that `seal` wrote; None where there is no file, or none unharmed."""
    try:
        size = path.stat().st_size - DIGEST
        with path.open("rb") as file:
            file.seek(max(size, 0))
            recorded = file.read()
        if size > 0 and digest_of(path, size) == recorded:
            return size
    except FileNotFoundError:
        return None
    logger.warning("%s does not have the hash it was written with: it is made anew", path)
    return None
