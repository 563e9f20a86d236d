"""Diagnostics along a run: what is written, training is left alone, and a killed run measures no step twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mtft.errors import ConfigError, SuiteError
from mtft.runs import Run, read_settings
from mtft.runs import diagnostics as diagnostics_module
from mtft.runs.trajectory_file import TrajectoryRow, read_trajectory
from mtft.training import MultitaskTrainer
from tests.launching import TORCHRUN, launched
from tests.runs import launched_diagnostics
from tests.runs.test_validation import KillAt, Killed

DIAGNOSED = [
    "--diagnostics", "true", "--diagnostics_every", "4", "--diagnostics_steps", "0", "1", "--diagnostics_examples",
    "6", "--diagnostics_batches", "2", "--diagnostics_items", "4", "--diagnostics_sharpness_steps", "1",
]  # fmt: skip


class Made(NamedTuple):
    """A run that was diagnosed at 0, 1, 4 and 6, and the flags of others like it."""

    run: Run
    flags: list[str]

    def again(self, folder: Path, *flags: str) -> Run:
        """A run of the same data from the same base, up to its finetuning."""
        own = ["--model", str(self.run.base), "--protocol", "trained", "--output_dir", str(folder)]
        run = Run(*read_settings("xp3_mt5", [*self.flags, *own, *flags]))
        run.data = self.run.data
        run.prepare_folder()
        run.prepare_model()
        return run


@pytest.fixture(scope="module")
def made(pocket: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("diagnosed")
    flags = [
        "--mixture", str(pocket / "pocket.yaml"), "--model", "tiny", "--evaluate", "false",
        "--vocab_size", "700", "--pretrain_steps", "3", "--pretrain_row_length", "24", "--pretrain_batch_size", "4",
        "--max_steps", "6", "--save_steps", "2", "--save_total_limit", "9", "--per_device_train_batch_size", "4",
        "--bag_of_tokens", "false", "--report_to", "none", "--disable_tqdm", "true", "--use_cpu", "true",
        "--logging_steps", "1", "--device_tflops", "0",
    ]  # fmt: skip
    run = Run(*read_settings("xp3_mt5", [*flags, *DIAGNOSED, "--output_dir", str(folder / "run")]))
    run.prepare_data()
    run.prepare_model()
    run.finetune()
    return Made(run, flags)


def rows_of(run: Run) -> list[TrajectoryRow]:
    return read_trajectory(run.folder.path)


def losses(run: Run) -> list[float]:
    history = json.loads(run.folder.training.read_text(encoding="utf-8"))["history"]
    return [line["loss"] for line in history]


def test_every_task_is_measured_at_the_chosen_steps(made: Made) -> None:
    rows = rows_of(made.run)
    assert {row.step for row in rows} == {0, 1, 4, 6}
    assert {row.seed for row in rows} == {made.run.training.seed}
    tasks = {"mini_xp3/topic", "mini_xp3/lexicon"}
    assert {row.task for row in rows if row.quantity == "train_loss"} == tasks
    scores = [row for row in rows if row.quantity == "dev_metric"]
    assert {row.task for row in scores} == {"mini_xp3/topic"}  # a dictionary has no validation side
    assert {row.other for row in scores} == {"accuracy"}
    assert all(0 <= row.value <= 1 and row.n > 0 for row in scores)
    assert all(row.value > 0 and row.n == 6 for row in rows if row.quantity == "train_loss")
    assert {row.language for row in rows} == {""}
    found = {row.quantity for row in rows}
    assert found == {
        *("train_loss", "dev_metric", "conflict", "cosine", "gradient_norm", "coherence", "noise_scale"),
        *("fisher_trace", "sharpness"),
    }
    assert all(-1 <= row.value <= 1 for row in rows if row.quantity in ("conflict", "cosine"))
    assert all(
        row.value > 0 for row in rows if row.quantity in ("fisher_trace", "sharpness", "gradient_norm")
    )
    assert all(row.other in tasks - {row.task} for row in rows if row.quantity == "cosine")


def test_a_run_trains_the_same_whether_it_is_diagnosed_or_not(made: Made, tmp_path: Path) -> None:
    plain = made.again(tmp_path / "plain")
    plain.finetune()
    assert losses(plain) == losses(made.run)
    assert not (tmp_path / "plain" / "trajectory.parquet").exists()


def comparable(rows: Sequence[TrajectoryRow]) -> list[Any]:
    return [(*row[:6], pytest.approx(row.value, rel=1e-3, abs=1e-6, nan_ok=True), row.n) for row in rows]


def test_a_killed_run_measures_no_step_twice(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after step 4 was measured and saved, then after step 5: rows of lost steps go."""
    measured: list[int] = []
    really = diagnostics_module.Diagnostics._measure

    def counted(self: Any, step: int) -> list[TrajectoryRow]:
        measured.append(step)
        return really(self, step)

    monkeypatch.setattr(diagnostics_module.Diagnostics, "_measure", counted)
    begin = MultitaskTrainer.__init__
    for kill in (1, 5):

        def killed(self: Any, *args: Any, kill: int = kill, **kwargs: Any) -> None:
            begin(self, *args, **kwargs)
            self.add_callback(KillAt(kill))

        with monkeypatch.context() as patch:
            patch.setattr(MultitaskTrainer, "__init__", killed)
            with pytest.raises(Killed):
                made.again(tmp_path / "run", *DIAGNOSED).finetune()
    again = made.again(tmp_path / "run", *DIAGNOSED)
    again.finetune()
    # the first kill left no checkpoint: step 1 was trained, and is measured, anew
    assert measured == [0, 1, 1, 4, 6]
    assert comparable(rows_of(again)) == rows_of(made.run)


