"""Results by the values of declared columns, with what training saw of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtft.errors import TaskError
from mtft.evaluation import EvalExample, EvaluationResults, ModelInfo, Sample, cells_of
from mtft.evaluation.aggregate import Resampling, template_cells
from mtft.evaluation.evaluator import sample_of
from mtft.evaluation.slices import slice_rows, trained_values
from mtft.mixing import Mixture
from mtft.reporting import write_report
from tests.evaluation.small_world import SmallWorld, make


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return make(tmp_path)


def answered(examples: list[EvalExample]) -> list[Sample]:
    """Always `good`, which is right for three of four."""
    return [sample_of(e, "accuracy", [-1.0, -2.0], "", "model") for e in examples]


def results(world: SmallWorld, **extras: Any) -> EvaluationResults:
    found = world.examples(world.suite())
    made = EvaluationResults(
        tuple(answered(found)), (ModelInfo("model"),), cells_of(found), {"name": "small"}
    )
    return made.with_extras(**extras)


def test_each_value_has_its_score_interval_and_count(world: SmallWorld) -> None:
    rows = results(world).as_dict()["slices"]
    assert [(r["config"], r["column"], r["slice"], r["seen"]) for r in rows] == [
        (config, "kind", value, "") for value in "ab" for config in ("de", "en")
    ]
    even, odd = rows[0], rows[2]  # items 200 and 204 are bad
    assert (even["value"], even["n"], even["n_groups"]) == (0.5, 4, 4)
    assert (odd["value"], odd["n"]) == (1.0, 4)
    assert even["low"] < 0.5 < even["high"]
    assert odd["low"] < 1.0 <= odd["high"]


def test_slices_are_the_scores_of_their_rows_alone(world: SmallWorld) -> None:
    samples = answered(world.examples(world.suite()))
    resampling = Resampling(s.item_group for s in samples)
    rows = slice_rows(template_cells(samples), resampling)
    for value in "ab":
        alone = [s for s in samples if s.slices["kind"] == value]
        again = slice_rows(template_cells(alone), resampling)
        assert again == [row for row in rows if row["slice"] == value]


def test_the_manifest_tells_what_training_saw(world: SmallWorld) -> None:
    lines = (world.root / "mood" / "en" / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (world.root / "mood" / "en" / "train.jsonl").write_text("".join(lines[::2]), encoding="utf-8")  # kind a
    built = world.mixture("tasks: [{task: mood, languages: [en, de]}]\nheld_out: {report: {languages: [de]}}")
    manifest = Mixture(built, built.index()).manifest()
    assert manifest["units"][0]["slices"] == {"kind": {"a": 20}}
    assert trained_values(manifest) == {("mood", "kind"): frozenset("a")}
    content = results(world, mixture=manifest).as_dict()
    found = {(r["slice"], r["seen"]): r["value"] for r in content["slices"] if r["config"] == "en"}
    assert found == {("", "seen"): 0.5, ("", "unseen"): 1.0, ("a", "seen"): 0.5, ("b", "unseen"): 1.0}


def test_of_a_task_that_never_trained_nothing_is_said(world: SmallWorld) -> None:
    rows = results(world, mixture={"units": [{"task": "other", "slices": {"kind": {"a": 1}}}]}).as_dict()[
        "slices"
    ]
    assert {row["seen"] for row in rows} == {""}
    rows = results(world, mixture={"units": [{"task": "mood"}]}).as_dict()["slices"]  # an older manifest
    assert {row["seen"] for row in rows} == {""}


def test_slices_reach_the_report_and_come_back_from_the_file(world: SmallWorld, tmp_path: Path) -> None:
    made = results(world, mixture={"units": [{"task": "mood", "slices": {"kind": {"a": 1}}}]})
    content = made.save(tmp_path / "out")
    again = EvaluationResults.load(tmp_path / "out")
    assert again.as_dict()["slices"] == content["slices"]
    html, md = write_report(content, tmp_path / "out", tmp_path / "out" / "samples.parquet")
    assert "| kind | b | no | German (de)" in md.read_text(encoding="utf-8")
    assert 'id="slices"' in html.read_text(encoding="utf-8")


def test_a_row_without_a_value_is_in_no_slice(world: SmallWorld) -> None:
    lines = [line.replace('"kind": "a"', '"kind": null') for line in open(world.root / "mood/en/test.jsonl")]  # noqa: SIM115
    (world.root / "mood" / "en" / "test.jsonl").write_text("".join(lines), encoding="utf-8")
    rows = results(world).as_dict()["slices"]
    assert [(r["config"], r["slice"], r["n"]) for r in rows] == [
        ("de", "a", 4),
        ("de", "b", 4),
        ("en", "b", 4),
    ]


def test_a_slice_must_be_a_column(world: SmallWorld) -> None:
    path = world.root / "prompts" / "mood" / "task.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("slices: [kind]", "slices: [knd]"), encoding="utf-8"
    )
    with pytest.raises(TaskError, match=r"`knd`.*kind"):
        world.examples(world.suite())
