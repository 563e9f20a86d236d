"""`mtft doctor --model`: the estimate as a table and as data, from flags, a recipe or a launch file; its traps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mtft.cli import doctor
from mtft.cli.main import app
from mtft.cli.planned import Asked, planned
from mtft.errors import ConfigError
from mtft.modeling.shape import shape_of
from mtft.resources import builtin_folder
from mtft.training.memory import STRATEGIES, Setup, estimate, estimates

run = CliRunner()
GIB = 2**30
ACCELERATE = builtin_folder("recipes") / "accelerate"


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No default settings of Accelerate, and no GPU."""
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "present_memory", lambda: None)


def asked(*flags: str) -> dict[str, Any]:
    result = run.invoke(app, ["doctor", "--json", *flags])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def levels(found: dict[str, Any]) -> dict[str, str]:
    return {finding["what"]: finding["level"] for finding in found["findings"]}


def test_every_strategy_is_estimated() -> None:
    found = asked("--model", "bigscience/bloomz-7b1", "--processes", "8", "--device_memory", "40")
    expected = estimates(shape_of("bigscience/bloom-7b1"), Setup(processes=8))
    assert tuple(found["strategies"]) == STRATEGIES
    for name, memory in expected.items():
        given = found["strategies"][name]
        assert (given["device"], given["main_memory"]) == (memory.device, memory.host)
        assert given["device_total"] == memory.total
        assert given["fits"] == (memory.total <= 40 * GIB)
    assert {given["fits"] for given in found["strategies"].values()} == {True, False}
    assert found["shape"]["parameters"] == 7_069_016_064


def test_the_table_says_what_does_not_fit() -> None:
    flags = ["doctor", "--model", "bigscience/bloom-7b1", "--processes", "8", "--device_memory", "40"]
    lines = run.invoke(app, flags).stdout.splitlines()
    rows = {line.split()[0]: line.split() for line in lines}
    heading = next(line for line in lines if line.startswith("strategy"))
    assert heading.split()[-4:] == ["device", "fits", "main", "memory"]
    assert rows["ddp"][-1] == "no"
    assert rows["zero3"][-2:] == ["30.6", "yes"]
    assert rows["zero3_offload"][-3:] == ["17.4", "yes", "13.2"]
    assert "7,069,016,064 weights, all train; bf16, adamw; 8 processes" in lines[0]


def test_without_a_known_device_nothing_is_marked() -> None:
    found = asked("--model", "tiny", "--family", "mt5", "--vocabulary", "300")
    assert found["device_memory"] is None
    assert {given["fits"] for given in found["strategies"].values()} == {None}
    assert found["setup"]["capacities"] == [1024, 256]
    assert "fits" not in run.invoke(app, ["doctor", "--model", "tiny"]).stdout


def test_what_fits_nowhere_breaks() -> None:
    flags = ["--model", "bigscience/bloom", "--strategy", "zero3", "--device_memory", "80"]
    assert levels(asked(*flags))["memory"] == "breaks"
    result = run.invoke(app, ["doctor", *flags, "--strict"])
    assert result.exit_code == 1
    assert "zero3 takes" in result.stdout


def test_a_published_recipe_says_the_rest() -> None:
    bloom = planned(Asked(), "bloomz_7b1")
    assert (bloom.setup.capacities, bloom.setup.slots, bloom.setup.precision) == ((2048,), 4, "bf16")
    assert (bloom.setup.checkpointing, bloom.setup.optimizer) == (True, "adamw")
    mt5 = planned(Asked(), "mt0_xl")
    assert (mt5.setup.capacities, mt5.setup.slots, mt5.setup.optimizer) == ((1024, 1024), 8, "adafactor")
    own = planned(Asked(), "xp3_mt5")
    assert (own.setup.capacities, own.setup.precision, own.shape.vocabulary) == ((512, 128), "fp32", 2048)


def test_flags_go_over_the_recipe_and_the_launch_file() -> None:
    flags = Asked(precision="fp32", processes=8, slots=1, checkpointing=False, capacity=(512,), peft="lora")
    setup = planned(flags, "bloomz_7b1", ACCELERATE / "gpu_zero3_offload.yaml").setup
    assert (setup.precision, setup.processes, setup.slots, setup.capacities) == ("fp32", 8, 1, (512,))
    assert (setup.strategy, setup.checkpointing, setup.trained) == ("zero3_offload", False, 3_932_160)