@pytest.mark.parametrize(
    ("slip", "error"),
    [
        (["--diagnostics_quantities", "lost"], ConfigError),
        (["--diagnostics_parameters", "adapters"], ConfigError),
        (["--diagnostics_every", "-1"], ConfigError),
        (["--diagnostics_steps", "-1"], ConfigError),
        (["--diagnostics_sharpness_radius", "0"], ConfigError),
        (["--diagnostics_suite", "SUITE"], SuiteError),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    made: Made, pocket: Path, slip: list[str], error: type[Exception]
) -> None:
    given = [each.replace("SUITE", str(pocket / "suite.yaml")) for each in slip]
    with pytest.raises(error):
        Run(*read_settings("xp3_mt5", [*made.flags, "--diagnostics", "true", *given])).prepare_data()


FREE_TEXT = """
name: free_text
tasks:
  - {task: mini_d2t/triples, languages: [en], templates: ["unified_*"], sample: {count: 30}}
  - {task: mini_d2t/table, languages: [en], templates: ["unified_*"]}
held_out: {report: {tasks: [mini_d2t/table]}}
"""


@pytest.fixture
def free_text(tmp_path: Path, made: Made) -> list[str]:
    """Flags of a run on the data-to-text recipe; no task of its mixture has answer choices."""
    mixture = tmp_path / "free_text.yaml"
    mixture.write_text(FREE_TEXT, encoding="utf-8")
    return [*made.flags, *DIAGNOSED, "--mixture", str(mixture), "--output_dir", str(tmp_path / "run")]


def test_a_mixture_of_free_text_is_measured_without_the_metric(
    free_text: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(*read_settings("d2t_mt5", [*free_text, "--max_steps", "1"]))
    run.prepare_data()
    warnings = [each.message for each in caplog.records if "`dev_metric` is left out" in each.message]
    assert len(warnings) == 1
    assert "--diagnostics_generation true" in warnings[0]
    run.prepare_model()
    run.finetune()
    found = {row.quantity for row in rows_of(run)}
    assert found == {"train_loss", "gradient_norm", "coherence", "noise_scale", "fisher_trace", "sharpness"}


def test_a_metric_asked_for_by_name_is_refused_without_choices(free_text: list[str]) -> None:
    named = ["--diagnostics_quantities", "train_loss", "dev_metric"]
    with pytest.raises(SuiteError, match="diagnostics_generation"):
        Run(*read_settings("d2t_mt5", [*free_text, *named])).prepare_data()
    generated = Run(*read_settings("d2t_mt5", [*free_text, *named, "--diagnostics_generation", "true"]))
    generated.prepare_data()
    assert generated.data.development is not None


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    launched([*TORCHRUN, launched_diagnostics.__file__, tmp_path / "two"])
    launched_diagnostics.diagnosed_run(tmp_path / "one")
    one, two = (read_trajectory(tmp_path / name) for name in ("one", "two"))
    assert {row.step for row in one} == {0, 1, 2}
    assert {row.language for row in one} == {"", "en", "so"}
    for step in (0, 1, 2):
        norms, shares = (
            {row.task: row.value for row in one if (row.step, row.quantity) == (step, name)}
            for name in ("gradient_norm", "update_share")
        )
        whole = sum(norms.values())  # `sum` weighs all alike
        assert shares == pytest.approx({task: norm / whole for task, norm in norms.items()})
        assert len(shares) == 2
    assert comparable(one) == two
