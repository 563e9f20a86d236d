"""Scorers of text and structure in an evaluation: tables reach them, scores keep their signatures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtft.errors import SuiteError
from mtft.evaluation.aggregate import template_cells
from mtft.evaluation.cells import Asked
from mtft.evaluation.drawing import _table_of, cell_examples
from mtft.evaluation.evaluator import sample_of
from mtft.evaluation.examples import EvalCell, EvalExample, Sample
from mtft.evaluation.metrics import METRICS
from mtft.evaluation.results import EvaluationResults, ModelInfo
from mtft.evaluation.sample_columns import SampleRows
from mtft.evaluation.sample_table import read_samples, write_samples
from mtft.evaluation.scorers import SCORERS, Unscorable, find_scorer, judge, unscorable_reason
from mtft.reporting.markdown import markdown
from mtft.reporting.results import Results
from mtft.reporting.score_tables import signatures
from mtft.resources import builtin_folder
from mtft.structured import Table
from mtft.structured.meaning_representation import read_meaning_representation
from mtft.structured.triples import read_triples
from mtft.tasks import Problems, Row, Sources, load_card
from mtft.tasks.card import METRICS as CARD_METRICS
from tests.evaluation.test_scorers import example

TRIPLES = read_triples([("Ada", "wrote", "a note"), ("a note", "year", "1843")])
MEANING = read_meaning_representation("inform(name[Tetris], has_multiplayer[no], genres[puzzle, arcade])")


def scored(
    metric: str, text: str | None, table: Table | None = None, row_id: str = "1", **fields: str
) -> Sample:
    made = example(
        None, ("Ada wrote a note in 1843", "Ada's note"), row_id=row_id, item_group=row_id, **fields
    )
    cell = EvalCell("toy", "en", "structure_to_text", "en", metrics=(metric,))
    return sample_of(EvalExample(made, "t", cell, table), metric, text, "", "m")


def test_every_name_of_a_card_has_a_scorer_and_metrics() -> None:
    assert set(CARD_METRICS) == set(SCORERS) == set(METRICS)


@pytest.mark.parametrize("metric", ["bleu", "ter", "rouge", "parent", "coverage", "chrf"])
def test_a_text_scores(metric: str) -> None:
    good = scored(metric, "Ada wrote a note in 1843", TRIPLES)
    bad = scored(metric, "", TRIPLES)
    values = [template_cells([sample])[0].value for sample in (good, bad)]
    # Nothing said: two edits to the nearer reference, of a mean length of 4 words.
    best, worst = (0, 100 * 2 / 4) if metric == "ter" else (100 if metric in ("bleu", "chrf") else 1, 0)
    assert values[0] == pytest.approx(best, abs=1e-6)
    assert values[1] == pytest.approx(worst, abs=1e-6)


def test_slots_of_a_dataset_are_scored_by_its_rules() -> None:
    text = "Tetris is an arcade game with co-op on Linux"
    made = scored("slot_error", text, MEANING, dataset="viggo")
    assert {n: made.scores[n] for n in ("slots", "missing", "added", "repeated")} == {
        "slots": 4, "missing": 2, "added": 2, "repeated": 0,
    }  # fmt: skip
    assert "nrefs:0|rules:viggo" in made.signature
    assert "rules:generic" in scored("slot_error", text, MEANING).signature
    rate, missing, *_ = template_cells([made])
    assert (rate.value, missing.value) == (1.0, 0.5)


@pytest.mark.parametrize(
    ("metric", "table", "reason"),
    [
        ("parent", None, "no table"),
        ("slot_error", TRIPLES, "of kind triples"),
        ("coverage", MEANING, "of kind meaning_representation"),
        ("coverage", TRIPLES, ""),
        ("bleu", None, ""),
    ],
)
def test_a_row_without_its_table_is_unscored(metric: str, table: Table | None, reason: str) -> None:
    found = unscorable_reason(example(None), SCORERS[metric], table)
    assert reason in found
    assert bool(found) == bool(reason)
    if reason:
        with pytest.raises(Unscorable, match=reason):
            judge(example(None), SCORERS[metric], None, "x", table)
        assert reason in scored(metric, "x", table).unscored_reason


def test_meteor_is_of_english(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scored("meteor", "x", language="sw").unscored_reason == "METEOR knows English alone"
    monkeypatch.setenv("MTFT_WORDNET", "/nowhere")
    with pytest.raises(SuiteError, match="WordNet"):
        find_scorer("meteor")


@pytest.mark.parametrize("metric", ["rouge", "parent", "coverage"])
def test_statistics_of_a_subset_add_up(metric: str) -> None:
    texts = ["Ada wrote a note in 1843", "Ada", "a note of 1843", ""]
    samples = [scored(metric, text, TRIPLES, str(at)) for at, text in enumerate(texts)]
    for one in METRICS[metric]:
        found = one.rows(samples)
        part = np.array([g in ("1", "3") for g in SampleRows.of(samples).names("item_group", found.groups)])
        expected = one.rows(samples[1::2]).statistics.sum(axis=0)
        assert found.statistics[part].sum(axis=0) == pytest.approx(expected)
        (whole, *_), (mixed, *_) = (
            [c for c in template_cells(s) if c.metric.name == one.name] for s in (samples, samples[::-1])
        )
        assert whole.value == pytest.approx(mixed.value)


def results() -> EvaluationResults:
    cell = EvalCell("toy", "en", "structure_to_text", "en", metrics=("bleu", "parent"))
    samples = [
        scored(metric, "Ada wrote a note", TRIPLES, str(at)) for metric in cell.metrics for at in (1, 2)
    ]
    return EvaluationResults(tuple(samples), (ModelInfo("m"),), (cell,))


def test_signatures_are_stored_and_shown(tmp_path: Path) -> None:
    content = results().save(tmp_path)
    kept = {row["metric"]: row["signature"] for row in content["summary"]}
    assert kept["bleu"].startswith("nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert kept["parent"] == "nrefs:2|preset:totto|case:lc|tok:13a|mtft-parent:1"
    again = EvaluationResults.load(tmp_path).as_dict()
    assert {row["metric"]: row["signature"] for row in again["cells"]} == kept
    parsed = Results.parse(json.loads((tmp_path / "results.json").read_text("utf-8")))
    assert {row[2].text for row in signatures(parsed).rows} == set(kept.values())
    assert "preset:totto" in markdown(parsed)


def test_tables_of_samples_from_before_signatures_are_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    samples = list(results().samples)
    write_samples(samples, tmp_path / "new.parquet")
    assert read_samples(tmp_path / "new.parquet") == samples
    pq.write_table(
        pq.read_table(tmp_path / "new.parquet").drop_columns(["signature"]), tmp_path / "old.parquet"
    )
    assert read_samples(tmp_path / "old.parquet") == [replace(s, signature="") for s in samples]


def test_a_malformed_table_is_counted_and_none() -> None:
    cell = EvalCell("toy", "en", "structure_to_text", "en", metrics=("parent",))
    problems = Problems()
    good = Row({"table": TRIPLES.as_dict()}, "1", "1", "en", "rows.jsonl:1")
    bad = Row({"table": {"kind": "cube", "cells": [], "titles": []}}, "2", "2", "en", "rows.jsonl:2")
    assert _table_of(good, cell, problems) == TRIPLES
    assert _table_of(bad, cell, problems) is None
    assert _table_of(bad, replace(cell, metrics=("bleu",)), problems) is None
    assert _table_of(Row({}, "3", "3", "en", "rows.jsonl:3"), cell, problems) is None
    assert problems.count("malformed_table") == 1


@pytest.mark.data
@pytest.mark.parametrize(
    ("dataset", "metrics"),
    [
        ("webnlg", ("bleu", "parent", "coverage")),
        ("viggo", ("bleu", "slot_error", "parent")),
        ("totto", ("bleu", "parent")),
    ],
)
def test_tables_of_real_rows_reach_the_scorers(
    data_root: Path, dataset: str, metrics: tuple[str, ...]
) -> None:
    task = load_card(builtin_folder("prompts") / dataset / "task.yaml").tasks(languages=["en"])[0]
    cell = EvalCell(task.name, task.config, task.cluster, "en", metrics=metrics)
    problems = Problems()
    asked = Asked(task, tuple(task.templates[:1]), metrics, 5)
    found = cell_examples(asked, cell, "test", Sources(data_root), problems, seed=0)
    assert found
    for one in found:
        assert one.table is not None
        for metric in metrics:
            made = sample_of(one, metric, one.example.target, "", "m")
            assert made.scores, made.unscored_reason
            assert json.loads(json.dumps(made.scores)) == made.scores
