"""`mtft eval`: a model on a suite, the suites there are, and a suite for lm-evaluation-harness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.modeling import save_model
from tests.evaluation import small_world
from tests.evaluation.conftest import make
from tests.evaluation.small_world import SmallWorld

run = CliRunner()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallWorld:
    monkeypatch.setenv("MTFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return small_world.make(tmp_path)


def options(world: SmallWorld) -> list[str]:
    return ["--data_root", str(world.root), "--prompts", str(world.root / "prompts")]


@pytest.mark.parametrize("command", [["eval", "run"], ["eval"]], ids=" ".join)
def test_a_model_is_scored_under_the_protocol_that_is_named(world: SmallWorld, command: list[str]) -> None:
    tiny = make("mt5")
    save_model(tiny.model, tiny.tokenizer, world.root / "model")
    suite = world.suite("tasks: [{task: mood, protocol: mt0}]\nmax_items_per_cell: 2").path
    asked = ["--model", str(world.root / "model"), "--suite", str(suite), "--protocol", "lm_eval"]
    done = run.invoke(app, [*command, *asked, "--output_dir", str(world.root / "out"), *options(world)])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip().endswith("report.html")
    results = json.loads((world.root / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["suite"]["protocol"] == "lm_eval"
    assert not any("protocol" in cell for cell in results["eval_cells"])  # the flag goes before the suite's
    assert {row["n_truncated"] for row in results["cells"]} == {0}


def test_a_suite_is_exported_and_the_command_that_runs_it_told(world: SmallWorld) -> None:
    suite = world.suite("tasks: [mood, {task: say, metrics: [chrf, rouge]}]\nmax_input_tokens: 99").path
    done = run.invoke(app, ["eval", "export-lm-eval", str(suite), *options(world)])
    assert done.exit_code == 0, done.output
    folder = world.root / "lm_eval_small"
    assert done.stdout.startswith(f"5 tasks with 40 rows in {folder}")
    assert "rouge: the harness has no such metric" in done.stdout
    assert f"max_length=99 --include_path {folder} --tasks mtft_small" in done.stdout
    asked = [str(suite), "--max_items_per_cell", "3", "--output_dir", str(folder), "--json"]
    again = json.loads(run.invoke(app, ["eval", "export-lm-eval", *asked, *options(world)]).stdout)
    assert (len(again["tasks"]), again["rows"]) == (5, 15)
    assert again["left_out"] == [
        {"task": "say", "config": "en", "template": "say it", "count": 3,
         "reason": "rouge: the harness has no such metric"}
    ]  # fmt: skip


def test_a_folder_with_other_files_is_left_alone(world: SmallWorld) -> None:
    asked = ["eval", "export-lm-eval", str(world.suite().path), "--output_dir", str(world.root)]
    done = run.invoke(app, [*asked, *options(world)])
    assert done.exit_code == 2
    assert "must be empty" in done.stderr


def test_the_suites_are_listed_with_what_they_ask_for() -> None:
    rows = {row["suite"]: row for row in json.loads(run.invoke(app, ["eval", "suites", "--json"]).stdout)}
    assert {"crosslingual_local", "mini_xp3", "xp3_heldout"} <= set(rows)
    assert rows["crosslingual_local"]["protocol"] == "of the model"
    assert rows["mini_xp3"]["protocol"] == "trained"
    assert all(row["cells"] and row["prompts"] >= row["cells"] for row in rows.values())
    assert rows["xp3_heldout"]["prompts"] > 2 * rows["xp3_heldout"]["cells"]
