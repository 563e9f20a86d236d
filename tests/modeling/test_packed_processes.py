"""Packed batches under DeepSpeed ZeRO-3 in two processes: the tied head's gradients are those of one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("packed_zero3.py")
TIMEOUT = 400


@pytest.mark.slow
@pytest.mark.processes
def test_zero_3_has_the_gradients_of_one_process(tmp_path: Path) -> None:
    """Both families, gradient checkpointing off and on; weights are partitioned between forwards."""
    output = tmp_path / "errors.json"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SCRIPT.parents[2]), os.environ.get("PYTHONPATH", "")]),
        "TORCH_EXTENSIONS_DIR": str(tmp_path / "extensions"),
        "DS_ACCELERATOR": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    process = subprocess.Popen(
        [*command, str(SCRIPT), str(output)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        text, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        pytest.fail(f"no end after {TIMEOUT} s: {text[-3000:]}")
    assert process.returncode == 0, text[-4000:]
    for errors in json.loads(output.read_text()):
        assert len(errors) == 4
        for name, error in errors.items():
            assert error["loss"] < 1e-6, (name, errors)
            assert error["gradients"] < 1e-5, (name, errors)
