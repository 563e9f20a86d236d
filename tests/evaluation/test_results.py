from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtft.errors import RunError
from mtft.evaluation import EvalCell, EvaluationResults, ModelInfo, Sample, control_rows
from mtft.reporting.results import Results

CELLS = (
    EvalCell(
        "nli",
        "sw",
        "natural_language_inference",
        "sw",
        "held_out_language",
        ("accuracy",),
        language_name="Swahili",
    ),
    EvalCell("nli", "en", "natural_language_inference", "en", "seen", ("accuracy",), cluster_trained=True),
    EvalCell("mt", "en-sw", "translation", "sw", "held_out_cluster", ("chrf",)),
    EvalCell("ner", "sw", "tagging", "sw", "unknown", ("span_f1",)),
    EvalCell("qa", "sw", "extractive_qa", "sw", "held_out_pair", ("qa",)),
)
SUITE = {"name": "toy", "fingerprint": "f"}


def make(model: str, skill: float, seed: int = 0, n: int = 40) -> list[Sample]:
    """Two templates per cell; a model of this skill answers that share of items right, the same items per
    language."""
    draw = random.Random(seed)
    hardness = [draw.random() for _ in range(n)]
    samples = []
    for cell in CELLS:
        for template in ("one", "two"):
            for item, hard in enumerate(hardness):
                right = hard < skill + (0.05 if template == "two" else 0)
                samples.append(_sample(cell, model, template, item, right))
    return samples


def _sample(cell: EvalCell, model: str, template: str, item: int, right: bool) -> Sample:
    metric = cell.metrics[0]
    scores = {
        "accuracy": {"accuracy": float(right)},
        "chrf": {"chrf": 0.0, "chrf_pp": 0.0},
        "span_f1": {
            "true_positives": float(right), "false_positives": 0.0, "false_negatives": float(not right),
            "malformed": 0.0,
        },
        "qa": {"f1": float(right), "exact_match": float(right)},
    }[metric]  # fmt: skip
    return Sample(
        model=model, task=cell.task, dataset=cell.task, config=cell.config, cluster=cell.cluster,
        language=cell.language, prompt_language="en", metric=metric, template=template,
        template_id=f"id-{template}", id=f"test/{item}", item_group=f"g{item}", inputs="p", choices=("no",
        "yes") if metric == "accuracy" else (), loglikelihoods=(-1.0, -2.0), prediction="boti" if right else
        "x", target="yes" if item % 2 else "no", targets=("yes" if item % 2 else "no",) if metric ==
        "accuracy" else ("boti",), scores=scores,
    )  # fmt: skip


def results(model: str = "base", skill: float = 0.4, seed: int = 0) -> EvaluationResults:
    return EvaluationResults(tuple(make(model, skill, seed)), (ModelInfo(model),), CELLS, SUITE)


@pytest.fixture(scope="module")
def both() -> dict[str, Any]:
    return results("base", 0.4).merge(results("finetuned", 0.8)).as_dict()


def row(rows: list[dict[str, Any]], **wanted: object) -> dict[str, Any]:
    (found,) = [r for r in rows if all(r[k] == v for k, v in wanted.items())]
    return found


def test_the_reports_reader_takes_the_results(both: dict[str, Any]) -> None:
    parsed = Results.parse(json.loads(json.dumps(both)))
    assert (parsed.base, parsed.focus) == ("base", "finetuned")
    assert {k.task for k in parsed.keys} == {"nli", "mt", "ner", "qa"}


def test_summary_is_the_median_template_with_its_spread(both: dict[str, Any]) -> None:
    cells = [
        c for c in both["cells"] if c["model"] == "base" and c["task"] == "nli" and c["language"] == "sw"
    ]
    found = row(both["summary"], model="base", task="nli", language="sw")
    assert found["min"] == min(c["value"] for c in cells)
    assert found["median"] == pytest.approx(sum(c["value"] for c in cells) / 2)
    assert found["low"] < found["median"] < found["high"]
    assert (found["n"], found["n_groups"], found["n_templates"]) == (40, 40, 2)
    assert (found["chance"], found["majority"], found["primary"]) == (0.5, 0.5, True)


def test_every_metric_of_a_scorer_is_there_and_one_is_primary(both: dict[str, Any]) -> None:
    for task, primary, other in (
        ("mt", "chrf", "chrf_pp"),
        ("ner", "span_f1", "malformed_rate"),
        ("qa", "f1", "exact_match"),
    ):
        assert row(both["summary"], model="base", task=task, metric=primary)["primary"]
        assert not row(both["summary"], model="base", task=task, metric=other)["primary"]


