"""Whole recipes in two processes: plain data parallel, ZeRO-2 and ZeRO-3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from mtft.resources import builtin_folder
from tests.launching import ACCELERATE, TORCHRUN, launched

RECIPES = builtin_folder("recipes")
LAUNCHERS: dict[str, tuple[str | Path, ...]] = {
    "ddp": TORCHRUN,
    "zero2": (*ACCELERATE, "--config_file", RECIPES / "accelerate" / "cpu_zero2.yaml"),
    "zero3": (*ACCELERATE, "--config_file", RECIPES / "accelerate" / "cpu_zero3.yaml"),
}
pytestmark = pytest.mark.processes


def scores(folder: Path) -> dict[tuple[str, ...], Any]:
    rows = json.loads((folder / "eval" / "results.json").read_text())["cells"]
    return {(r["model"], r["task"], r["language"], r["template_id"]): (r["value"], r["n"]) for r in rows}


def alone(script: Path, flags: list[str]) -> None:
    subprocess.run([sys.executable, str(script), *flags], check=True, capture_output=True, timeout=300)


@pytest.mark.parametrize(
    ("launcher", "recipe"),
    [
        ("ddp", "xp3_mt5"),
        pytest.param("zero3", "xp3_bloom", marks=pytest.mark.slow),
        pytest.param("ddp", "xp3_bloom", marks=pytest.mark.slow),
        pytest.param("zero2", "xp3_mt5", marks=pytest.mark.slow),
        pytest.param("zero2", "xp3_bloom", marks=pytest.mark.slow),
        pytest.param("zero3", "xp3_mt5", marks=pytest.mark.slow),
    ],
)
def test_two_processes_end_where_one_does(
    launcher: str, recipe: str, flags: list[str], tmp_path: Path
) -> None:
    script = RECIPES / f"{recipe}.py"
    one, two = tmp_path / "one", tmp_path / "two"
    # DeepSpeed finds the CPU by itself, and does not go together with use_cpu.
    flags = [*flags, "--global_batch_size", "4"]
    place = flags.index("--use_cpu")
    del flags[place : place + 2]
    flags_of_two = [*flags, "--per_device_train_batch_size", "2", "--output_dir", str(two)]
    extensions = Path(os.environ.get("MTFT_TORCH_EXTENSIONS", tmp_path.parent / "extensions"))
    launched([*LAUNCHERS[launcher], script, *flags_of_two], timeout=500, extensions=extensions)
    alone(script, [*flags, "--output_dir", str(one)])
    a, b = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    assert a.keys() == b.keys()
    for name in a:
        assert (a[name] - b[name]).abs().max() < 2e-3, name  # six steps of rounding under Adam
    assert scores(one).keys() == scores(two).keys()
    assert (two / "eval" / "report.html").is_file()
