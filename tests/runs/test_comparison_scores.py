"""From scores to gains and verdicts, on tables made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtft.evaluation.aggregate import Place
from mtft.reporting.compare_page import compare_page, compare_tables, verdicts
from mtft.reporting.csv_files import table_csv
from mtft.runs.comparison_scores import SINGLE, Scores, compared, comparison_rows

PLACES = tuple(
    Place(task, "cluster", language, language, "en", metric)
    for task, metric in (("nli", "accuracy"), ("d2t", "slot_error"))
    for language in ("en", "qab")
)
METHODS = (SINGLE, "sum", "better", "same")
LEVELS = {
    SINGLE: (0.5, 0.5, 0.4, 0.4),
    "sum": (0.6, 0.6, 0.4, 0.4),
    "better": (0.9, 0.9, 0.1, 0.1),
    "same": (0.6, 0.6, 0.4, 0.4),
}


def scores(seeds: int = 3, wobble: float = 0.004) -> Scores:
    draw = np.random.default_rng(0)
    values = np.array([[LEVELS[m] for _ in range(seeds)] for m in METHODS])
    values = values + draw.normal(0, wobble, values.shape)
    table = values[..., None] + draw.normal(0, wobble, (1, 1, len(PLACES), 200))
    less = np.array([False, False, True, True])
    return Scores(METHODS, tuple(range(seeds)), PLACES, less, values, table, 100)


def content(found: Scores) -> dict[str, Any]:
    rows = comparison_rows(found, "sum", {"sum": 0.1, "better": 0.2, "same": 0.1})
    made = {
        "mixture": "m", "reference": "sum", "seeds": list(found.seeds), "steps": 5, "rows_per_step": 8,
        "items": found.n_items, "flags": {"sum": ""}, **rows,
    }  # fmt: skip
    return {**made, "verdicts": verdicts(made)}


def test_mean_gain_by_hand() -> None:
    exact = scores(wobble=0.0)
    # nli .6 over .5 is +.2, errors are equal: mean .1; better: +.8 and (.4 - .1) / .4 = .75
    assert compared(exact, "sum", SINGLE).difference == pytest.approx(0.1)
    assert compared(exact, "better", SINGLE).difference == pytest.approx(0.775)
    only = compared(exact, "better", SINGLE, lambda place: place.task == "d2t")
    assert only.difference == pytest.approx(0.75)


def test_a_real_difference_is_told_and_an_equal_method_is_not() -> None:
    found = content(scores())
    rows = {row["method"]: row for row in found["methods"]}
    assert rows["better"]["over_reference"]["real"]
    assert not rows["same"]["over_reference"]["real"]
    assert rows["better"]["step_ratio"] == pytest.approx(2)
    assert rows["better"]["mean_rank"] == 1
    assert "better (" in found["verdicts"]["overall"]
    assert "1 are not told apart" in found["verdicts"]["overall"]


def test_where_nothing_differs_that_is_said() -> None:
    found = scores()
    alike = replace(
        found,
        values=found.values[[0, 1, 3]],
        replicates=found.replicates[[0, 1, 3]],
        methods=(SINGLE, "sum", "same"),
    )
    assert content(alike)["verdicts"]["overall"] == "No method differs from sum beyond chance (Holm, 5 %)."


def test_one_seed_claims_nothing() -> None:
    found = content(scores(seeds=1))
    assert not any(row["over_single"]["real"] for row in found["methods"])
    assert found["verdicts"]["overall"].startswith("One seed")


def test_the_order_of_methods_and_of_cells_changes_nothing() -> None:
    found = scores()
    methods, cells = [2, 0, 3, 1], [3, 0, 2, 1]
    turned = replace(
        found,
        methods=tuple(found.methods[m] for m in methods),
        places=tuple(found.places[c] for c in cells),
        less_is_better=found.less_is_better[cells],
        values=found.values[methods][:, :, cells],
        replicates=found.replicates[methods][:, :, cells],
    )

    def rows(of: Scores) -> dict[str, Any]:
        made = comparison_rows(of, "sum", {})
        return {
            row["method"]: (row["mean_rank"], row["over_single"]["gain"], row["over_single"]["p_holm"])
            for row in made["methods"]
        }

    ours, theirs = rows(found), rows(turned)
    assert all(theirs[name] == pytest.approx(ours[name]) for name in ours)


def test_without_single_tasks_gains_are_over_the_reference() -> None:
    found = scores()
    alone = replace(
        found, methods=found.methods[1:], values=found.values[1:], replicates=found.replicates[1:]
    )
    made = content(alone)
    assert made["baseline"] == "sum"
    assert {row["method"] for row in made["tasks"]} == {"better", "same"}
    assert all(row["over_single"] is None for row in made["methods"])
    assert "<html" in compare_page(made)


def test_page_and_tables_hold_the_same_rows_and_escape() -> None:
    found = content(scores())
    found["methods"][0]["method"] = "<b>sum"
    page = compare_page(found)
    assert "&lt;b&gt;sum" in page
    assert "<b>sum" not in page
    methods, tasks, languages = compare_tables(found)
    assert (len(methods.rows), len(tasks.rows), len(languages.rows)) == (4, 6, 6)
    assert table_csv(methods).splitlines()[0].startswith("method,gain over single")
