"""Adapters under several processes, data-parallel and partitioned: the losses and weights of one process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mtft.resources import builtin_folder
from tests.launching import TORCHRUN, launched
from tests.training.launched_adapters import CASES, train_all

pytestmark = [pytest.mark.processes, pytest.mark.slow]
RECIPES = builtin_folder("recipes")
SCRIPT = Path(__file__).with_name("launched_adapters.py")


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    (folder / "losses.json").write_text(json.dumps(train_all(folder)))
    return folder


@pytest.mark.parametrize("settings", [None, "zero2.json", "zero3.json"])
def test_two_processes_equal_one(settings: str | None, one_process: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [*TORCHRUN, SCRIPT, tmp_path]
    if settings is not None:
        command += ["--deepspeed", RECIPES / "deepspeed" / settings]
    launched(command, extensions=tmp_path / "extensions")
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
