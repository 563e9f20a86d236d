"""Two processes, also under ZeRO-3, weigh as one process does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mtft.resources import builtin_folder
from tests.launching import TORCHRUN, launched
from tests.training.launched_balancing import METHODS, balance

pytest.importorskip("torchjd.scalarization")
pytestmark = pytest.mark.processes

SCRIPT = Path(__file__).with_name("launched_balancing.py")


def _check(folder: Path, methods: tuple[str, ...], rtol: float) -> None:
    two = json.loads((folder / "balanced.json").read_text())
    for method in methods:
        one = balance(folder / f"one-{method}", method)
        assert len(one) == len(two[method]) == 4
        for alone, shared in zip(one, two[method], strict=True):
            assert sorted(alone) == sorted(shared)
            np.testing.assert_allclose([shared[name] for name in alone], list(alone.values()), rtol=rtol)


def test_two_processes_weigh_as_one(tmp_path: Path) -> None:
    launched([*TORCHRUN, SCRIPT, tmp_path])
    _check(tmp_path, METHODS, 5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["zero1", "zero2", "zero3"])
def test_zero_weighs_as_one_process(tmp_path: Path, stage: str) -> None:
    config = builtin_folder("recipes") / "deepspeed" / f"{stage}.json"
    command = [*TORCHRUN, SCRIPT, tmp_path, "--deepspeed", config, "--methods", "famo,coba"]
    launched(command, extensions=tmp_path / "extensions")
    _check(tmp_path, ("famo", "coba"), 1e-2)


@pytest.mark.slow
def test_fsdp_weighs_as_one_process(tmp_path: Path) -> None:
    """BLOOM in FSDP2: FAMO's forward after the update, and CoBa's validation."""
    output = tmp_path / "differences.json"
    launched([*TORCHRUN, Path(__file__).with_name("balanced_fsdp.py"), output])
    found = json.loads(output.read_text())
    assert set(found) == {"famo", "coba"}
    assert max(found.values()) < 5e-3, found
