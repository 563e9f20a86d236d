"""Packed batches under DeepSpeed ZeRO-3 in two processes: the tied head's gradients are those of one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launching import TORCHRUN, launched

SCRIPT = Path(__file__).with_name("packed_zero3.py")


@pytest.mark.slow
@pytest.mark.processes
def test_zero_3_has_the_gradients_of_one_process(tmp_path: Path) -> None:
    """Both families, gradient checkpointing off and on; weights are partitioned between forwards."""
    output = tmp_path / "errors.json"
    launched([*TORCHRUN, SCRIPT, output], extensions=tmp_path / "extensions")
    for errors in json.loads(output.read_text()):
        assert len(errors) == 4
        for name, error in errors.items():
            assert error["loss"] < 1e-6, (name, errors)
            assert error["gradients"] < 1e-5, (name, errors)
