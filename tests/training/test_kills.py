"""A run killed at any moment and started again ends with the losses and weights of one that was never stopped."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtft.resources import builtin_folder
from tests.training.killed import LOSSES, train

pytestmark = pytest.mark.processes

SCRIPT = Path(__file__).with_name("killed.py")
LIMIT = 300
KILLS = {"mt5": 2, "bloom": 2}


@pytest.fixture(scope="module", params=["mt5", "bloom"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The family, and the folder of its run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    train(request.param, folder)
    return request.param, folder


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_a_killed_run_ends_as_the_whole_one(whole: tuple[str, Path], seed: int, tmp_path: Path) -> None:
    family, reference = whole
    steps = len(json.loads((reference / LOSSES).read_text()))
    draw = random.Random(seed)
    for _ in range(KILLS[family]):
        _killed(family, tmp_path, step=draw.randint(1, steps), after=draw.uniform(0.0, 0.15))
    _finished(family, tmp_path)
    assert json.loads((tmp_path / LOSSES).read_text()) == json.loads((reference / LOSSES).read_text())
    saved = "final/model.safetensors"
    assert (tmp_path / saved).read_bytes() == (reference / saved).read_bytes()


def _started(family: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.killed", family, str(folder)],
        cwd=builtin_folder("recipes").parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _killed(family: str, folder: Path, *, step: int, after: float) -> None:
    """Killed so many seconds after a step, perhaps while it writes; a run that is past it ends instead."""
    with _started(family, folder) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step ") and int(line.split()[1]) >= step:
                time.sleep(after)
                process.kill()
                break


def _finished(family: str, folder: Path) -> None:
    with _started(family, folder) as process:
        _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, errors[-3000:]
