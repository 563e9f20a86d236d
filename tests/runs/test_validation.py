"""Zero-shot validation while a run trains: disjoint cells, the best checkpoint, early stopping, and no score twice."""

from __future__ import annotations

import json
import math
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from mtft.errors import ConfigError, MtftError, SuiteError
from mtft.resources import builtin_folder
from mtft.runs import Run, read_settings
from mtft.runs import validation as validation_module
from mtft.runs.validation import copy_model, random_states_kept
from mtft.runs.validation_record import ValidationRecord
from mtft.training import MultitaskTrainer
from tests.launching import launched
from tests.runs.test_processes import LAUNCHERS

MIXTURE = """
name: pocket
seed: 3
tasks:
  - {task: mini_xp3/topic, languages: [en, qab, qac, qad], sample: {count: 60}}
  - {task: mini_xp3/lexicon, languages: [en, qab, qac], sample: {count: 40}}
held_out:
  validation:
    pairs: [mini_xp3/topic:qad]
  report:
    pairs: [mini_xp3/topic:qac]
rates: {kind: weights}
"""


class Made(NamedTuple):
    """A run whose base model others begin with, and their flags; they are validated every second of six steps."""

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
    """Finetuned already; only its best checkpoint was to be kept, and is what it leaves."""
    folder = tmp_path_factory.mktemp("validated")
    (folder / "pocket.yaml").write_text(MIXTURE, encoding="utf-8")
    flags = [
        "--mixture", str(folder / "pocket.yaml"), "--suite", str(pocket / "suite.yaml"), "--model", "tiny",
        "--vocab_size", "700", "--pretrain_steps", "3", "--pretrain_row_length", "24", "--pretrain_batch_size", "4",
        "--max_steps", "6", "--save_strategy", "no", "--per_device_train_batch_size", "4", "--max_items_per_cell", "6",
        "--bag_of_tokens", "false", "--report_to", "none", "--disable_tqdm", "true", "--use_cpu", "true",
        "--evaluate_base", "false", "--logging_steps", "1", "--validate_every", "2", "--validation_items", "4",
        "--device_tflops", "0",
    ]  # fmt: skip
    best = ["--output_dir", str(folder / "run"), "--save_total_limit", "1", "--export_checkpoint", "best"]
    run = Run(*read_settings("xp3_mt5", [*flags, *best]))
    run.prepare_data()
    run.prepare_model()
    run.finetune()
    return Made(run, flags)


def record(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run.folder.path / "validation.json").read_text(encoding="utf-8"))
    return content


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return found


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_is_validated_and_leaves_its_best_checkpoint(made: Made) -> None:
    run = made.run
    found = record(run)
    assert [int(step) for step in found["scores"]] == [2, 4, 6]
    for each in found["scores"].values():
        assert set(each["tasks"]) == {"mini_xp3/topic"}
        assert {cell["language"] for cell in each["cells"]} == {"qad"}
        assert -1 <= each["score"] <= 1
    best = max(found["scores"], key=lambda step: (found["scores"][step]["score"], -int(step)))
    assert found["best_step"] == int(best)
    assert same(weights(run.folder.path), weights(run.folder.path / f"checkpoint-{best}"))
    assert not list(run.folder.path.glob("*.pt"))
    summary = json.loads(run.folder.training.read_text(encoding="utf-8"))
    assert (summary["step"], summary["best_step"]) == (int(best), int(best))
    assert [line["step"] for line in summary["validation"]] == [2, 4, 6]
    run.evaluate("finetuned")
    run.report()


def test_a_run_trains_the_same_whether_it_is_validated_or_not(made: Made, tmp_path: Path) -> None:
    plain = made.again(tmp_path / "plain", "--validate_every", "0", "--export_checkpoint", "last")
    plain.finetune()
    losses = [
        [line["loss"] for line in json.loads(each.folder.training.read_text(encoding="utf-8"))["history"]]
        for each in (made.run, plain)
    ]
    assert losses[0] == losses[1]
    assert not list((tmp_path / "plain").glob("checkpoint-*"))


class Killed(BaseException):
    """Not an Exception: nothing on the way catches it."""