@pytest.mark.parametrize("path", sorted(ACCELERATE.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_launch_file_names_its_strategy(path: Path) -> None:
    plan = planned(Asked(model="tiny"), config_file=path)
    name = path.stem.partition("_")[2]
    assert plan.strategies == ("ddp" if name == "process" else name,)
    assert plan.setup.precision == ("bf16" if path.stem.startswith(("gpu", "nodes")) else "fp32")
    assert plan.setup.processes == {"one": 1, "cpu": 2, "gpu": 2, "nodes": 16}[path.stem.partition("_")[0]]


def test_what_deepspeed_says_in_its_own_file_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("distributed_type: DEEPSPEED\ndeepspeed_config: {deepspeed_config_file: own.json}\n")
    assert planned(Asked(model="tiny"), config_file=path).strategies == STRATEGIES


@pytest.mark.parametrize("source", ["flag", "launch"])
def test_half_precision_with_mt5_is_a_trap(source: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("mixed_precision: fp16\nnum_processes: 1\n")
    flags = ["--precision", "fp16"] if source == "flag" else ["--config_file", str(path)]
    assert levels(asked("--model", "google/mt5-small", *flags))["precision"] == "breaks"
    assert "precision" not in levels(asked("--model", "bigscience/bloom-560m", *flags))


def test_fsdp_is_not_for_mt5() -> None:
    launch = ["--config_file", str(ACCELERATE / "gpu_fsdp.yaml")]
    assert levels(asked("--model", "google/mt5-small", *launch))["fsdp"] == "breaks"
    assert levels(asked("--model", "google/mt5-small"))["fsdp"] == "note"
    assert "fsdp" not in levels(asked("--model", "bigscience/bloom-560m", *launch))


def test_a_launch_that_would_run_one_process_is_a_trap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "own.yaml"
    path.write_text("distributed_type: MULTI_CPU\nnum_processes: 2\n")
    assert levels(asked("--model", "tiny", "--config_file", str(path)))["Accelerate settings"] == "breaks"
    checks = run.invoke(app, ["doctor", "--config_file", str(path)])
    assert "MULTI_CPU without mpirun silently runs one process" in checks.stdout


def test_another_number_of_processes_than_launched_is_told() -> None:
    file = ["--config_file", str(ACCELERATE / "gpu_ddp.yaml")]
    assert levels(asked("--model", "tiny", *file, "--processes", "8"))["processes"] == "note"
    assert "processes" not in levels(asked("--model", "tiny", *file))


def test_an_adapter_trains_few_weights() -> None:
    found = asked("--model", "bigscience/bloom-560m", "--peft", "bitfit", "--strategy", "ddp")
    assert found["setup"]["trained"] == (24 * 11 + 2) * 1024  # 11 widths of biases in a layer
    named = asked("--model", "bigscience/bloom-560m", "--trained", "1000", "--strategy", "ddp")
    expected = estimate(shape_of("bigscience/bloom-560m"), Setup(trained=1000))
    assert named["strategies"]["ddp"]["device"] == expected.device


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--processes", "8"], "needs a model"),
        (["--model", "tiny", "--strategy", "zero4"], "zero3"),
        (["--model", "tiny", "--capacity", "8", "--capacity", "8"], "1 capacity"),
        (["--model", "tiny", "--family", "mt5", "--peft", "bitfit"], "which has none"),
        (["--model", "tiny", "--peft", "lorra"], "lora"),
        (["--model", "tiny", "--device_memory", "0"], "above 0"),
        (["--model", "tiny", "--config_file", "none.yaml"], "none.yaml"),
        (["--recipe", "bloomz_7b"], "bloomz_7b1"),
    ],
)
def test_what_cannot_be_is_one_message(flags: list[str], message: str) -> None:
    result = run.invoke(app, ["doctor", *flags])
    assert result.exit_code == 2
    assert message in result.stderr


def test_numbers_in_files_are_numbers(tmp_path: Path) -> None:
    recipe, launch = tmp_path / "own.yaml", tmp_path / "launch.yaml"
    recipe.write_text("model: tiny\nfamily: bloom\npack_capacity: [many]\npacking: true\n")
    launch.write_text("num_processes: two\n")
    with pytest.raises(ConfigError, match="`many`"):
        planned(Asked(), str(recipe))
    with pytest.raises(ConfigError, match="`two`"):
        planned(Asked(model="tiny"), config_file=launch)
