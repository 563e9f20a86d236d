"""The results of many evaluations as one data frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mtft
from mtft.errors import RunError
from mtft.evaluation import EvaluationResults, ModelInfo, Sample, cells_of, load_results, sample_table
from mtft.evaluation.evaluator import sample_of
from mtft.evaluation.frame import COLUMNS
from mtft.evaluation.sample_table import read_samples, write_samples
from tests.evaluation.small_world import SmallWorld, make


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return make(tmp_path)


def samples(world: SmallWorld, model: str = "base", step: int | None = 0) -> list[Sample]:
    """Rankings in two languages under two templates, and generations with several scores each."""
    examples = world.examples(world.suite("tasks: [mood, {task: say, metrics: [qa]}]"))
    return [
        sample_of(
            e, e.cell.metrics[0], [-1.0, -2.0] if e.cell.task == "mood" else "word", "", model, None, step
        )
        for e in examples
    ]


def test_one_row_per_score(world: SmallWorld, tmp_path: Path) -> None:
    made = samples(world)
    write_samples(made, tmp_path / "out" / "samples.parquet")
    frame = load_results(tmp_path / "out")
    assert list(frame.columns) == ["run", *COLUMNS, "score", "value"]
    expected = [(s.task, s.language, s.template, s.id, n, v) for s in made for n, v in s.scores.items()]
    columns = ["task", "language", "template", "id", "score", "value"]
    assert list(frame[columns].itertuples(index=False, name=None)) == expected
    assert len(frame) == 2 * 2 * 8 + 2 * 8
    assert set(frame[frame.task == "say"].score) == {"f1", "exact_match"}
    assert frame.groupby(["task", "language"], observed=True).value.mean()["mood", "de"] == 0.75


def test_texts_are_categories_and_numbers_numbers(world: SmallWorld, tmp_path: Path) -> None:
    write_samples(samples(world), tmp_path / "samples.parquet")
    frame = load_results(tmp_path)
    assert frame.value.dtype == "float64"
    assert frame.step.dtype == "int32"
    others = [name for name in frame.columns if name not in ("value", "step")]
    assert all(isinstance(frame[name].dtype, pd.CategoricalDtype) for name in others)
    assert mtft.load_results is load_results


def test_runs_models_and_steps_stand_side_by_side(world: SmallWorld, tmp_path: Path) -> None:
    one = [*samples(world), *samples(world, "finetuned", 400)]
    write_samples(one, tmp_path / "one" / "eval" / "samples.parquet")
    write_samples(samples(world, "base", None), tmp_path / "two" / "eval" / "base" / "samples.parquet")
    write_samples(
        samples(world, "finetuned", 80), tmp_path / "two" / "eval" / "finetuned" / "samples.parquet"
    )
    frame = load_results([tmp_path / "one", str(tmp_path / "two")])
    seen = frame[["run", "model", "step"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(seen) == [
        (str(tmp_path / "one"), "base", 0),
        (str(tmp_path / "one"), "finetuned", 400),
        (str(tmp_path / "two"), "base", -1),
        (str(tmp_path / "two"), "finetuned", 80),
    ]
    part = load_results([tmp_path / "one"], task="mood", language=["de", "sw"], model="finetuned")
    assert len(part) == 16
    assert (set(part.language), set(part.model), set(part.task)) == ({"de"}, {"finetuned"}, {"mood"})
    assert load_results(tmp_path / "one", task="none").empty


def test_what_is_unscored_has_a_row_without_a_value(world: SmallWorld, tmp_path: Path) -> None:
    made = samples(world)[:3]
    made[1] = replace(made[1], scores={}, unscored_reason="the prompt is empty", contamination="ngram")
    write_samples(made, tmp_path / "samples.parquet")
    frame = load_results(tmp_path)
    assert frame.value.isna().tolist() == [False, True, False]
    assert frame.score.isna().tolist() == [False, True, False]
    assert frame.unscored_reason.tolist() == ["", "the prompt is empty", ""]
    assert frame.contamination.tolist() == ["", "ngram", ""]


def test_further_columns_are_read_where_asked_for(world: SmallWorld, tmp_path: Path) -> None:
    made = samples(world)
    write_samples(made, tmp_path / "samples.parquet")
    frame = load_results(tmp_path, task="mood", columns=["inputs", "loglikelihoods", "prediction", "slices"])
    first = made[0]
    row = frame.iloc[0]
    assert (row.inputs, tuple(row.loglikelihoods), row.prediction) == (
        first.inputs,
        first.loglikelihoods,
        first.prediction,
    )
    assert json.loads(row.slices) == first.slices
    with pytest.raises(RunError, match="inputs"):
        load_results(tmp_path, columns=["input"])


def test_row_groups_change_nothing(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = samples(world)
    write_samples(made, tmp_path / "whole" / "samples.parquet")
    monkeypatch.setattr(sample_table, "ROW_GROUP", 7)
    write_samples(made, tmp_path / "parts" / "samples.parquet")
    assert pq.read_metadata(tmp_path / "parts" / "samples.parquet").num_row_groups == 6
    assert read_samples(tmp_path / "parts" / "samples.parquet") == made
    whole, parts = (load_results(tmp_path / name).drop(columns="run") for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole.astype(object), parts.astype(object))


def test_tables_of_earlier_versions_are_read(world: SmallWorld, tmp_path: Path) -> None:
    made = samples(world)[::5]
    old: dict[str, Any] = {name: [getattr(s, name) for s in made] for name in sample_table.SCHEMA.names}
    for name in ("contamination", "step", "signature", "shots", "dropped_shots"):
        del old[name]
    old |= {name: [json.dumps(each) for each in old[name]] for name in ("scores", "slices")}
    pq.write_table(pa.table(old), tmp_path / "samples.parquet")
    assert read_samples(tmp_path / "samples.parquet") == [replace(s, signature="", step=-1) for s in made]
    frame = load_results(tmp_path)
    assert frame.value.tolist() == [v for s in made for v in s.scores.values()]
    assert set(frame.step) == {-1}
    assert set(frame.contamination) == {""}


def test_a_prompt_is_stored_once(world: SmallWorld, tmp_path: Path) -> None:
    """For all models and metrics together: twenty models' table is hardly larger than one's."""
    long = [replace(s, inputs=s.inputs + "".join(map(chr, range(0x400, 0x4000)))) for s in samples(world)[:8]]
    sizes = []
    for count in (1, 20):
        path = tmp_path / f"{count}.parquet"
        write_samples([replace(s, model=f"m{n}") for n in range(count) for s in long], path)
        sizes.append(path.stat().st_size)
    assert sizes[1] < 1.2 * sizes[0]


def test_no_samples_are_an_empty_frame(world: SmallWorld, tmp_path: Path) -> None:
    examples = world.examples(world.suite())
    EvaluationResults((), (ModelInfo("base"),), cells_of(examples), {"name": "s"}).save(tmp_path / "out")
    assert load_results(tmp_path / "out").empty
    assert read_samples(tmp_path / "out" / "samples.parquet") == []


def test_paths_without_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="missing"):
        load_results(tmp_path / "missing")
    with pytest.raises(RunError, match="at least one path"):
        load_results([])
    (tmp_path / "samples.parquet").write_text("no table")
    with pytest.raises(RunError, match=r"samples\.parquet"):
        load_results(tmp_path)
    pq.write_table(pa.table({"model": ["m"]}), tmp_path / "other.parquet")
    with pytest.raises(RunError, match="no column"):
        load_results(tmp_path / "other.parquet")
