from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, TrainerCallback

from mtft.errors import ConfigError, MtftError, RunError
from mtft.runs import EvaluateArguments, Run, StudyArguments, evaluate_model, read_settings, study
from mtft.training import MultitaskTrainer


def whole(recipe: str, flags: list[str]) -> Run:
    """The stages of a recipe, as its script has them."""
    run = Run(*read_settings(recipe, flags))
    run.prepare_data()
    run.prepare_model()
    run.evaluate("base")
    run.finetune()
    run.evaluate("finetuned")
    run.report()
    return run


@pytest.mark.parametrize(
    ("recipe", "auto"), [("xp3_mt5", AutoModelForSeq2SeqLM), ("xp3_bloom", AutoModelForCausalLM)]
)
def test_a_run_goes_from_rows_to_report(recipe: str, auto: Any, flags: list[str]) -> None:
    run = whole(recipe, flags)
    folder = run.folder.path
    for name in (
        "recipe.yaml",
        "mixture/manifest.json",
        "mixture/overlap.bin",
        "eval/report.md",
        "training.json",
        "base/model.safetensors",
    ):
        assert (folder / name).stat().st_size > 0
    assert (
        auto.from_pretrained(folder).config.architectures
        == auto.from_pretrained(folder / "base").config.architectures
    )
    assert AutoTokenizer.from_pretrained(folder).eos_token == "</s>"
    results = json.loads((folder / "eval" / "results.json").read_text())
    assert [model["name"] for model in results["models"]] == ["base", "finetuned"]
    assert {row["seen"] for row in results["summary"]} == {"seen", "held_out_pair"}
    samples = pq.read_table(folder / "eval" / "samples.parquet").to_pylist()
    assert {row["model"] for row in samples} == {"base", "finetuned"}
    assert all(row["item_group"] and row["template"] and row["language"] for row in samples)
    assert {(row["model"], row["step"]) for row in samples} == {("base", 0), ("finetuned", 6)}
    assert {row["task"] for row in results["contamination"]} == set(results["tasks"])
    assert all(row["n_item_group"] == 0 for row in results["contamination"])  # the build's own rule
    assert "<html" in (folder / "eval" / "report.html").read_text()
    settings = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert (settings["vocab_size"], settings["max_steps"]) == (700, 6)

    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    whole(recipe, flags)  # everything is done: nothing is trained again
    assert written == {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


class Killed(BaseException):
    """Not an Exception: nothing on the way catches it."""


class KillAt(TrainerCallback):
    """Ends the process's work at a step, as a signal would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise Killed


def test_a_killed_run_started_again_ends_as_if_it_had_not_been_killed(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = [*flags, "--output_dir", str(tmp_path / "straight")]
    straight = whole("xp3_mt5", other)
    begin = MultitaskTrainer.__init__

    def killed_at_five(self: MultitaskTrainer, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        self.add_callback(KillAt(5))

    with monkeypatch.context() as patch:
        patch.setattr(MultitaskTrainer, "__init__", killed_at_five)
        with pytest.raises(Killed):
            whole("xp3_mt5", flags)
    assert (tmp_path / "run" / "checkpoint-4" / "manifest.json").is_file()
    resumed = whole("xp3_mt5", flags)
    a, b = (load_file(run.folder.path / "model.safetensors") for run in (straight, resumed))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_goes_on_only_with_the_settings_it_began_with(flags: list[str], tmp_path: Path) -> None:
    Run(*read_settings("xp3_mt5", flags)).prepare_data()
    changed = [*flags, "--learning_rate", "0.5"]
    with pytest.raises(RunError, match=r"learning_rate: .* → 0\.5.*overwrite"):
        Run(*read_settings("xp3_mt5", changed)).prepare_data()
    Run(
        *read_settings("xp3_mt5", [*flags, "--logging_steps", "1"])
    ).prepare_data()  # how it is shown may change
    Run(*read_settings("xp3_mt5", [*changed, "--overwrite", "true"])).prepare_data()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(RunError, match="other files"):
        Run(*read_settings("xp3_mt5", [*flags, "--output_dir", str(tmp_path / "full")])).prepare_data()
    assert (tmp_path / "full" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (["--mixture", "mini_xp"], "mini_xp3"),
        (["--suite", "open_multilingua"], "open_multilingual"),
        (["--data_root", "/nowhere/at/all"], "data root"),
    ],
)
def test_bad_input_is_found_before_a_model_is_made(
    flags: list[str], slip: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was made")

    monkeypatch.setattr("mtft.runs.models.build_model", never)
    monkeypatch.setattr("mtft.runs.models.load_model", never)
    run = Run(*read_settings("xp3_mt5", [*flags, *slip]))
    with pytest.raises(MtftError, match=message):
        run.prepare_data()


def test_zero_shot_evaluation_of_a_run_repeats_its_scores(
    flags: list[str], pocket: Path, tmp_path: Path
) -> None:
    run = whole("xp3_bloom", flags)
    report = evaluate_model(
        EvaluateArguments(
            model=str(run.folder.path),
            suite=str(pocket / "suite.yaml"),
            output_dir=str(tmp_path / "out"),
            self_check=2,
        )
    )
    assert report == tmp_path / "out" / "report.html"

    def medians(path: Path, name: str) -> dict[tuple[str, ...], float]:
        rows = json.loads((path / "results.json").read_text())["summary"]
        return {(r["task"], r["language"], r["metric"]): r["median"] for r in rows if r["model"] == name}

    assert medians(tmp_path / "out", "model") == medians(run.folder.eval, "finetuned")
    ours, runs = (
        json.loads((place / "results.json").read_text()) for place in (tmp_path / "out", run.folder.eval)
    )
    assert ours["models"][0]["step"] == 6
    assert ours["contamination_index"] == runs["contamination_index"]  # found beside the model
    assert [row["n_items"] for row in ours["contamination"]] == [
        row["n_items"] for row in runs["contamination"]
    ]


def test_an_unknown_hub_model_offline_is_one_readable_error(pocket: Path, tmp_path: Path) -> None:
    with pytest.raises(MtftError, match="folder or a Hub id"):
        evaluate_model(EvaluateArguments("nobody/nothing", str(pocket / "suite.yaml"), str(tmp_path / "out")))


@pytest.mark.parametrize(("what", "rule"), [("tasks", "A task"), ("languages", "A language")])
def test_what_the_suite_does_not_have_is_found_before_the_model(
    what: str, rule: str, pocket: Path, tmp_path: Path
) -> None:
    arguments = EvaluateArguments("nobody/nothing", str(pocket / "suite.yaml"), str(tmp_path / "out"))
    with pytest.raises(MtftError, match=f"{rule} to evaluate must be one of the suite's"):
        evaluate_model(replace(arguments, **{what: ["nothing_like_it"]}))


def test_a_study_puts_seeds_and_controls_together(flags: list[str], tmp_path: Path) -> None:
    place = tmp_path / "study"
    arguments = StudyArguments("xp3_mt5", [1, 2], str(place))
    verdict = study(arguments, flags)
    assert verdict["trained_clusters"]["of"] == 1
    (cell,) = verdict["cells"]
    assert {"base", "shuffled", "bag_of_tokens", "finetuned", "chance", "low", "counts"} <= cell.keys()
    results = json.loads((place / "eval" / "results.json").read_text())
    assert [model["name"] for model in results["models"]] == ["base", "finetuned", "shuffled"]
    held_out = [r for r in results["summary"] if r["seen"] == "held_out_pair" and r["model"] == "finetuned"]
    assert [r["n_templates"] for r in held_out] == [2 * 4]  # four templates under each of two seeds
    assert load_file(place / "seed-1" / "base" / "model.safetensors").keys()


def test_a_study_flag_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_steps"):
        study(StudyArguments(study_dir=str(tmp_path)), ["--max_stepz", "3"])
