"""Scores by category and size, and what the report says of shots."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from mtft.reporting import write_report
from mtft.reporting.results import Results
from mtft.reporting.sample_elements import sample_card
from mtft.reporting.samples import Answer, Sample
from mtft.reporting.shots import shots_fact
from mtft.reporting.slices import natural, slice_tables
from mtft.reporting.wording import Scales
from tests.reporting.synthetic_results import build_results


def row(model: str, name: str, seen: str = "", column: str = "size", **more: Any) -> dict[str, Any]:
    score = {"metric": "accuracy", "value": 0.5, "low": 0.25, "high": 0.75, "n": 1200, "n_groups": 3}
    place = {"task": "sib200", "cluster": "c", "language": "en", "config": "en", "prompt_language": "en"}
    return {"model": model, **place, "column": column, "slice": name, "seen": seen, **score, **more}


def tables(rows: list[dict[str, Any]]) -> list[list[tuple[str, ...]]]:
    results = Results.parse({**build_results(), "slices": rows})
    made = slice_tables(results, Scales(results))
    return [[table.columns, *(tuple(cell.text for cell in r) for r in table.rows)] for table in made]


def test_a_table_per_task_with_a_column_per_model() -> None:
    rows = [row(model, value) for value in ("10", "2") for model in ("finetuned", "base")]
    rows.append(row("finetuned", "x", task="xquad", metric="f1"))
    second, first = tables(rows)  # by cluster
    assert first == [
        ("by", "value", "metric", "base", "finetuned", "items"),
        ("size", "2", "accuracy", "50.0 (25.0–75.0)", "50.0 (25.0–75.0)", "1,200"),
        ("size", "10", "accuracy", "50.0 (25.0–75.0)", "50.0 (25.0–75.0)", "1,200"),
    ]
    assert second[0] == ("by", "value", "metric", "finetuned", "items")


def test_all_seen_and_unseen_stand_first_and_each_value_says_which() -> None:
    rows = [
        row("finetuned", v, s, "category")
        for v, s in (("b", "seen"), ("", "unseen"), ("a", "unseen"), ("", "seen"))
    ]
    (made,) = tables(rows)
    assert [line[:3] for line in made] == [
        ("by", "value", "in training"),
        ("category", "all that training saw", "yes"),
        ("category", "all that training did not see", "no"),
        ("category", "b", "yes"),
        ("category", "a", "no"),
    ]


def test_languages_and_directions_are_named_where_they_differ() -> None:
    (made,) = tables([row("finetuned", "1"), row("finetuned", "1", language="sw", config="swh")])
    assert made[0][2:4] == ("language", "config")
    assert [line[2:4] for line in made[1:]] == [("English (en)", ""), ("Swahili (sw)", "swh")]


def test_what_is_not_known_is_a_dash_and_nothing_makes_no_section(tmp_path: Path) -> None:
    (made,) = tables([row("finetuned", "1", value=None, low=None, high=None)])
    assert made[1] == ("size", "1", "accuracy", "–", "1,200")
    html, md = write_report(build_results(), tmp_path)
    for path in (html, md):
        text = path.read_text(encoding="utf-8")
        assert "Slices" not in text
        assert "hots" not in text


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    rows = [
        row(m, v, s, c)
        for m in ("base", "finetuned")
        for c, v, s in (("a", "2", ""), ("a", "11", ""), ("b", "", "seen"))
    ]
    written = [
        write_report({**build_results(), "slices": order}, tmp_path / name)[0].read_text(encoding="utf-8")
        for name, order in (("one", rows), ("two", rows[::-1]))
    ]
    assert written[0] == written[1]
    assert 'id="slices"' in written[0]


def test_values_of_untrusted_rows_are_text(tmp_path: Path) -> None:
    rows = [row("finetuned", "<script>alert(1)</script> | *x*", column="ca_te")]
    html, md = write_report({**build_results(), "slices": rows}, tmp_path)
    assert "<script>alert(1)" not in html.read_text(encoding="utf-8")
    assert r"\<script\>" in md.read_text(encoding="utf-8")


def test_many_values_are_cut_with_a_note_and_fast(tmp_path: Path) -> None:
    rows = [row(model, str(n)) for n in range(4000) for model in ("base", "finetuned")]
    begun = time.perf_counter()
    (made,) = tables(rows)
    assert time.perf_counter() - begun < 5
    assert len(made) == 501
    assert "The first 500 of 4,000 rows." in write_report({**build_results(), "slices": rows}, tmp_path)[
        1
    ].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "ordered", [["1", "2", "10"], ["1-10", "11-25", "26-50", "101-500", "over 100"], ["a", "a2", "a10", "b"]]
)
def test_numbers_within_values_count(ordered: list[str]) -> None:
    assert sorted(sorted(ordered), key=natural) == ordered


def test_shots_are_told_with_their_mean(tmp_path: Path) -> None:
    rows = [
        {"model": m, "task": t, "shots": 3, "mean_shots": mean, "dropped_shots": 5, "prompts": 10}
        for m, t, mean in (("base", "sib200", 3.0), ("finetuned", "sib200", 2.5))
    ]
    content = {**build_results(), "shots": rows}
    assert shots_fact(Results.parse(content)) == "3 before each prompt, 2.75 on average"
    html, md = write_report(content, tmp_path)
    assert "3 before each prompt, 2.75 on average" in html.read_text(encoding="utf-8")
    text = md.read_text(encoding="utf-8")
    assert "- Shots: 3 before each prompt, 2.75 on average" in text
    assert "| finetuned | sib200 | 3 | 2.5 | 5 | 10 |" in text


def test_a_sample_with_shots_shows_its_own_inputs() -> None:
    answer = Answer("m", "yes", {}, (), "")
    inputs = "shot " * 1000 + "the question"
    card = sample_card(
        Sample("t", "en", "", "en", "ask", "1", inputs, (), ("yes",), (answer,), shots=2), {"m": 0}
    )
    assert "the question</pre>" in card
    assert "2 shots" in card
    assert "characters before)" in card
    plain = sample_card(Sample("t", "en", "", "en", "ask", "1", inputs, (), ("yes",), (answer,)), {"m": 0})
    assert "more characters)</pre>" in plain
    assert "shots" not in plain.partition("<pre")[0]