class KillAt(TrainerCallback):
    """Ends the process's work when a step begins, as a signal would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise Killed


def scored_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts what is really scored."""
    steps: list[int] = []
    really = validation_module.score

    def counted(*args: Any, **kwargs: Any) -> Any:
        steps.append(kwargs["step"])
        return really(*args, **kwargs)

    monkeypatch.setattr(validation_module, "score", counted)
    return steps


class KillOnSave(TrainerCallback):
    """Its turn comes before the validation's."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise Killed


def test_a_killed_run_scores_no_checkpoint_twice(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the second step was saved and not yet scored, and again at the fifth."""
    begin = MultitaskTrainer.__init__
    steps = scored_steps(monkeypatch)
    for callback in (KillOnSave(2), KillAt(4)):

        def killed(self: Any, *args: Any, callback: Any = callback, **kwargs: Any) -> None:
            begin(self, *args, **kwargs)
            self.add_callback(callback)

        with monkeypatch.context() as patch:
            patch.setattr(MultitaskTrainer, "__init__", killed)
            with pytest.raises(Killed):
                made.again(tmp_path / "run").finetune()
    run = made.again(tmp_path / "run")
    run.finetune()
    assert steps == [2, 4, 6]
    found, wanted = record(run), record(made.run)
    for content in (found, wanted):
        for each in content["scores"].values():
            del each["seconds"]
    assert found["scores"] == wanted["scores"]
    best = f"checkpoint-{found['best_step']}"
    assert same(weights(run.folder.path / best), weights(made.run.folder.path))
    lines = json.loads(run.folder.training.read_text(encoding="utf-8"))["validation"]
    assert [line["step"] for line in lines] == [2, 4, 6]


