"""Work in processes of our own: every result once, errors as they were, nothing left behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtft.errors import MissingExtraError, MixtureError, TaskError
from mtft.mixing.worker import _refusal
from mtft.mixing.workers import Processes

ROOT = Path(__file__).resolve().parents[2]
PARENT = """
import sys
from mtft.mixing.workers import Processes
from tests.mixing.test_workers import linger
list(Processes(2).results(linger, sys.argv[1], [0, 1]))
"""


def scaled(factor: int, job: int) -> tuple[int, int]:
    print("what a job prints disturbs no answer")
    return factor * job, os.getpid()


def fail(how: str, job: int) -> int:
    if job == 1:
        if how == "exit":
            os._exit(3)
        raise TaskError("A row must be right.", found="a wrong one", where="file:3", remedy="Mend it.")
    time.sleep(60 if job else 0)
    return job


def linger(folder: str, job: int) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(2) as started:
        yield started


def test_every_job_is_done_once_and_processes_are_used_again(processes: Processes) -> None:
    found = dict(processes.results(scaled, 3, range(20)))
    assert {number: value for number, (value, _) in found.items()} == {n: 3 * n for n in range(20)}
    pids = {pid for _, pid in found.values()}
    assert os.getpid() not in pids
    again = dict(processes.results(scaled, 5, range(7)))
    assert {number: value for number, (value, _) in again.items()} == {n: 5 * n for n in range(7)}
    assert {pid for _, pid in again.values()} <= pids


def test_one_process_or_one_job_stays_here(processes: Processes) -> None:
    assert list(Processes(1).results(scaled, 3, [1, 2])) == [(0, (3, os.getpid())), (1, (6, os.getpid()))]
    assert list(processes.results(scaled, 3, [4])) == [(0, (12, os.getpid()))]
    assert Processes(None).count >= 1


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("raise", TaskError, r"^file:3: A row must be right. Found: a wrong one. Mend it.$"),
        ("exit", MixtureError, r"process must live.*exit code 3.*num_proc"),
    ],
)
def test_an_error_is_raised_here_and_the_rest_is_given_up(how: str, kind: Any, message: str) -> None:
    started = time.monotonic()
    with Processes(2) as own, pytest.raises(kind, match=message):
        list(own.results(fail, how, [0, 1, 2, 3]))
    assert time.monotonic() - started < 30  # the sleeping job was not waited for


def test_an_error_that_does_not_pickle_is_told_in_words() -> None:
    good, (error, text) = pickle.loads(_refusal(MissingExtraError("part", extra="gpu", purpose="This")))
    assert not good
    assert "MissingExtraError: This needs the package `part`" in str(error)
    assert text


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT)
    while len(busy := list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 60
    while any(alive(int(path.name)) for path in busy) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(alive(int(path.name)) for path in busy)