def test_no_interval_has_zero_width(both: dict[str, Any]) -> None:
    perfect = results("perfect", 2.0).as_dict()
    rows = [*both["summary"], *both["cells"], *perfect["summary"], *perfect["cells"], *perfect["averages"]]
    assert all(r["high"] > r["low"] for r in rows)
    assert row(perfect["summary"], task="mt", metric="chrf")["median"] == 100.0


def test_rows_in_any_order_give_the_same_report(both: dict[str, Any]) -> None:
    mixed = [*make("base", 0.4), *make("finetuned", 0.8)]
    random.Random(3).shuffle(mixed)
    found = EvaluationResults(
        tuple(mixed), (ModelInfo("base"), ModelInfo("finetuned")), CELLS, SUITE
    ).as_dict()
    for key in ("cells", "summary", "averages", "comparisons"):
        assert found[key] == both[key]


def test_averages_count_tasks_alike_and_say_so(both: dict[str, Any]) -> None:
    found = row(both["averages"], model="finetuned", group="all", metric="accuracy")
    medians = [
        r["median"] for r in both["summary"] if r["model"] == "finetuned" and r["metric"] == "accuracy"
    ]
    assert found["value"] == pytest.approx(sum(medians) / 2)
    assert "mean over tasks" in found["rule"]
    scaled = row(both["averages"], model="finetuned", group="all", metric="accuracy_above_chance")
    assert scaled["value"] == pytest.approx((found["value"] - 0.5) / 0.5)
    held = [r for r in both["averages"] if r["group"] == "held_out" and r["model"] == "base"]
    assert {r["metric"] for r in held} == {"accuracy", "accuracy_above_chance", "chrf", "f1"}


def test_comparisons_are_paired_and_corrected(both: dict[str, Any]) -> None:
    found = row(both["comparisons"], task="nli", language="sw")
    assert (found["a"], found["b"]) == ("finetuned", "base")
    assert found["low"] > 0
    assert found["n_clusters"] == 40
    assert found["p_value"] <= found["p_holm"] < 0.01
    assert row(both["comparisons"], task="mt", metric="chrf")["difference"] > 0


def test_a_model_compared_with_itself_differs_by_nothing() -> None:
    same = results("base", 0.5).merge(results("finetuned", 0.5)).as_dict()
    for found in same["comparisons"]:
        assert found["difference"] == 0
        assert found["p_value"] == pytest.approx(1.0)


def test_save_and_load_give_the_same_report(both: dict[str, Any], tmp_path: Path) -> None:
    saved = results("base", 0.4).with_extras(problems={"total": 0})
    saved.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.json", "samples.parquet"]
    loaded = EvaluationResults.load(tmp_path)
    assert loaded.extras == {"problems": {"total": 0}}
    again = loaded.merge(results("finetuned", 0.8)).as_dict()
    assert again["summary"] == both["summary"]
    assert again["problems"] == {"total": 0}


def test_merging_replaces_a_model_and_refuses_another_suite() -> None:
    newer = results("base", 0.4).merge(results("base", 0.9))
    assert len(newer.samples) == len(results().samples)
    assert len(newer.models) == 1
    with pytest.raises(RunError, match="same suite"):
        results().merge(replace(results("x"), suite={"fingerprint": "other"}))


def test_a_damaged_file_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="readable JSON"):
        EvaluationResults.load(tmp_path)
    results().save(tmp_path)
    good = json.loads((tmp_path / "results.json").read_text())
    for bad in ([], {**good, "models": [3]}, {**good, "models": [{"later": 1}]}, {**good, "suite": 3}):
        (tmp_path / "results.json").write_text(json.dumps(bad))
        with pytest.raises(RunError):
            EvaluationResults.load(tmp_path)
    (tmp_path / "results.json").write_bytes(b'"\xff"')
    with pytest.raises(RunError, match="readable JSON"):
        EvaluationResults.load(tmp_path)


def test_a_held_out_cell_counts_when_it_beats_everything(both: dict[str, Any]) -> None:
    weak, strong = results("bag", 0.5).as_dict(), results("bag", 0.8).as_dict()
    (found,) = control_rows(both, {"bag_of_tokens": weak})
    assert found["language"] == "sw"
    assert found["counts"]
    assert found["base"] < found["low"] <= found["finetuned"]
    (beaten,) = control_rows(both, {"bag_of_tokens": strong})
    assert not beaten["counts"]


def test_unscored_samples_are_told_by_reason() -> None:
    samples = [replace(s, scores={}, unscored_reason="too long") for s in make("base", 0.5)]
    found = EvaluationResults(tuple(samples), (ModelInfo("base"),), CELLS, SUITE).as_dict()
    assert sum(r["count"] for r in found["unscored"]) == len(samples)
    assert all(r["median"] is None and r["n"] == 0 and not r["above_chance"] for r in found["summary"])
    assert found["averages"] == []
