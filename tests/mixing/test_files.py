"""Files of the cache: whole or absent, written by one process at a time, known by their hash."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mtft.mixing.files import claimed, digest_of, keep_array, kept_array, replacing

HOLDER = """
import sys
from pathlib import Path
from mtft.mixing.files import claimed
with claimed(Path(sys.argv[1]), wait=True):
    (Path(sys.argv[1]).parent / ".shard.arrow.1-ab.tmp").write_text("half")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as temporary:
        temporary.write_text("first")
    with pytest.raises(FileNotFoundError), replacing(path):
        (tmp_path / "none").read_text()
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_claim_is_one_processs_until_it_ends_however_that_is(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with claimed(path, wait=False) as ours:
        assert not ours
    holder.kill()
    with claimed(path, wait=True) as ours:
        assert ours
        assert [left.name for left in tmp_path.iterdir()] == [".shard.lock"]  # its half-written file is gone
        with claimed(tmp_path / "other", wait=False) as another:
            assert another
    assert list(tmp_path.iterdir()) == []
    holder.communicate()


def test_a_digest_is_that_of_the_files_beginning(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = bytes(range(256)) * 9000
    path.write_bytes(content)
    assert digest_of(path) == hashlib.sha256(content).digest()
    assert digest_of(path, 2**20 + 5) == hashlib.sha256(content[: 2**20 + 5]).digest()


@pytest.mark.parametrize("array", [np.arange(12, dtype=np.int32).reshape(2, 6), np.zeros((2, 0), np.int32)])
def test_a_kept_array_comes_back_mapped(tmp_path: Path, array: np.ndarray) -> None:
    keep_array(tmp_path / "a.npy", array)
    found = kept_array(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert (found == array).all()
    assert kept_array(tmp_path / "b.npy") is None


@pytest.mark.parametrize("place", [0, 50, 130, -1])
def test_a_harmed_array_is_none(tmp_path: Path, place: int, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.npy"
    keep_array(path, np.arange(12))
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert kept_array(path) is None
    path.write_bytes(content[:20])
    assert kept_array(path) is None
    assert caplog.text.count("is made anew") == 2
