"""From scores to gains and verdicts, on tables made by hand."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mtft.evaluation.aggregate import Place
from mtft.plain import finite
from mtft.reporting.compare_page import compare_page, compare_tables, verdicts
from mtft.reporting.csv_files import csv_text
from mtft.runs.comparison_scores import Scores, compared, comparison_rows
from mtft.runs.methods import SINGLE

PLACES = tuple(
    Place(task, "cluster", language, language, "en", metric)
    for task, metric in (("nli", "accuracy"), ("d2t", "slot_error"))
    for language in ("en", "qab")
)
METHODS = (SINGLE, "sum", "better", "same")
# of nli 100 items in both languages, of d2t 30, the first 10 also in the other language
ITEMS = (
    frozenset(range(100)),
    frozenset(range(100)),
    frozenset(range(100, 130)),
    frozenset(range(100, 110)),
)
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
    return Scores(METHODS, tuple(range(seeds)), PLACES, less, values, table, ITEMS)


def content(found: Scores) -> dict[str, Any]:
    rows = comparison_rows(found, "sum", {"sum": 0.1, "better": 0.2, "same": 0.1})
    made = {
        "mixture": "m", "reference": "sum", "seeds": list(found.seeds), "steps": 5, "rows_per_step": 8,
        "items": found.n_items, "flags": {"sum": ""}, "failed": [], **rows,
    }  # fmt: skip
    made = finite(made)
    return {**made, "verdicts": verdicts(made)}


def nought(found: Scores, task: str, seed: int) -> Scores:
    """With a single-task baseline of 0 in one seed."""
    values = found.values.copy()
    of = [n for n, place in enumerate(found.places) if place.task == task]
    values[found.methods.index(SINGLE), seed, of] = 0.0
    return replace(found, values=values)


def test_mean_gain_by_hand() -> None:
    exact = scores(wobble=0.0)
    # nli .6 over .5 is +.2, errors are equal: mean .1; better: +.8 and (.4 - .1) / .4 = .75
    assert compared(exact, "sum", SINGLE).gain.difference == pytest.approx(0.1)
    assert compared(exact, "better", SINGLE).gain.difference == pytest.approx(0.775)
    only = compared(exact, "better", SINGLE, lambda place: place.task == "d2t")
    assert only.gain.difference == pytest.approx(0.75)


def test_a_task_without_a_gain_in_one_seed_is_left_out_in_all() -> None:
    found = nought(scores(wobble=0.0), "d2t", seed=1)
    better = compared(found, "better", SINGLE)
    # by hand: nli .9 over .5 in each seed, not the mean with d2t's .75 in two of them
    assert better.gain.difference == pytest.approx(0.8)
    assert better.gain.seed_error == pytest.approx(0, abs=1e-9)
    assert better.left_out == ("d2t",)
    assert compared(found, "better", "sum").left_out == ()
    alone = compared(found, "better", SINGLE, lambda place: place.task == "d2t")
    assert np.isnan(alone.gain.difference)
    assert alone.left_out == ("d2t",)


def test_resamples_are_means_over_the_same_tasks() -> None:
    found = scores(wobble=0.0)
    replicates = found.replicates.copy()
    replicates[found.methods.index(SINGLE), 0, 2:, :50] = 0.0  # a quarter of the resamples: no d2t gain
    few = compared(replace(found, replicates=replicates), "better", SINGLE)
    assert few.gain.item_error == pytest.approx(0, abs=1e-9)  # not |.8 - .775| in that quarter
    replicates[found.methods.index(SINGLE), 0, 2:, :150] = 0.0
    most = compared(replace(found, replicates=replicates), "better", SINGLE)
    assert most.gain.difference == pytest.approx(0.775)
    assert np.isnan([most.gain.item_error, most.gain.low, most.gain.p_value]).all()


def test_what_is_left_out_is_told_on_the_page() -> None:
    made = content(nought(scores(), "d2t", seed=1))
    assert {tuple(row["left_out"]["over_single"]) for row in made["methods"]} == {("d2t",)}
    page = compare_page(made)
    assert "Not in the gains of sum, better, same over single-task models" in page
    assert "is 0: d2t." in page
    assert {row["task"] for row in made["tasks"]} == {"nli"}
    assert all(row["left_out"] == ["d2t"] for row in made["languages"])
    assert "Not in the gains" not in compare_page(content(scores()))


def test_a_row_counts_the_items_of_its_own_cells() -> None:
    made = content(scores())
    assert made["items"] == 130
    assert {row["over_single"]["items"] for row in made["methods"]} == {130}
    assert {(row["task"], row["items"]) for row in made["tasks"]} == {("nli", 100), ("d2t", 30)}
    assert {(row["language"], row["items"]) for row in made["languages"]} == {("en", 130), ("qab", 110)}
    # fewer items, fewer degrees of freedom, wider limits from the same replicates
    small = replace(scores(seeds=1), items=tuple(frozenset(list(of)[:3]) for of in ITEMS))
    wide, narrow = (compared(each, "better", SINGLE).gain for each in (small, scores(seeds=1)))
    assert wide.p_value > narrow.p_value


def test_what_is_not_known_is_not_called_chance() -> None:
    overall = content(replace(scores(), items=(frozenset({0}),) * len(PLACES)))["verdicts"]["overall"]
    assert "Whether better, same differ is not known" in overall


def test_numbers_that_are_none_become_null_and_the_page_bears_them() -> None:
    found = scores(seeds=1)  # without an error of the seeds
    one = replace(found, items=(frozenset({0}),) * len(PLACES))  # nor of the items
    made = content(one)
    row = made["methods"][1]["over_single"]
    assert (row["seed_error"], row["item_error"], row["low"], row["p_holm"]) == (None,) * 4
    assert row["gain"] == pytest.approx(0.775, abs=0.05)
    json.dumps(made, allow_nan=False)
    page = compare_page(made)
    assert "limits not known" in page
    assert "nan" not in page.replace("nance", "")
    written = list(csv.DictReader(io.StringIO(csv_text(made["methods"]))))
    assert float(written[1]["over_single.gain"]) == row["gain"]
    assert written[1]["over_single.low"] == ""
    assert finite({"a": [float("nan"), (1.0, float("inf"))], "b": "x"}) == {
        "a": [None, [1.0, None]],
        "b": "x",
    }


def test_a_row_shows_the_scores_its_gain_is_of() -> None:
    found = scores(wobble=0.0)
    values = found.values.copy()
    values[0, :, 2:] = np.nan  # no single-task model of d2t
    values[1, :, 2:] = 0.0
    made = content(replace(found, values=values))
    rows = [row for row in made["languages"] if row["method"] == "better"]
    assert [(row["score"], row["baseline_score"], row["gain"]) for row in rows] == [
        (pytest.approx(0.9), pytest.approx(0.5), pytest.approx(0.8))
    ] * 2
    # ranked are those that have all cells: of errors, sum's 0 is the best
    assert made["single_rank"] is None
    ranks = {row["method"]: row["mean_rank"] for row in made["methods"]}
    assert ranks == {"sum": 1.75, "better": 1.5, "same": 2.75}
    page = compare_page(made)
    assert "Single-task models begin" in page
    assert "single-task" in page


def test_a_run_that_did_not_finish_is_told_and_leaves_the_others_alone() -> None:
    found = scores()
    values = found.values.copy()
    values[METHODS.index("better"), 1] = np.nan
    reason = "A step's loss and gradient must be finite. Found: non-finite loss at step 3"
    failed = [{"method": "better", "task": "", "seed": 1, "reason": reason}]
    made = {**content(replace(found, values=values)), "failed": failed}
    said = verdicts(made)
    assert said["methods"][1] == "better: no gain could be computed."
    assert said["methods"][-1] == f"better did not finish under seed 1: {reason}"
    rows = {row["method"]: row for row in made["methods"]}
    assert rows["better"]["over_reference"] is None
    assert rows["better"]["mean_rank"] is None
    assert rows["same"]["over_reference"]["gain"] == content(found)["methods"][2]["over_reference"]["gain"]
    assert "did not finish under seed 1" in compare_page({**made, "verdicts": said})


def test_what_few_seeds_found_is_to_be_repeated() -> None:
    three, six = (content(scores(seeds=n))["verdicts"]["overall"] for n in (3, 6))
    assert three.startswith("Different from sum beyond chance (Holm, 5 %): better (")
    assert three.endswith(
        "3 seeds: so few tell little of their own spread; repeat it with others before believing it."
    )
    assert six.startswith("Different from sum beyond chance (Holm, 5 %): better (")
    assert "seeds" not in six


def test_without_single_tasks_the_reference_is_named() -> None:
    found = scores()
    rivals = replace(found, methods=METHODS[1:], values=found.values[1:], replicates=found.replicates[1:])
    said = content(rivals)["verdicts"]["methods"]
    assert said[0] == "sum: what the others are told apart from."
    two = replace(
        rivals, methods=METHODS[1:3], values=rivals.values[:2].copy(), replicates=rivals.replicates[:2]
    )
    two.values[1] = np.nan
    assert content(two)["verdicts"]["overall"] == "Nothing could be compared with sum: scores are missing."


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
        items=tuple(found.items[c] for c in cells),
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
    assert methods.columns[:2] == ("method", "gain over single")