def test_patience_ends_the_training(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three validations none after the first is better; a run killed right then does not go on."""
    really = validation_module.select
    falling = iter([0.5, 0.4, 0.4])
    monkeypatch.setattr(
        validation_module, "select", lambda *args: replace(really(*args), score=next(falling))
    )
    more = ["--max_steps", "20", "--early_stopping_patience", "2", "--save_total_limit", "9"]
    run = made.again(tmp_path / "run", *more)
    run.finetune()
    assert list(record(run)["scores"]) == ["2", "4", "6"]
    ended = weights(run.folder.path)
    assert json.loads(run.folder.training.read_text(encoding="utf-8"))["step"] == 6
    run.folder.training.unlink()
    (run.folder.path / "model.safetensors").unlink()
    again = made.again(tmp_path / "run", *more)
    again.finetune()
    assert json.loads(again.folder.training.read_text(encoding="utf-8"))["step"] == 6
    assert same(weights(again.folder.path), ended)


@pytest.mark.parametrize(
    ("suite", "found"),
    [
        (
            "side: validation\ntasks:\n  - {task: mini_xp3/topic, languages: [qac]}",
            r"mini_xp3/topic:qac \(reported\)",
        ),
        (
            "side: validation\ntasks:\n  - {task: mini_xp3/topic, languages: [qab]}",
            r"mini_xp3/topic:qab \(trained\)",
        ),
        (
            "tasks:\n  - {task: mini_xp3/topic, languages: [qad]}",
            "chosen on the validation side.*side `test`",
        ),
    ],
)
def test_what_trains_or_is_reported_cannot_choose(made: Made, tmp_path: Path, suite: str, found: str) -> None:
    """Found before any model is made."""
    path = tmp_path / "choosing.yaml"
    path.write_text(f"name: choosing\n{suite}\n", encoding="utf-8")
    run = Run(*read_settings("xp3_mt5", [*made.flags, "--validation_suite", str(path)]))
    with pytest.raises(SuiteError, match=found):
        run.prepare_data()


def test_without_held_out_cells_there_is_nothing_to_validate_on(flags: list[str]) -> None:
    run = Run(*read_settings("xp3_mt5", [*flags, "--validate_every", "2"]))
    with pytest.raises(ConfigError, match=r"held_out\.validation"):
        run.prepare_data()


@pytest.mark.parametrize(
    "slip",
    [
        ["--validate_every", "0", "--early_stopping_patience", "3"],
        ["--validate_every", "0", "--export_checkpoint", "best"],
        ["--export_checkpoint", "worst"],
        ["--validate_every", "-1"],
        ["--early_stopping_patience", "-1"],
    ],
)
def test_settings_that_mean_nothing_are_refused(made: Made, slip: list[str]) -> None:
    with pytest.raises(MtftError, match="must"):
        Run(*read_settings("xp3_mt5", [*made.flags, *slip])).prepare_data()


def scores(*values: float | None) -> dict[int, dict[str, Any]]:
    return {10 * n: {"score": value} for n, value in enumerate(values, start=1)}


def test_the_best_is_the_first_of_the_highest() -> None:
    found = ValidationRecord("f", 2, scores(0.2, 0.5, None, 0.5))
    assert (found.best_step, found.best_score) == (20, 0.5)
    assert found.is_over
    assert not found.until(30).is_over
    assert not ValidationRecord("f", 0, scores(0.5, 0.1, 0.1)).is_over
    nothing = ValidationRecord("f", 2, scores(None, None))
    assert nothing.best_step is None
    assert math.isnan(nothing.best_score)
    assert nothing.is_over


def test_a_record_is_read_back_where_it_is_the_same_validations(tmp_path: Path) -> None:
    found = ValidationRecord("f", 2, scores(0.2, None))
    found.write(tmp_path, suite="s")
    assert ValidationRecord.read(tmp_path, "f", 2) == found
    assert ValidationRecord.read(tmp_path, "other", 2).scores == {}
    (tmp_path / "validation.json").write_text("[1", encoding="utf-8")
    assert ValidationRecord.read(tmp_path, "f", 2).scores == {}
    assert ValidationRecord.read(tmp_path / "none", "f", 2).scores == {}


def test_only_the_model_is_copied_from_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint-2"
    (checkpoint / "global_step2").mkdir(parents=True)
    model = {"config.json", "model-00001-of-00002.safetensors", "tokenizer.json", "adapter_config.json"}
    state = {
        "optimizer.pt",
        "rng_state_0.pth",
        "trainer_state.json",
        "manifest.json",
        "steps.json",
        "guard.json",
        "balance.json",
        "gradient_balancing.json",
        "latest",
        "zero_to_fp32.py",
    }
    for name in model | state:
        (checkpoint / name).write_text(name)
    copy_model(checkpoint, tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == model


def test_random_states_are_left_as_they_were() -> None:
    with random_states_kept():
        wanted = (random.random(), np.random.random(), torch.rand(2))
    found = (random.random(), np.random.random(), torch.rand(2))
    assert found[:2] == wanted[:2]
    assert torch.equal(found[2], wanted[2])


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("launcher", ["ddp", "zero3"])
def test_two_processes_validate_what_they_saved(launcher: str, made: Made, tmp_path: Path) -> None:
    """Weights that ZeRO-3 keeps in parts are scored and left whole, and both processes end at the same step."""
    flags = list(made.flags)
    place = flags.index("--use_cpu")  # DeepSpeed finds the CPU by itself
    del flags[place : place + 2]
    own = ["--global_batch_size", "4", "--per_device_train_batch_size", "2", "--max_steps", "20"]
    best = [
        "--export_checkpoint",
        "best",
        "--early_stopping_patience",
        "2",
        "--output_dir",
        str(tmp_path / "run"),
    ]
    script = builtin_folder("recipes") / "xp3_mt5.py"
    extensions = Path(os.environ.get("MTFT_TORCH_EXTENSIONS", tmp_path.parent / "extensions"))
    launched([*LAUNCHERS[launcher], script, *flags, *own, *best], timeout=500, extensions=extensions)
    found = json.loads((tmp_path / "run" / "validation.json").read_text(encoding="utf-8"))
    summary = json.loads((tmp_path / "run" / "training.json").read_text(encoding="utf-8"))
    assert [line["step"] for line in summary["validation"]] == [int(step) for step in found["scores"]]
    assert summary["step"] == found["best_step"] <= max(map(int, found["scores"])) <= 20
    kept = tmp_path / "run" / f"checkpoint-{found['best_step']}"
    assert same(weights(tmp_path / "run"), weights(kept))
