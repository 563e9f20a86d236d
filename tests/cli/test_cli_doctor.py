"""`mtft doctor` finds what would break, and says so of nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mtft.cli import checks
from mtft.cli.main import app

run = CliRunner()


def found(*findings: checks.Finding) -> list[str]:
    return [finding.level for finding in findings]


def test_a_sound_installation_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    result = run.invoke(app, ["doctor", "--json", "--strict"])
    findings = {finding["what"]: finding for finding in json.loads(result.stdout)}
    assert {"Python", "mtft", "torch", "transformers", "CPU", "built-in prompts", "data"} <= set(findings)
    assert findings["Accelerate settings"]["level"] == "ok"
    assert result.exit_code == int(any(f["level"] == "breaks" for f in findings.values()))


def test_multi_cpu_is_a_trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch` with MULTI_CPU and without mpirun silently runs one process."""
    folder = tmp_path / "accelerate"
    folder.mkdir()
    (folder / "default_config.yaml").write_text("distributed_type: MULTI_CPU\nnum_processes: 2\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run.invoke(app, ["doctor", "--strict"])
    assert result.exit_code == 1
    assert "MULTI_CPU without mpirun silently runs one process" in result.stdout
    assert "torchrun" in result.stdout


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ("distributed_type: 'NO'\nnum_processes: 1", "ok"),
        ("distributed_type: 'NO'\nnum_processes: 2", "breaks"),
        ("mixed_precision: fp16", "breaks"),
        ("distributed_type: MULTI_GPU\nnum_processes: 2\nmixed_precision: bf16", "ok"),
        ("- a list", "breaks"),
        ("{", "breaks"),
        ("", "ok"),
    ],
)
def test_settings_of_accelerate(tmp_path: Path, settings: str, level: str) -> None:
    path = tmp_path / "default_config.yaml"
    path.write_text(settings)
    assert found(*checks.accelerate_settings(path)) == [level]


def test_the_place_of_the_settings_follows_the_environment(tmp_path: Path) -> None:
    assert checks.accelerate_config({"HF_HOME": str(tmp_path)}) is None
    folder = tmp_path / "huggingface" / "accelerate"
    folder.mkdir(parents=True)
    (folder / "default_config.json").write_text("{}")
    assert checks.accelerate_config({"XDG_CACHE_HOME": str(tmp_path)}) == folder / "default_config.json"


def test_deepspeed_without_a_compiler_breaks() -> None:
    pytest.importorskip("deepspeed")
    findings = list(checks.deepspeed({"CXX": "no-such-compiler"}))
    assert findings[-1].level == "breaks"
    assert "no-such-compiler" in findings[-1].found


def test_little_shared_memory_breaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert found(*checks.shared_memory(tmp_path / "none")) == []
    monkeypatch.setattr(checks, "LEAST_SHARED_MEMORY", 2**80)
    assert found(*checks.shared_memory(tmp_path)) == ["breaks"]


def test_data_root(tmp_path: Path) -> None:
    assert found(*checks.data(None)) == ["note"]
    assert found(*checks.data(tmp_path)) == ["ok"]
    assert found(*checks.data(tmp_path / "none")) == ["breaks"]


def test_versions_against_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {
        "mtft": ["rich>=1", "typer>=1000", "no-such-package>=1", "ninja; extra == 'deepspeed'"]
    }
    monkeypatch.setattr(checks.metadata, "requires", asked.get)
    levels = {finding.what: finding.level for finding in checks.packages()}
    assert levels == {"mtft": "ok", "rich": "ok", "typer": "breaks", "no-such-package": "breaks"}
