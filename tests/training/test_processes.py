"""Several processes and DeepSpeed give the losses of one process; the shipped launch files run as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtft.modeling import load_model
from mtft.resources import builtin_folder
from mtft.training import NORMALIZATIONS
from tests.launching import ACCELERATE, TORCHRUN, launched
from tests.training.launched import train

pytestmark = pytest.mark.processes

RECIPES = builtin_folder("recipes")
SCRIPT = Path(__file__).with_name("launched.py")


@pytest.fixture(scope="session")
def extensions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where DeepSpeed builds its C++ part, kept between test runs where pytest has a cache."""
    cache = getattr(request.config, "cache", None)
    folder: Path = cache.mkdir("torch_extensions") if cache else tmp_path_factory.mktemp("torch_extensions")
    for lock in folder.rglob("lock"):
        lock.unlink()
    return folder


@pytest.fixture(scope="session")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What one process logs, in micro-batches of 2 rows or packs, 4 of them per step."""
    folder = tmp_path_factory.mktemp("one")
    return {
        f"{family} {kind}": np.array(train(family, folder / f"{family}-{kind}", kind))
        for family in ("mt5", "bloom")
        for kind in (*NORMALIZATIONS, "packed")
    }


def _accelerate(config: str | Path, *arguments: str) -> list[str | Path]:
    return [*ACCELERATE, "--config_file", RECIPES / "accelerate" / config, SCRIPT, *arguments]


def _losses(command: list[str | Path], folder: Path, extensions: Path, processes: int = 2) -> dict[str, Any]:
    launched(command, extensions=extensions)
    results: dict[str, Any] = json.loads((folder / "losses.json").read_text())
    assert results.pop("processes") == processes
    return results


def _check(results: dict[str, Any], one_process: dict[str, np.ndarray], tolerance: float) -> None:
    for name, values in results.items():
        family, kind = name.split()
        if kind == "resumed":
            whole = list(results[next(n for n in reversed(results) if n.startswith(family) and n != name)])
            np.testing.assert_allclose(values, whole, rtol=1e-6, err_msg=name)
        else:
            np.testing.assert_allclose(values, one_process[name], rtol=tolerance, err_msg=name)


def test_two_processes_equal_one(
    tmp_path: Path, extensions: Path, one_process: dict[str, np.ndarray]
) -> None:
    """Every normalisation, rows and packs, loss and gradient norm; and a resumed run equals the whole one."""
    command = _accelerate("cpu_ddp.yaml", str(tmp_path), "--kinds", ",".join(NORMALIZATIONS))
    two = _losses(command, tmp_path, extensions)
    _check(two, one_process, 1e-5)
    for family in (
        "mt5",
        "bloom",
    ):  # what two processes began, one ends, with the same examples in every step
        alone = train(family, tmp_path / f"{family}-packed", "packed", resume=True)
        np.testing.assert_allclose(alone, two[f"{family} packed"], rtol=1e-5)


def test_zero_2_equals_one_process(
    tmp_path: Path, extensions: Path, one_process: dict[str, np.ndarray]
) -> None:
    command = _accelerate("cpu_zero2.yaml", str(tmp_path), "--no_build")
    _check(_losses(command, tmp_path, extensions), one_process, 1e-4)


def test_zero_3_equals_one_process(
    tmp_path: Path, extensions: Path, one_process: dict[str, np.ndarray]
) -> None:
    """The weights it saves are whole, and load in one process."""
    config = RECIPES / "deepspeed" / "zero3.json"
    command: list[str | Path] = [*TORCHRUN, SCRIPT, tmp_path, "--no_build", "--deepspeed", config]
    _check(_losses(command, tmp_path, extensions), one_process, 1e-4)
    for family in ("mt5", "bloom"):
        assert load_model(tmp_path / f"{family}-target" / "final").family == family


@pytest.mark.slow
@pytest.mark.parametrize("config", ["zero1", "zero1_offload", "zero2", "zero2_offload", "zero3_offload"])
def test_each_deepspeed_file_runs(
    tmp_path: Path, extensions: Path, one_process: dict[str, np.ndarray], config: str
) -> None:
    settings = RECIPES / "deepspeed" / f"{config}.json"
    _check(
        _losses([*TORCHRUN, SCRIPT, tmp_path, "--deepspeed", settings], tmp_path, extensions),
        one_process,
        1e-4,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("config", "processes"), [("one_process", 1), ("cpu_zero1", 2), ("cpu_zero3", 2)])
def test_each_accelerate_file_for_cpus_runs(
    tmp_path: Path, extensions: Path, one_process: dict[str, np.ndarray], config: str, processes: int
) -> None:
    command = _accelerate(f"{config}.yaml", str(tmp_path))
    _check(_losses(command, tmp_path, extensions, processes), one_process, 1e-4)


@pytest.mark.slow
def test_a_launch_that_would_lose_its_processes_is_refused(tmp_path: Path, extensions: Path) -> None:
    config = tmp_path / "multi_cpu.yaml"
    text = (RECIPES / "accelerate" / "cpu_ddp.yaml").read_text()
    config.write_text(text.replace("distributed_type: MULTI_GPU", "distributed_type: MULTI_CPU"))
    output = launched(_accelerate(config, str(tmp_path)), extensions=extensions, check=False)
    assert "refused: A launch for several processes must start them" in output
