"""Starts a script in several processes on this machine, for the tests of what several processes do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"),
    # the launcher finds a free port and keeps it; one that is looked for beforehand may be taken by the start
    *("--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0"),
)
ACCELERATE = (sys.executable, "-m", "accelerate.commands.launch", "--main_process_port", "0")
# What the machine's network did, and not what the script did.
_CONNECTIONS = re.compile(
    r"EADDRINUSE|[Aa]ddress already in use|Port `\d+` is already in use|Connection reset by peer"
    r"|Connection closed by peer|Connection refused|DistNetworkError|DistStoreError"
)


def launched(
    command: Sequence[str | Path],
    *,
    timeout: float = 400,
    extensions: Path | None = None,
    check: bool = True,
    killed: bool = False,
) -> str:
    """What the command printed; a start whose connections failed is tried once more.

    Args:
        command: `TORCHRUN` or `ACCELERATE`, the script and its flags.
        timeout: Seconds after which all its processes are killed and the test fails.
        extensions: Where DeepSpeed builds its C++ part. Our own folder, since a build that was killed leaves a lock
            that is waited for without end.
        check: Whether the test fails where the command does.
        killed: Whether the script kills itself, so that lost connections are no reason to start again.
    """
    built = {"TORCH_EXTENSIONS_DIR": str(extensions)} if extensions is not None else {}
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TOP), os.environ.get("PYTHONPATH", "")]),
        "DS_ACCELERATOR": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **built,
    }
    status, output = _run([str(part) for part in command], environment, timeout)
    if status != 0 and not killed and _CONNECTIONS.search(output):
        status, output = _run([str(part) for part in command], environment, timeout)
    if check and not killed and status != 0:
        pytest.fail(f"exit status {status}; its output ends in\n{output[-4000:]}", pytrace=False)
    return output


def _run(command: list[str], environment: dict[str, str], timeout: float) -> tuple[int, str]:
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        pytest.fail(f"no end after {timeout} s: {output[-3000:]}", pytrace=False)
    return process.returncode, output
