"""Several runs in one page, the other forms, and which examples a page shows."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtft.errors import RunError
from mtft.reporting import (
    Results,
    RunResults,
    SampleFile,
    answer,
    join_runs,
    read_run,
    run_names,
    write_forms,
)
from mtft.reporting.comparison_tables import score
from mtft.reporting.csv_files import csv_files, harmless
from mtft.reporting.curves import curve_of, mean_line
from mtft.reporting.forest import behind
from mtft.reporting.latex import escaped, latex
from mtft.reporting.markup import text
from mtft.reporting.records import Transfer
from mtft.reporting.sample_choice import choose
from mtft.reporting.samples import read_samples
from tests.reporting.synthetic_results import build_results, build_samples


def better(results: dict[str, Any], by: float) -> dict[str, Any]:
    made = copy.deepcopy(results)
    for row in made["summary"]:
        if row["model"] == "finetuned":
            row["median"] += by * (100 if row["metric"] == "chrf" else 1)
    return made


def joined(first: dict[str, Any], second: dict[str, Any]) -> Any:
    return join_runs([RunResults("A", Path("a"), first), RunResults("B", Path("b"), second)])


def test_runs_stand_side_by_side_by_their_names(results: dict[str, Any]) -> None:
    found = joined(results, better(results, 0.05))
    parsed = Results.parse(found.content)
    assert (parsed.base, parsed.focus, parsed.rivals) == ("A", "B", ("A", "B"))
    assert [model.name for model in parsed.models] == ["base", "A", "B"]
    key = parsed.keys[0]
    one, two = (parsed.at(name, key) for name in ("A", "B"))
    assert one is not None
    assert one.median is not None
    assert two is not None
    assert two.median is not None
    assert two.median > one.median
    assert len(parsed.summary) == 3 * len(parsed.keys)


def test_a_base_model_that_differs_is_kept_for_every_run(results: dict[str, Any]) -> None:
    other = copy.deepcopy(results)
    for row in other["summary"]:
        row["median"] *= 0.9
    parsed = Results.parse(joined(results, other).content)
    assert [model.name for model in parsed.models] == ["A", "B", "A: base", "B: base"]
    assert parsed.base_of("B") == "B: base"


def test_overlap_stands_where_it_is_the_same_for_all_runs(results: dict[str, Any]) -> None:
    parsed = Results.parse(joined(results, copy.deepcopy(results)).content)
    assert len(parsed.contamination) == len(results["contamination"])
    assert {model["model"] for row in parsed.contamination for model in row.models} == {"A", "B", "base"}
    other = copy.deepcopy(results)
    other["contamination"][0]["n_any"] += 1
    apart = Results.parse(joined(results, other).content)
    assert len(apart.contamination) == len(results["contamination"]) - 1


def test_what_is_unscored_says_whose_it_is(results: dict[str, Any]) -> None:
    results["unscored"] = [{"model": "finetuned", "task": "xcopa", "reason": "too long", "count": 3}]
    found = joined(results, copy.deepcopy(results)).content
    assert [row["model"] for row in found["unscored"]] == ["A", "B"]


def test_only_shared_cells_are_compared(results: dict[str, Any]) -> None:
    other = copy.deepcopy(results)
    other["summary"] = [row for row in other["summary"] if row["task"] == "xcopa"]
    found = joined(results, other)
    assert {key.task for key in found.cells} == {"xcopa"}
    assert {row["task"] for row in found.content["summary"]} == {"xcopa"}
    assert "averages" not in found.content


def test_runs_without_a_common_cell_are_refused(results: dict[str, Any]) -> None:
    one, other = copy.deepcopy(results), copy.deepcopy(results)
    one["summary"] = [row for row in one["summary"] if row["task"] == "xcopa"]
    other["summary"] = [row for row in other["summary"] if row["task"] == "sib200"]
    with pytest.raises(RunError, match=r"none in common \(A: xcopa; B: sib200\)"):
        joined(one, other)


def test_wins_are_those_that_hold_after_correction(results: dict[str, Any], tmp_path: Path) -> None:
    content = joined(results, better(results, 0.05)).content
    place = ("task", "language", "config", "prompt_language", "metric")
    rows = [{k: s[k] for k in place} for s in content["summary"] if s["model"] == "A"]
    signs = [(1, 0.01), (-1, 0.01), (1, 0.2), (0, 1.0)]
    content["comparisons"] = [
        {
            **row,
            "a": "B",
            "b": "A",
            "difference": 0.1 * sign,
            "low": -0.1,
            "high": 0.1,
            "p_value": 0.01,
            "p_holm": p,
        }
        for row, (sign, p) in zip(rows, signs, strict=False)
    ]
    parsed = Results.parse(content)
    found = score(parsed, "B", "A")
    assert (found.a_wins, found.b_wins, found.undecided) == (1, 1, 2)
    turned = score(parsed, "A", "B")
    assert (turned.a_wins, turned.b_wins) == (1, 1)
    assert answer(parsed).startswith("B is better than A in 1 of 4 cells, worse in 1")
    html, md = write_forms(content, tmp_path, ("html", "markdown"))
    assert "Which run is better?" in html.read_text(encoding="utf-8")
    assert "B against A" in md.read_text(encoding="utf-8")


def test_names_of_runs_are_short_and_distinct(tmp_path: Path) -> None:
    one, two = tmp_path / "x" / "run" / "eval" / "results.json", tmp_path / "y" / "run"
    assert run_names([one, two]) == ["x/run", "y/run"]
    assert run_names([one, tmp_path / "y" / "other"]) == ["run", "other"]
    assert run_names([two, two]) == ["run (1)", "run (2)"]


def test_examples_are_balanced_between_right_and_wrong(tmp_path: Path) -> None:
    """90 of 100 are right for both models; each of the four kinds still gets its turn."""
    rows = []
    for number in range(100):
        outcomes = {"base": number >= 6, "finetuned": number >= 3 and number not in (7, 8, 9)}
        for model, won in outcomes.items():
            cell = {
                "task": "t",
                "language": "en",
                "config": "en",
                "prompt_language": "en",
                "template_id": "x",
            }
            mark = json.dumps({"accuracy": float(won)})
            rows.append({**cell, "model": model, "id": f"row-{number}", "scores": mark})
    random.Random(0).shuffle(rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet", row_group_size=13)
    found = read_samples([tmp_path / "s.parquet"], focus="finetuned", base="base", per_cell=8)
    kinds = Counter(tuple(a.scores["accuracy"] for a in sample.answers) for sample in found.shown)
    assert kinds == {(0.0, 0.0): 2, (0.0, 1.0): 2, (1.0, 0.0): 2, (1.0, 1.0): 2}
    assert found.total == 100


def test_an_example_of_two_files_is_one(results: dict[str, Any], tmp_path: Path) -> None:
    rows = build_samples(results)
    for name in ("a", "b"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    files = [
        SampleFile(tmp_path / "a.parquet", {"finetuned": "A"}),
        SampleFile(tmp_path / "b.parquet", {"finetuned": "B"}, frozenset({"base"})),
    ]
    found = read_samples(files, focus="B", base="A", per_cell=2)
    assert {tuple(a.model for a in sample.answers) for sample in found.shown} == {("base", "A", "B")}
    assert found.total == len(rows) // 2


def test_no_more_examples_than_the_page_has_room_for(results: dict[str, Any], tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(build_samples(results)), tmp_path / "s.parquet")
    cells = len(results["summary"]) // 2
    file = [SampleFile(tmp_path / "s.parquet")]
    assert len(choose(file, focus=None, base=None, per_cell=5, limit=3 * cells).rows) == 3 * cells
    assert len(choose(file, focus=None, base=None, per_cell=5, limit=1).rows) == cells


def test_csv_holds_the_values_as_they_are(results: dict[str, Any]) -> None:
    found = {
        name: list(csv.DictReader(io.StringIO(content)))
        for name, content in csv_files(Results.parse(results))
    }
    assert sorted(float(row["median"]) for row in found["summary.csv"]) == sorted(
        row["median"] for row in results["summary"]
    )
    assert found["contamination.csv"][0].keys() >= {
        "n_any",
        "models.base.score_all",
        "models.finetuned.score_clean",
    }
    assert set(found) >= {
        "cells.csv",
        "averages.csv",
        "transfer.csv",
        "published.csv",
        "curve.csv",
        "lengths.csv",
    }


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_spreadsheet_takes_a_name_for_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless(-1.5) == -1.5


def test_latex_is_escaped_and_its_tables_are_whole(results: dict[str, Any]) -> None:
    assert escaped("a_b & 50% {x} \\input{y}") == r"a\_b \& 50\% \{x\} \textbackslash{}input\{y\}"
    made = latex(Results.parse(results))
    assert made.count(r"\begin{longtable}") == made.count(r"\end{longtable}") > 4
    for line in made.splitlines():
        assert not line.endswith(r"\\") or "longtable" not in line
    assert r"nusax\_mt" in made


def test_the_gap_to_english_is_turned_into_a_distance() -> None:
    found = Transfer("t", english=0.6, value=0.5, gap=0.1, gap_low=0.05, gap_high=0.15)
    assert behind(found) == (-0.1, -0.15, -0.05)
    value, low, high = behind(Transfer("t", english=0.6, value=0.5))
    assert value == pytest.approx(-0.1)
    assert low is high is None


def test_the_curve_of_validations_is_read_from_the_run(results: dict[str, Any], tmp_path: Path) -> None:
    del results["curve"]
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "results.json").write_text(json.dumps(results), encoding="utf-8")
    assert "curve" not in read_run(tmp_path).content
    cell = {"task": "v", "language": "en", "config": "en", "metric": "accuracy"}
    scores = {str(step): {"cells": [{**cell, "value": step / 100}]} for step in (20, 10)}
    (tmp_path / "validation.json").write_text(json.dumps({"scores": scores}), encoding="utf-8")
    found = curve_of(Results.parse(read_run(tmp_path).content))
    assert [(row.step, row.value) for row in found] == [(10, 0.1), (20, 0.2)]
    (tmp_path / "validation.json").write_text("[]", encoding="utf-8")
    assert "curve" not in read_run(tmp_path).content


def test_steps_of_models_make_a_curve(results: dict[str, Any]) -> None:
    del results["curve"]
    assert curve_of(Results.parse(results)) == ()
    results["models"].append({"name": "half", "step": 100})
    assert {row.step for row in curve_of(Results.parse(results))} == {0, 200}


def test_a_mean_line_never_moves_because_a_language_is_missing() -> None:
    assert mean_line([{1: 10.0, 2: 20.0}, {2: 40.0}]) == [(2, 30.0)]


def test_overrides_of_direction_are_named() -> None:
    assert text("safe\u202egnp.exe") == "safe[U+202E]gnp.exe"


def test_every_optional_section_is_there_and_only_where_there_is_data(tmp_path: Path) -> None:
    sections = {
        "transfer": "Transfer from English",
        "curve": "Learning curve",
        "lengths": "Length of answers",
        "score_functions": "Score functions",
        "contamination": "Overlap with training",
        "published": "Published scores",
    }
    results = build_results()
    results["training"] = None
    whole = write_forms(results, tmp_path, ("html",))[0].read_text(encoding="utf-8")
    for key, title in sections.items():
        assert f">{title}" in whole
        lacking = write_forms({**results, key: []}, tmp_path, ("html",))[0].read_text(encoding="utf-8")
        assert f">{title}" not in lacking
