"""From trajectory files to the gap and the report: which runs are which, untrusted names, and what is missing."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.errors import RunError
from mtft.reporting import write_trajectories
from mtft.runs.trajectories import curve_of, gaps, read_runs, tracked_run
from mtft.runs.trajectory_file import TRAJECTORY_FILE, TrajectoryRow, read_trajectory, write_trajectory
from mtft.statistics.trajectory_summary import difference, last_mean, top_mean

HOSTILE = "<script>alert(1)</script>"
STEPS = (0, 1, 2, 4, 8, 16, 32)


def write_run(folder: Path, tasks: list[str], seed: int, gain: float) -> Path:
    """A run whose metric, at a loss, is `gain` above what the loss says; losses fall alike."""
    rows = []
    for step in STEPS:
        for number, task in enumerate(tasks):
            loss = 4 * math.exp(-0.05 * step) + 0.01 * seed
            metric = 0.9 - 0.2 * loss / 4 + gain + 0.002 * seed
            values = {
                "train_loss": loss, "conflict": 0.5 - 0.01 * step, "sharpness": 0.1 * number + step / 50,
                "fisher_trace": 9.0 / (step + 1), "coherence": float("nan"),
            }  # fmt: skip
            rows += [
                TrajectoryRow(step, seed, task, "", name, "", value, 8) for name, value in values.items()
            ]
            rows.append(TrajectoryRow(step, seed, task, "", "dev_metric", "accuracy", metric, 8))
            rows += [TrajectoryRow(step, seed, task, "", "cosine", o, -0.3, 8) for o in tasks if o != task]
    write_trajectory(folder / TRAJECTORY_FILE, rows)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three seeds of the first task alone and of both; the second task has no single-task run."""
    alone = [write_run(tmp_path / f"single-{s}", ["en/helped"], s, 0.0) for s in range(3)]
    return alone + [write_run(tmp_path / f"multi-{s}", ["en/helped", HOSTILE], s, 0.05) for s in range(3)]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    rows = [
        TrajectoryRow(3, 1, "b", "", "train_loss", "", 0.5, 4),
        TrajectoryRow(0, 1, "a", "so", "cosine", "b", -1.0, 2),
    ]
    write_trajectory(tmp_path / TRAJECTORY_FILE, rows)
    assert read_trajectory(tmp_path) == sorted(rows)
    assert [path.name for path in tmp_path.iterdir()] == [TRAJECTORY_FILE]
    write_trajectory(tmp_path / TRAJECTORY_FILE, [])
    assert read_trajectory(tmp_path) == []


def test_what_is_no_trajectory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must have a trajectory"):
        read_trajectory(tmp_path)
    path = tmp_path / TRAJECTORY_FILE
    path.write_bytes(b"no parquet")
    with pytest.raises(RunError, match="must be a Parquet file"):
        read_trajectory(path)
    pq.write_table(pa.table({"step": ["one"]}), path)
    with pytest.raises(RunError, match="must be a Parquet file"):
        read_trajectory(path)
    write_trajectory(path, [TrajectoryRow(0, 1, "a", "", "dev_metric", "accuracy", 0.5, 1)])
    with pytest.raises(RunError, match="training losses"):
        read_runs([tmp_path])
    with pytest.raises(RunError, match="named once"):
        read_runs([tmp_path], single=[path.parent])
    with pytest.raises(RunError, match="a run to look at"):
        read_runs([])


def test_runs_are_told_apart_by_their_tasks(runs: list[Path]) -> None:
    found = read_runs(runs)
    assert [run.kind for run in found] == ["single"] * 3 + ["multi"] * 3
    gap = gaps(found)
    assert list(gap) == ["en/helped"]
    assert gap["en/helped"].verdict == "positive"
    assert gap["en/helped"].mean == pytest.approx(0.05, abs=0.001)
    swapped = gaps(read_runs([], single=runs[3:], multi=runs[:3]))
    assert swapped["en/helped"].verdict == "negative"


