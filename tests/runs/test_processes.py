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

RECIPES = builtin_folder("recipes")
LAUNCHERS = {
    "ddp": [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0"],
    "zero2": [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "cpu_zero2.yaml"],
    "zero3": [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "cpu_zero3.yaml"],
}
pytestmark = pytest.mark.processes


def launched(launcher: str, script: Path, flags: list[str], tmp_path: Path) -> None:
    """Runs a script in two processes; its output is shown where it fails."""
    command = list(LAUNCHERS[launcher])
    if "--master_port" in command:
        command[command.index("--master_port") :] = [
            "--rdzv_backend",
            "c10d",
            "--rdzv_endpoint",
            "localhost:0",
        ]
    else:
        command[-1] = str(RECIPES / "accelerate" / command[-1])
        command += ["--main_process_port", "0"]
    # A folder of its own for compiled extensions: a build that was killed elsewhere leaves a lock that hangs for ever.
    folder = Path(os.environ.get("MTFT_TORCH_EXTENSIONS", tmp_path.parent / "extensions"))
    environment = os.environ | {
        "DS_ACCELERATOR": "cpu",
        "TORCH_EXTENSIONS_DIR": str(folder),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*command, str(script), *flags], capture_output=True, text=True, timeout=500, env=environment
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"


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
    launched(
        launcher, script, [*flags, "--per_device_train_batch_size", "2", "--output_dir", str(two)], tmp_path
    )
    alone(script, [*flags, "--output_dir", str(one)])
    a, b = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    assert a.keys() == b.keys()
    for name in a:
        assert (a[name] - b[name]).abs().max() < 2e-3, name  # six steps of rounding under Adam
    assert scores(one).keys() == scores(two).keys()
    assert (two / "eval" / "report.html").is_file()
