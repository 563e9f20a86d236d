"""Packed batches under FSDP2 in two processes have the gradients of one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launching import TORCHRUN, launched

SCRIPT = Path(__file__).with_name("packed_fsdp.py")


@pytest.mark.slow
@pytest.mark.processes
def test_fsdp_has_the_gradients_of_one_process(tmp_path: Path) -> None:
    """As the shipped settings wrap the layers, gradient checkpointing off and on; with the penalty of random heads."""
    output = tmp_path / "errors.json"
    launched([*TORCHRUN, SCRIPT, output])
    for errors in json.loads(output.read_text()):
        assert errors
        for name, error in errors.items():
            assert error["loss"] < 1e-6, (name, errors)
            assert error["gradients"] < 1e-5, (name, errors)