def test_the_report_says_it_and_escapes_names(runs: list[Path], tmp_path: Path) -> None:
    found = read_runs(runs)
    page, gap, values = write_trajectories(found, gaps(found), tmp_path / "report")
    html = page.read_text(encoding="utf-8")
    assert HOSTILE not in html
    assert "<script" not in html
    assert "do not predict generalisation" in html
    assert "2408.14677" in html
    assert "positive" in html
    assert 'class="band single"' in html
    assert "nan" not in html
    with gap.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["finding"] for row in rows} == {"positive"}
    np.testing.assert_allclose([float(row["gap"]) for row in rows], 0.05, atol=2e-3)
    assert values.read_text(encoding="utf-8").count("train_loss") == 7 * 3 + 14 * 3


def test_a_report_without_a_gap_says_so(runs: list[Path], tmp_path: Path) -> None:
    found = read_runs(runs[3:])
    html = write_trajectories(found, gaps(found), tmp_path)[0].read_text(encoding="utf-8")
    assert "No task was measured, with loss and metric, in a single-task and in a multitask run." in html


def test_the_command(runs: list[Path], tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["trajectory", "gap", *map(str, runs)])
    assert told.exit_code == 0
    assert "positive" in told.output
    named = ["--single", str(runs[0]), "--multi", str(runs[3]), "--json"]
    plain = json.loads(CliRunner().invoke(app, ["trajectory", "gap", *named]).output)
    assert plain["en/helped"]["verdict"] == "one seed"
    assert plain["en/helped"]["band"] is None
    nothing = CliRunner().invoke(app, ["trajectory", "gap", str(runs[0])])
    assert "No task was measured" in nothing.output
    made = CliRunner().invoke(
        app, ["trajectory", "report", *map(str, runs), "--output", str(tmp_path / "out")]
    )
    assert made.exit_code == 0
    assert (tmp_path / "out" / "trajectories.html").is_file()


def test_every_task_has_single_task_runs_of_its_own(runs: list[Path], tmp_path: Path) -> None:
    other = [write_run(tmp_path / f"other-{s}", [HOSTILE], s, 0.0) for s in range(3)]
    found = gaps(read_runs([*runs, *other]))
    assert {task: gap.seeds for task, gap in found.items()} == {"en/helped": (3, 3), HOSTILE: (3, 3)}
    alone = gaps(read_runs(runs))["en/helped"]
    assert found["en/helped"].mean == alone.mean
    assert write_trajectories(read_runs([*runs, *other]), found, tmp_path / "report")


def test_a_seed_that_comes_twice_is_no_second_one(runs: list[Path], tmp_path: Path) -> None:
    again = write_run(tmp_path / "again", ["en/helped"], 1, 0.0)
    with pytest.raises(RunError, match=r"must differ in their seed.*seed 1 of both.*en/helped"):
        read_runs([*runs, again])


def test_the_papers_summary_numbers() -> None:
    values = np.array([3.0, np.nan, 1.0, 2.0])
    assert top_mean(values, 2) == 2.5
    assert last_mean(values, 2) == 1.5
    assert math.isnan(top_mean(np.array([np.nan]), 3))
    found = difference([1.0, 2.0], [5.0, 7.0])
    assert (found.single, found.multi, found.value) == (1.5, 6.0, 4.5)
    assert found.band == pytest.approx(2 * (math.sqrt(0.5) + math.sqrt(2)))
    assert found.counts
    assert not difference([1.0, 2.0], [4.0, 6.0]).counts
    assert difference([1.0, 1.0], [5.0, 5.0]).counts
    assert not difference([1.0], [5.0, 5.0]).counts


def test_a_curve_takes_the_steps_that_have_both_numbers(tmp_path: Path) -> None:
    def row(step: int, quantity: str, value: float, task: str = "topic", language: str = "") -> TrajectoryRow:
        return TrajectoryRow(step, 1, task, language, quantity, "", value, 4)

    rows = [
        row(0, "train_loss", 2.0), row(0, "dev_metric", 0.2), row(5, "train_loss", 1.0), row(9, "dev_metric", 0.9),
        row(0, "train_loss", 7.0, "other"), row(0, "train_loss", 8.0, language="en"),
        row(3, "dev_metric", 0.4), row(3, "train_loss", 1.5),
    ]  # fmt: skip
    write_trajectory(tmp_path / TRAJECTORY_FILE, rows)
    curve = curve_of(tracked_run(tmp_path), "topic")
    assert np.array_equal(curve.losses, [2.0, 1.5])
    assert np.array_equal(curve.metrics, [0.2, 0.4])
