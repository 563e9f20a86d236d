"""The cache of a build: in several processes, killed, damaged, shared, and mapped when read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mtft.errors import TaskError
from mtft.mixing import BuiltMixture, Mixture, build_mixture
from mtft.mixing.files import claimed
from tests.mixing.conftest import SPEC, World, count_words

BUILD = """
import sys
from pathlib import Path
from tests.mixing.conftest import World
World(Path(sys.argv[1])).build(cache="killed", num_proc=int(sys.argv[2]))
"""
ROOT = Path(__file__).resolve().parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_several_processes_write_the_same_files_as_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = world.build(cache="one")
    one.index(count_words)
    two = world.build(cache="two", num_proc=2)
    monkeypatch.setattr("mtft.mixing.measuring.PIECE", 1)
    two.index(count_words, num_proc=2)
    assert contents(one.folder) == contents(two.folder)
    assert list(one.texts()) == list(two.texts())


def test_pieces_of_a_shard_are_measured_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = world.build(cache="whole")
    monkeypatch.setattr("mtft.mixing.shard_writer.BATCH_ROWS", 8)
    monkeypatch.setattr("mtft.mixing.measuring.PIECE", 3)
    cut = world.build(cache="cut")
    assert cut.shards[0].batches > 4
    for a, b in zip(whole.index(count_words).units, cut.index(count_words).units, strict=True):
        assert (a.lengths == b.lengths).all()


def test_a_bad_row_is_fatal_under_strict_in_whatever_process(world: World) -> None:
    world.append("mood/de/train.jsonl", '{"id": 62, "text": "cut o')
    with pytest.raises(TaskError, match=r"mood/de/train\.jsonl"):
        world.build(strict=True, num_proc=2)
    world.build(num_proc=2)  # what the processes given up left half-written is cleared away
    assert not list((world.root / "cache").glob(".*.tmp"))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_build_killed_outright_goes_on_with_what_is_missing(world: World, processes: int) -> None:
    """What stands there is kept. A real process is killed; it cannot end, as the last shard is claimed here."""
    for language in ("en", "de"):
        rows = [{"id": i, "text": f"{i} {language}", "label": i % 2} for i in range(1000, 3000)]
        world.write(f"thing/{language}/all.jsonl", rows)
    whole = world.build(cache="whole")
    folder = world.root / "killed"
    folder.mkdir()
    with claimed(folder / whole.shards[-1].key, wait=False):
        command = [sys.executable, "-c", BUILD, str(world.root), str(processes)]
        building = subprocess.Popen(command, cwd=ROOT)
        while building.poll() is None and not list(folder.glob("*.json")):
            time.sleep(0.005)
        building.send_signal(signal.SIGKILL)
        assert building.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert kept
    again = world.build(cache="killed", num_proc=processes)
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    left = {path.name for path in folder.iterdir() if path.name.startswith(".")}
    # no half files; killed between a shard's last file and its lock's removal, an empty lock stays and holds nothing up
    assert left <= {f".{path.stem}.lock" for path in kept}
    for name in left:
        (folder / name).unlink()
    assert list(again.texts()) == list(whole.texts())
    assert contents(again.folder) == contents(whole.folder)


def harm(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("suffix", [".arrow", ".json", "-words.npy", "-groups.npy", "-verdicts.npy"])
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_damaged_file_is_told_and_made_again(
    world: World, suffix: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    built = world.build()
    index = built.index(count_words)
    before = contents(built.folder)
    order = Mixture(built, index).fingerprint
    hurt = sorted(path for path in built.folder.iterdir() if path.name.endswith(suffix))[0]
    harm(hurt, how)
    again = world.build()
    assert Mixture(again, again.index(count_words)).fingerprint == order
    assert contents(again.folder) == before
    assert "does not have the hash it was written with" in caplog.text
    assert hurt.name in caplog.text


def test_without_verification_only_a_files_size_is_looked_at(world: World) -> None:
    built = world.build()
    paths = [built.folder / f"{shard.key}.arrow" for shard in built.shards]
    whole = paths[0].read_bytes()
    harm(paths[0], "flipped")
    harm(paths[1], "cut")
    size = paths[1].stat().st_size
    world.build(verify=False)
    assert paths[0].read_bytes() != whole
    assert paths[1].stat().st_size > size


def test_builds_at_the_same_time_share_the_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process is rendering is left to it; the rest is done meanwhile."""
    keys = [shard.key for shard in world.build(cache="known").shards]
    folder = world.root / "shared"
    folder.mkdir()
    done: list[BuiltMixture] = []
    with claimed(folder / keys[0], wait=False):
        thread = threading.Thread(target=lambda: done.append(world.build(cache="shared")))
        thread.start()
        while len(list(folder.glob("*.json"))) < 3:
            time.sleep(0.005)
        assert not (folder / f"{keys[0]}.json").exists()
        assert thread.is_alive()
    thread.join()
    assert list(done[0].texts()) == list(world.build(cache="known").texts())


def test_rows_are_mapped_and_not_read(world: World) -> None:
    """Neither opening a large shard nor reading single rows takes memory of the shard's size."""
    long = "many words " * 400
    world.write("mood/en/train.jsonl", [{"id": i, "text": f"{i} {long}", "label": 0} for i in range(1000)])
    spec = world.spec(SPEC.replace("[mood, thing]", "[{task: mood, languages: [en, sw]}]"))
    world.build(spec=spec).index(count_words)
    before = pa.total_allocated_bytes()
    built = build_mixture(spec, world.cells(spec), world.sources(), world.root / "cache")
    mixture = Mixture(built, built.index(count_words))
    assert built.shards[0].summary.size > 8_000_000
    examples = mixture.examples(np.arange(0, 1000, 50))
    assert all(len(example.inputs) > 4000 for example in examples)
    assert pa.total_allocated_bytes() - before < 100_000
    assert all(isinstance(unit.lengths, np.memmap) for unit in mixture.index.units)


def test_the_summary_tells_what_decided_the_records(world: World) -> None:
    shard = world.build().shards[0]
    stored = json.loads((shard.folder / f"{shard.key}.json").read_text())["summary"]
    assert stored["parts"] == shard.summary.parts
    assert list(shard.summary.parts["templates"]) == ["ask", "tell", "only the good"]
    assert stored["size"] == os.path.getsize(shard.folder / f"{shard.key}.arrow")
