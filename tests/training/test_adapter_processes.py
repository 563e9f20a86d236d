"""Adapters under several processes, data-parallel and partitioned: the losses and weights of one process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.training.launched_adapters import CASES, train_all
from tests.training.test_processes import RECIPES, _port, _run

pytestmark = [pytest.mark.processes, pytest.mark.slow]
SCRIPT = Path(__file__).with_name("launched_adapters.py")


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    (folder / "losses.json").write_text(json.dumps(train_all(folder)))
    return folder


@pytest.mark.parametrize("settings", [None, "zero2.json", "zero3.json"])
def test_two_processes_equal_one(settings: str | None, one_process: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    command += ["--master_port", _port(), str(SCRIPT), str(tmp_path)]
    if settings is not None:
        command += ["--deepspeed", str(RECIPES / "deepspeed" / settings)]
    finished = _run(command, tmp_path / "extensions")
    assert finished.returncode == 0, finished.stdout[-4000:]
    found, expected = (json.loads((at / "losses.json").read_text()) for at in (tmp_path, one_process))
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)
    for family, kind in CASES:
        name = "model" if kind == "bitfit" else "adapter_model"
        ours, theirs = (
            load_file(at / f"{family}-{kind}" / "final" / f"{name}.safetensors")
            for at in (tmp_path, one_process)
        )
        assert ours.keys() == theirs.keys()
        for key in theirs:
            torch.testing.assert_close(ours[key], theirs[key], rtol=1e-4, atol=1e-5)
