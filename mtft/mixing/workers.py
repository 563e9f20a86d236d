"""Work dealt to processes of our own: results as they come, and no process left behind.

The processes are started afresh, not forked: a fork copies the locks that tokenizers', Arrow's and torch's threads
may hold at that moment. Nor do they run the caller's script again, as `multiprocessing` would.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

from mtft.errors import MixtureError

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")

OPENING, JOB = b"o", b"j"  # what a message to a process begins with
PATIENCE = 5.0  # seconds that a process has to clean up after itself
# Each process has one core's work; libraries that would start threads of their own are told so.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def available_cores() -> int:
    """Cores that this process may use."""
    known = getattr(os, "sched_getaffinity", None)
    return len(known(0)) if known else os.cpu_count() or 1


class Processes:
    """Up to `num_proc` processes, started when there is work for more than one; leaving the block ends them.

    Args:
        num_proc: Processes; None for one per core. With one, everything is done in the caller's process.
    """

    def __init__(self, num_proc: int | None = 1) -> None:
        self.count = available_cores() if num_proc is None else num_proc
        self._started: list[_Process] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.stop()
        for process in self._started:
            process.end()

    def results(
        self, function: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job]
    ) -> Iterator[tuple[int, Result]]:
        """`function(shared, job)` of every job with the job's number, in the order in which they are done.

        Args:
            function: Of a module, so that a process can import it.
            shared: What all jobs need; each process gets it once.
            jobs: What differs.

        Raises:
            MixtureError: A process ended before its work was done.
            Exception: What the function raised; the other jobs are given up.
        """
        count = min(self.count, len(jobs))
        if count <= 1:
            for number, job in enumerate(jobs):
                yield number, function(shared, job)
            return
        self._started += [_Process() for _ in range(count - len(self._started))]
        free: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        opening = pickle.dumps((function, shared))
        for process in self._started[:count]:
            process.opening = opening
            free.put(process)

        def done(number: int) -> tuple[int, Result]:
            process = free.get()
            try:
                return number, process.result(jobs[number])
            finally:
                free.put(process)

        with ThreadPoolExecutor(count) as pool:
            try:
                for future in as_completed([pool.submit(done, number) for number in range(len(jobs))]):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.__exit__()  # a job under way is not waited for
                self._started = []
                raise


class _Process:
    """A process of `mtft.mixing.worker`.

    Attributes:
        opening: Pickled function and shared part of the jobs to come; empty once they were sent.
    """

    def __init__(self) -> None:
        environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.opening = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mtft.mixing.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def stop(self) -> None:
        """Close its input: it then stops, even in the midst of a job."""
        with contextlib.suppress(OSError):
            self._to.close()

    def end(self) -> int:
        """Wait until it has stopped, or make it; the exit code."""
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        self._from.close()
        return code

    @property
    def _to(self) -> Any:
        return self._process.stdin

    @property
    def _from(self) -> Any:
        return self._process.stdout

    def result(self, job: object) -> Any:
        """What the function makes of a job.

        Raises:
            MixtureError: The process ended.
            Exception: What the function raised.
        """
        try:
            if self.opening:
                send(self._to, OPENING + self.opening)
            self.opening = b""
            send(self._to, JOB + pickle.dumps(job))
            good, result = pickle.loads(receive(self._from))  # our own process's
        except (EOFError, OSError) as error:
            raise MixtureError(
                "A process must live until its work is done.",
                found=f"exit code {self.end()}",
                remedy="Where memory ran out, use fewer processes (`num_proc`).",
            ) from error
        if good:
            return result
        raised, text = result
        raise raised from RuntimeError(f"in a process of its own:\n{text}")


def send(stream: Any, message: bytes) -> None:
    """Write a message that `receive` reads."""
    stream.write(len(message).to_bytes(8, "big") + message)
    stream.flush()


def receive(stream: Any) -> bytes:
    """Read a message.

    Raises:
        EOFError: The other side is gone.
    """
    size = int.from_bytes(_exactly(stream, 8), "big")
    return _exactly(stream, size)


def _exactly(stream: Any, size: int) -> bytes:
    found: bytes = stream.read(size)
    if len(found) < size:
        raise EOFError
    return found
