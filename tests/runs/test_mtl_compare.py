"""The comparison and the probes of transfer as whole runs, small: what is written, and that nothing is done twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mtft.errors import ConfigError, RunError
from mtft.plain import finite
from mtft.reporting.probe_page import probe_page
from mtft.runs import CompareArguments, ProbeArguments, compare_methods, transfer_probe
from mtft.runs.run import Run
from mtft.runs.settings import read_settings
from mtft.runs.transfer_probe import gap_line, gap_row
from mtft.statistics import Curve, generalisation_gap

TOPIC = "mini_xp3/topic"


def test_a_comparison_goes_from_rows_to_report_and_goes_on(pocket: Path, tmp_path: Path) -> None:
    mixture = tmp_path / "pocket.yaml"
    mixture.write_text((pocket / "pocket.yaml").read_text())
    arguments = CompareArguments(
        methods=["target", "task", "hot=--learning_rate 1e38"],
        seeds=[1, 2],
        single_tasks=[TOPIC],
        compare_dir=str(tmp_path / "c"),
    )
    flags = [
        "--preset", "smoke", "--mixture", str(mixture), "--suite", str(pocket / "suite.yaml"),
        "--max_steps", "2", "--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "2",
        "--logging_steps", "1", "--vocab_size", "700", "--pretrain_steps", "1",
        "--max_items_per_cell", "4", "--report_to", "none", "--disable_tqdm", "true", "--use_cpu", "true",
    ]  # fmt: skip
    found = compare_methods(arguments, flags)
    place = tmp_path / "c"
    assert [row["method"] for row in found["methods"]] == ["target", "task", "hot"]
    # what diverges ends alone
    assert {(row["method"], row["seed"]) for row in found["failed"]} == {("hot", 1), ("hot", 2)}
    assert "hot did not finish under seed 1: A step" in (place / "report.html").read_text()
    assert found["methods"][1]["step_ratio"] > 0
    assert (found["rows_per_step"], found["steps"]) == (8, 2)
    assert {row["task"] for row in found["tasks"]} == {TOPIC}
    assert json.loads((place / "compare.json").read_text())["verdicts"] == found["verdicts"]
    assert "Multitask methods compared" in (place / "report.html").read_text()
    assert (place / "csv" / "tasks.csv").is_file()
    # a single-task run takes from each step of 8 rows its task's, and has no more slots than that needs
    (settings,) = [yaml.safe_load(p.read_text()) for p in place.glob("seed-1/single-task-*/recipe.yaml")]
    assert (settings["only_tasks"], settings["mixture_rows_per_step"]) == ([TOPIC], 8)
    assert settings["per_device_train_batch_size"] < 8
    alone, all_tasks = (
        json.loads((place / "seed-1" / name / "training.json").read_text())
        for name in ("single-task-mini_xp3-topic", "target")
    )
    assert alone["step"] == all_tasks["step"] == 2
    assert 0 < alone["examples"] < all_tasks["examples"] == 16
    # one base model for all of a seed
    assert not [*(place / "seed-1").glob("t*/base/model.safetensors")]
    weights = {path: path.stat().st_mtime_ns for path in place.rglob("*.safetensors")}
    assert len(weights) == 8  # per seed: base, two methods, one single task
    again = compare_methods(arguments, flags)
    assert again == found
    assert weights == {path: path.stat().st_mtime_ns for path in place.rglob("*.safetensors")}
    # another method on other rows, beside those that are done, would be compared with what it is not comparable to
    mixture.write_text(mixture.read_text().replace("count: 60", "count: 12"))
    with pytest.raises(RunError, match="mixture that it began with"):
        compare_methods(replace(arguments, methods=["uw", *arguments.methods]), flags)
    assert not [*place.rglob("uw")]


def test_mistakes_are_found_before_anything_is_built(tmp_path: Path) -> None:
    for wrong in (
        CompareArguments(methods=["nothing"]),
        CompareArguments(methods=["task"], seeds=[]),
        CompareArguments(methods=["x=--loss_normalization nothing"]),
    ):
        with pytest.raises(ConfigError):
            compare_methods(wrong, ["--output_dir", str(tmp_path / "none")])
    with pytest.raises(ConfigError, match="auxiliary"):
        transfer_probe(ProbeArguments(auxiliary=[TOPIC]), [])
    with pytest.raises(ConfigError, match="different seeds"):
        transfer_probe(ProbeArguments(seeds=[1, 1]), [])
    with pytest.raises(ConfigError, match="needs a mixture"):
        transfer_probe(ProbeArguments(mixtures=["a", "b", "c"]), [])
    for flags, told in (
        (["--mixture", "transfer_probe"], "Give --mixtures"),
        (["--mixture=transfer_probe"], "Give --mixtures"),
        (["--seed", "7"], "Give --seeds"),
        (["--output_dir", "x"], "Give --probe_dir"),
        (["--only_tasks", TOPIC], "Give --target"),
        (["--global_batch_size", "32"], "--per_device_train_batch_size"),
        (["--packing", "true"], "--packing false"),
        (["--max_steps", "-1"], "--max_steps in place of"),
    ):
        with pytest.raises(ConfigError, match=told):
            transfer_probe(ProbeArguments(probe_dir=str(tmp_path / "none")), flags)
    # words are translated, not chosen: their metric would need generation
    words = ProbeArguments(target="mini_xp3/translation", auxiliary=["mini_xp3/nli"], mixtures=["mini_xp3"])
    with pytest.raises(ConfigError, match="must have a development metric"):
        transfer_probe(words, [])
    for auxiliary in (["mini_xp3/subject", "mini_xp3/nose"], ["mini_xp3/subject", "mini_xp3/nli"]):
        probes = ProbeArguments(auxiliary=auxiliary, probe_dir=str(tmp_path / "none"))
        with pytest.raises(ConfigError, match="trained by its mixture"):
            transfer_probe(probes, [])
    only = read_settings(
        "xp3_mt5", ["--only_tasks", "mini_xp3/topics", "--output_dir", str(tmp_path / "none")]
    )
    with pytest.raises(ConfigError, match="mini_xp3/topic"):
        Run(*only).prepare_data()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--global_batch_size", "16"], "global_batch_size 16"),
        (["--packing", "true"], "packing"),
        (["--evaluate", "false"], "evaluate false"),
        (["--max_steps", "-1"], "number of steps"),
        (["--seed", "7"], "Give --seeds"),
        (["--output_dir=x"], "Give --compare_dir"),
        (["--early_stopping_patience", "2"], "last step"),
        (["--only_tasks", TOPIC], "all tasks"),
        (["--shuffled_labels", "true"], "single_tasks none"),
    ],
)
def test_what_would_undo_the_same_steps_is_refused(flags: list[str], told: str, tmp_path: Path) -> None:
    arguments = CompareArguments(methods=["task"], compare_dir=str(tmp_path / "c"))
    with pytest.raises(ConfigError, match=told):
        compare_methods(arguments, ["--report_to", "none", "--use_cpu", "true", *flags])
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ("--max_steps 7", "max_steps"),
        ("--data_seed 9", "data_seed"),
        ("--per_device_train_batch_size 4", "4 in place of 32 rows"),
        ("--gradient_accumulation_steps 2", "64 in place of 32 rows"),
        ("--global_batch_size 32", "of the method `x`"),
        ("--packing true", "of the method `x`"),
        ("--only_tasks mini_xp3/topic", "only_tasks"),
        ("--shuffled_labels true", "shuffled_labels"),
        ("--seed 7", "--seed 7 of the method `x`"),
    ],
)
def test_a_method_changes_how_is_learned_not_what(flags: str, told: str, tmp_path: Path) -> None:
    arguments = CompareArguments(methods=["task", f"x={flags}"], compare_dir=str(tmp_path / "c"))
    with pytest.raises(ConfigError, match=told):
        compare_methods(arguments, ["--report_to", "none", "--use_cpu", "true"])
    assert not (tmp_path / "c").exists()


def test_single_tasks_with_shuffled_labels_are_refused_by_every_run(tmp_path: Path) -> None:
    both = ["--only_tasks", TOPIC, "--shuffled_labels", "true", "--output_dir", str(tmp_path / "r")]
    with pytest.raises(ConfigError, match="shuffled_labels with --only_tasks"):
        read_settings("mtl_compare", both)
    run = Run(*read_settings("mtl_compare", both[2:]))
    run.arguments.only_tasks = [TOPIC]  # as a recipe's code sets it
    for prepare in (run.prepare_data, run.prepare_folder):
        with pytest.raises(ConfigError, match="control of the whole mixture"):
            prepare()
    with pytest.raises(ConfigError, match="without --only_tasks"):
        read_settings("mtl_compare", ["--mixture_rows_per_step", "8"])


def test_the_probes_end_in_a_table_of_gaps(tmp_path: Path) -> None:
    arguments = ProbeArguments(
        seeds=[1, 2], auxiliary=["mini_xp3/noise"], mixtures=["transfer_probe_noise"], probe_dir=str(tmp_path)
    )
    flags = [
        "--preset", "smoke", "--max_steps", "2", "--diagnostics_every", "1", "--diagnostics_items", "2",
        "--diagnostics_examples", "16", "--report_to", "none", "--disable_tqdm", "true", "--use_cpu", "true",
    ]  # fmt: skip
    found = transfer_probe(arguments, flags)
    assert [(row["auxiliary"], row["seeds"]) for row in found["gaps"]] == [("mini_xp3/noise", [2, 2])]
    curves = [curve for of in found["curves"]["transfer_probe_noise"].values() for curve in of]
    assert [curve["seed"] for curve in curves] == [1, 2, 1, 2]
    # a seed's runs begin with the same weights, another seed's with others
    first = [curve["loss"][0] for curve in curves]
    assert first[:2] == pytest.approx(first[2:])
    assert first[0] != pytest.approx(first[1])
    bases = sorted(path.parts[-4:-2] for path in tmp_path.rglob("base/model.safetensors"))
    assert bases == [("seed-1", "alone"), ("seed-2", "alone")]
    assert "Gap at the same training loss" in (tmp_path / "report.html").read_text()
    settings = [json.loads(p.read_text()) for p in sorted(tmp_path.rglob("seed-*/*/training_arguments.json"))]
    assert sorted(each["per_device_train_batch_size"] for each in settings) == [16, 16, 32, 32]


@pytest.mark.parametrize(
    ("losses", "line", "range_"),
    [
        (([2.0, 1.0], [2.0, 0.5]), "gap +0.200, band –: one seed", "2 to 1"),
        (([2.0, 1.5], [1.0, 0.5]), "gap –, band –: no overlap", "none in common"),
    ],
)
def test_what_was_not_measured_is_a_dash(
    losses: tuple[list[float], list[float]], line: str, range_: str
) -> None:
    alone, beside = (
        Curve(np.array(of), np.full(2, metric), 1) for of, metric in zip(losses, (0.4, 0.6), strict=True)
    )
    row = finite(gap_row("mini_xp3/noise", "m", generalisation_gap([alone], [beside])))
    assert gap_line(TOPIC, row) == f"{TOPIC} beside mini_xp3/noise: {line}"
    page = probe_page({"target": TOPIC, "seeds": [1], "gaps": [row], "curves": {}})
    assert range_ in page
    assert "None" not in page
