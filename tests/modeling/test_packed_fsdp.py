"""Packed batches under FSDP2 in two processes have the gradients of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("packed_fsdp.py")
TIMEOUT = 300


@pytest.mark.slow
@pytest.mark.processes
def test_fsdp_has_the_gradients_of_one_process(tmp_path: Path) -> None:
    """As the shipped settings wrap the layers, gradient checkpointing off and on."""
    output = tmp_path / "errors.json"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[2]), os.environ.get("PYTHONPATH", "")]),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    finished = subprocess.run(
        [*command, str(SCRIPT), str(output)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert finished.returncode == 0, (finished.stdout + finished.stderr)[-4000:]
    for errors in json.loads(output.read_text()):
        assert errors
        for name, error in errors.items():
            assert error["loss"] < 1e-6, (name, errors)
            assert error["gradients"] < 1e-5, (name, errors)
