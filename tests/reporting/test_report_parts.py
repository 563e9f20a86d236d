"""The parts of the report: levels, verdicts, colours, samples, plain tables."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mtft.errors import RunError
from mtft.reporting import Results, answer, write_report
from mtft.reporting.axes import axis_of, plot_of
from mtft.reporting.comparison_tables import score
from mtft.reporting.curves import curve_of
from mtft.reporting.finding_tables import published
from mtft.reporting.forest import transfer_panels
from mtft.reporting.headline import Judged, judge, tallies, tally
from mtft.reporting.levels import CHANCE_EDGES, against_base, against_chance
from mtft.reporting.markdown import escaped
from mtft.reporting.markup import el, identifier, text
from mtft.reporting.mixture import mixture_tables
from mtft.reporting.plain import tables_of
from mtft.reporting.records import Comparison, Summary
from mtft.reporting.samples import read_samples
from mtft.reporting.wording import Scales
from tests.reporting.synthetic_results import build_samples

CSS = (files("mtft.reporting") / "report.css").read_text(encoding="utf-8")
THEMES = re.findall(r"^ *:root[^{,]*\{(.*?)\}", CSS, re.S | re.M)
"""Light, dark by the system's setting, dark by choice, and light by choice."""


def cell(**given: Any) -> Summary:
    return Summary(**{"task": "t", "language": "en", "metric": "accuracy", "model": "finetuned", **given})


@pytest.mark.parametrize(
    ("median", "low", "high", "level"),
    [
        (0.50, 0.45, 0.55, 0),
        (0.90, 0.40, 0.99, 0),
        (0.60, 0.55, 0.65, 2),
        (1.00, 0.99, 1.00, 5),
        (0.00, 0.00, 0.10, -5),
        (0.40, 0.35, 0.45, -2),
        (0.51, None, None, 0),
        (0.53, None, None, 1),
    ],
)
def test_levels_against_chance(median: float, low: float | None, high: float | None, level: int) -> None:
    assert against_chance(cell(median=median, low=low, high=high, chance=0.5)) == level


def test_levels_rise_with_the_score_and_are_symmetric() -> None:
    rising = [against_chance(cell(median=n / 200, chance=0.5)) or 0 for n in range(201)]
    assert rising == sorted(rising)
    assert rising == [-level for level in reversed(rising)]
    assert set(rising) == set(range(-len(CHANCE_EDGES), len(CHANCE_EDGES) + 1))


def test_no_level_without_score_or_chance() -> None:
    assert against_chance(cell(median=None, chance=0.5)) is None
    assert against_chance(cell(median=0.5, chance=None)) is None


def test_levels_against_base_follow_the_paired_interval() -> None:
    scales = Scales(Results.parse({"schema": 1}))
    row, base = cell(median=0.30), cell(median=0.20)
    assert against_base(row, None, None, scales) is None
    assert against_base(row, base, None, scales) == 3
    undecided = Comparison("t", low=-0.01, high=0.2)
    assert against_base(row, base, undecided, scales) == 0
    more, fewer = cell(median=0.30, metric="slot_error"), cell(median=0.20, metric="slot_error")
    assert (against_base(more, fewer, None, scales), against_base(fewer, more, None, scales)) == (-3, 3)


def test_published_scores_that_cannot_be_compared_share_a_line(results: dict[str, Any]) -> None:
    row = next(r for r in results["published"] if r["comparable"])
    apart = {**row, "comparable": False, "reason": "16 items here, 504 published"}
    results["published"] = [row] + [{**apart, "model": f"m{n}", "value": n / 10} for n in range(3)]
    found = Results.parse(results)
    table = published(found, Scales(found))
    shown = [[cell.text for cell in line] for line in table.rows]
    assert len(shown) == 2
    assert {"BLOOMZ-7.1B", "yes"} <= set(shown[0])
    assert {"3 models", "0.0 to 20.0", "no: 16 items here, 504 published"} <= set(shown[1])


def test_shortened_prompts_are_told_where_there_are_any(results: dict[str, Any], tmp_path: Path) -> None:
    assert "shortened" not in write_report(results, tmp_path)[1].read_text(encoding="utf-8")
    for row in results["summary"]:
        row |= {"n_truncated": 7, "indistinguishable": True, "detectable": 0.625}
    html, markdown = (path.read_text(encoding="utf-8") for path in write_report(results, tmp_path))
    assert "| shortened |" in markdown
    assert "7 prompts shortened" in html
    assert "cannot be told apart from chance; 62.5 could" in html


def test_controls_decide_where_they_were_run() -> None:
    assert Judged(cell(), above_chance=True, above_base=True, counts=False).generalises is False
    assert Judged(cell(), above_chance=False, above_base=False, counts=True).generalises is True
    assert Judged(cell(), above_chance=True, above_base=None, counts=None).generalises is True
    assert Judged(cell(), above_chance=True, above_base=False, counts=None).generalises is False
    assert Judged(cell(), above_chance=None, above_base=None, counts=None).generalises is None


def _against_base(metric: str, chance: float | None, **paired: float) -> bool | None:
    place = {"task": "t", "language": "sw", "metric": metric}
    held_out = {**place, "seen": "held_out_cluster", "chance": chance, "above_chance": True}
    summary = [
        {**held_out, "model": "base", "median": 50.0},
        {**held_out, "model": "finetuned", "median": 50.1},
    ]
    compared = [{**place, "a": "finetuned", "b": "base", **paired}] if paired else []
    (found,) = judge(Results.parse({"schema": 1, "summary": summary, "comparisons": compared}))
    return found.above_base


def test_a_gain_without_a_chance_level_must_be_more_than_a_trace() -> None:
    """0.2 BLEU over 0.0 is a difference that enough items establish, and no generalisation."""
    assert _against_base("bleu", None, difference=0.2, low=0.1, high=0.3) is False
    assert _against_base("bleu", None, difference=2.5, low=0.1, high=4.9) is True
    assert _against_base("bleu", None, difference=2.5, low=-0.1, high=5.1) is False
    assert _against_base("rouge_l", None, difference=0.015, low=0.01, high=0.02) is False
    assert _against_base("rouge_l", None, difference=0.025, low=0.01, high=0.04) is True
    # Accuracy has chance to beat besides.
    assert _against_base("accuracy", 0.5, difference=0.01, low=0.005, high=0.015) is True


def test_fewer_errors_are_a_gain() -> None:
    assert _against_base("ter", None, difference=-8.0, low=-12.0, high=-4.0) is True
    assert _against_base("ter", None, difference=8.0, low=4.0, high=12.0) is False


def test_without_a_paired_interval_the_gain_is_that_of_the_medians() -> None:
    assert _against_base("bleu", None) is False


@pytest.mark.parametrize(
    ("won", "verdict"), [(10, "yes"), (5, "yes"), (4, "partly"), (1, "partly"), (0, "no")]
)
def test_verdict_by_share(won: int, verdict: str) -> None:
    judged = [Judged(cell(), above_chance=n < won, above_base=None, counts=None) for n in range(10)]
    assert tally(judged).verdict == verdict
    assert tally([]).verdict == "not measured"


def test_tallies_count_the_data(results: dict[str, Any]) -> None:
    found = tallies(Results.parse(results))
    held_out = [s for s in results["summary"] if s["model"] == "finetuned" and s["seen"] != "seen"]
    assert found[0].cells == len(held_out) == sum(t.cells for t in found[1:])
    assert found[0].chance == (
        sum(s["above_chance"] for s in held_out),
        sum(s["chance"] is not None for s in held_out),
    )
    assert found[0].controls == (sum(c["counts"] for c in results["controls"]), len(results["controls"]))
    decided = sum(
        c["low"] > 0
        for c, s in zip(results["comparisons"], results["summary"][1::2], strict=True)
        if s in held_out
    )
    assert found[0].base == (decided, len(held_out))


def test_nothing_is_held_out_where_training_is_not_known(results: dict[str, Any], tmp_path: Path) -> None:
    """A suite without a mixture says `unknown` of every cell: no cell may look held out, or finetuned on."""
    for row in results["summary"]:
        row["seen"] = "unknown"
    results["averages"] = results["controls"] = []
    parsed = Results.parse(results)
    above = [
        s["above_chance"] for s in results["summary"] if s["model"] == "finetuned" and s["chance"] is not None
    ]
    assert answer(parsed).startswith(f"Not measured. {sum(above)} of {len(above)} cells beat chance.")
    html, md = (path.read_text(encoding="utf-8") for path in write_report(results, tmp_path))
    page = html.partition("</style>")[2]
    for claim in ("◆", "▲", "held-out cluster", "held out task clusters", "in the finetuning mixture"):
        assert claim not in page + md, claim


def test_small_chrf_stays_small_and_averages_reach_below_zero(
    results: dict[str, Any], tmp_path: Path
) -> None:
    for row in (*results["summary"], *results["cells"]):
        if row["metric"] == "chrf":
            row.update({k: 0.4 for k in ("median", "min", "max", "low", "high", "value") if k in row})
    below = {"model": "base", "group": "seen", "metric": "accuracy_above_chance", "value": -0.25, "rule": "r"}
    results["averages"].append({**below, "low": -0.5, "high": 0.1, "n_cells": 3})
    scales = Scales(Results.parse(results))
    assert scales.show("chrf", 0.4) == "0.4"
    assert "−25.0" in write_report(results, tmp_path)[1].read_text(encoding="utf-8")


def test_a_comparison_the_other_way_round_says_the_same(results: dict[str, Any]) -> None:
    before = judge(Results.parse(results))
    for row in results["comparisons"]:
        row["a"], row["b"] = row["b"], row["a"]
        row["difference"], row["low"], row["high"] = -row["difference"], -row["high"], -row["low"]
    assert judge(Results.parse(results)) == before


def test_fewer_errors_win_a_comparison(results: dict[str, Any]) -> None:
    before = score(Results.parse(results), "finetuned", "base")
    for row in (*results["summary"], *results["comparisons"]):
        if row["metric"] == "accuracy":
            row["metric"] = "slot_error"
    after = score(Results.parse(results), "finetuned", "base")
    assert before.a_wins > before.b_wins
    assert after.a_wins < after.b_wins


def test_models_of_two_families_make_no_curve(results: dict[str, Any]) -> None:
    results.pop("curve", None)
    results["models"] = [
        {"name": name, "step": step, "family": "bloom"}
        for step, name in enumerate(("base", "finetuned", "more"))
    ]
    assert curve_of(Results.parse(results))
    results["models"][2]["family"] = "mt5"
    assert not curve_of(Results.parse(results))
    results["models"][2] |= {"family": "bloom", "step": 0}
    assert not curve_of(Results.parse(results))


def test_a_metric_of_a_task_has_one_panel_for_all_its_languages(results: dict[str, Any]) -> None:
    """However many metrics the task has."""
    for rows in (results["summary"], results["transfer"]):
        rows += [{**row, "metric": "exact_match"} for row in rows if row["metric"] == "accuracy"]
    found = Results.parse(results)
    panels = transfer_panels(plot_of(found, Scales(found)))
    drawn = {(row.task, row.metric) for row in found.transfer}
    assert len(panels) == len(drawn)
    assert {metric for _, metric in drawn} >= {"accuracy", "exact_match"}


def test_fractions_are_shown_in_per_cent_and_chrf_as_it_is(results: dict[str, Any]) -> None:
    scales = Scales(Results.parse(results))
    assert scales.show("accuracy", 0.5) == "50.0"
    assert scales.show("chrf", 50.0) == "50.0"
    assert scales.show("chrf", None) == "–"
    assert scales.signed("accuracy", -0.125) == "−12.5"


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours. Source: WCAG 2.1, section 1.4.3."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_every_colour(scheme: int) -> None:
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", THEMES[scheme]))
    for level, ink in itertools.chain(
        ((n, "on-strong") for n in (-5, -4, 4, 5)), ((n, "on-light") for n in range(-3, 4))
    ):
        assert contrast(colours[f"l{level}"], colours[ink]) >= 4.5, level
    for ink, ground in itertools.product(("ink", "soft", "link", "good", "bad"), ("paper", "card")):
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["tip"], colours["on-tip"]) >= 4.5


def test_dark_by_choice_is_dark_by_setting() -> None:
    by_setting, by_choice = (re.findall(r"--([\w-]+): (#[0-9a-f]{6})", THEMES[at]) for at in (1, 2))
    assert by_setting == by_choice


def test_markup_escapes_text_and_attributes_but_not_elements() -> None:
    assert el("td", "a < b", class_="num", hidden=False, dir=None) == '<td class="num">a &lt; b</td>'
    assert el("p", el("b", '"&"'), title='"x"') == '<p title="&quot;x&quot;"><b>&quot;&amp;&quot;</b></p>'
    assert text("a\x07b") == "a\ufffdb"
    assert el("circle", r=1) == '<circle r="1"/>'


def test_identifiers_differ_where_names_do() -> None:
    assert identifier("a b") != identifier("a_b") != identifier("a-b")


def test_markdown_tables_hold_one_line_per_cell() -> None:
    assert escaped("a|b\nc*d") == "a\\|b c\\*d"


@pytest.mark.parametrize("values", [[3.0], [33.3, 33.3], [0.0, 100.0], [-12.0, 7.0], [], [40.0, 40.0]])
def test_axis_holds_its_values(values: list[float]) -> None:
    axis = axis_of(values)
    assert all(axis.low <= value <= axis.high for value in values)
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert 2 <= len(axis.ticks) <= 7


def test_plain_tables_of_lists_matrices_and_nests() -> None:
    made = tables_of("m", "M", {"a": 1, "rows": [{"x": 1}, {"x": 2, "y": "b"}], "deep": {"k": "v"}})
    assert [t.title for t in made] == ["M", "M: rows", "M: deep"]
    matrix = tables_of("o", "O", {"th": {"en": 0.1, "es": 0.2}, "ar": {"en": 0.3, "es": 0.4}})
    assert [[c.text for c in row] for row in matrix[0].rows] == [["ar", "0.3", "0.4"], ["th", "0.1", "0.2"]]
    assert tables_of("e", "E", {}) == []


def test_mixture_is_summed_per_task_and_language_in_its_own_unit() -> None:
    cells = [("nli", "en", 0.2), ("nli", "th", 0.3), ("qa", "en", 0.5)]
    units = [
        {"task": t, "language": c, "rows": 10, "share": s, "input_tokens": 5.0, "templates": [{"id": "x"}]}
        for t, c, s in cells
    ]
    held_out = {"report": [{"task": "nli", "language": "quy", "config": "quy"}]}
    manifest = {
        "name": "m",
        "length_unit": "bytes",
        "units": units,
        "dropped": {"duplicate": 3},
        "held_out": held_out,
    }
    made = {table.title: table for table in mixture_tables(manifest)}
    by_task = made["Mixture: by task"]
    assert by_task.columns == ("task", "cells", "rows", "share", "input bytes")
    assert [[c.text for c in row] for row in by_task.rows] == [
        ["nli", "2", "20", "50.00%", "10"],
        ["qa", "1", "10", "50.00%", "5"],
    ]
    assert len(made["Mixture: by task and language"].rows) == 3
    assert [c.text for c in made["Mixture: held out"].rows[0]] == ["report", "nli", "quy"]


def test_samples_show_one_right_and_one_wrong_per_cell(
    results: dict[str, Any], write_samples: Callable[[list[dict[str, Any]]], Path]
) -> None:
    rows = [row for row in build_samples(results) if row["task"] == "xcopa"]
    chosen = read_samples([write_samples(rows)], focus="finetuned", per_cell=3).shown
    for language in {row["language"] for row in rows}:
        of_cell = [s for s in chosen if s.language == language]
        marks = {
            row["prediction"] for row in rows if row["model"] == "finetuned" and row["language"] == language
        }
        shown = {s.answers[1].prediction for s in of_cell}
        assert len(of_cell) == 3
        assert shown == marks
        assert [a.model for a in of_cell[0].answers] == ["base", "finetuned"]


@pytest.mark.parametrize(
    ("kind", "scores"),
    [
        (pa.map_(pa.string(), pa.float64()), [("accuracy", 1.0), ("chrf", None)]),
        (pa.string(), '{"accuracy": 1.0, "chrf": null}'),
        (pa.dictionary(pa.int32(), pa.string()), '{"accuracy": 1.0, "chrf": null}'),
        (pa.struct({"accuracy": pa.float64(), "chrf": pa.float64()}), {"accuracy": 1.0, "chrf": None}),
    ],
    ids=["map", "json", "dictionary", "struct"],
)
def test_samples_need_few_columns(write_samples: Any, kind: pa.DataType, scores: Any) -> None:
    schema = pa.schema({"model": pa.string(), "task": pa.string(), "language": pa.string(), "scores": kind})
    path = write_samples([{"model": "base", "task": "t", "language": "en", "scores": scores}], schema)
    assert read_samples([path], focus=None).shown[0].answers[0].scores == {"accuracy": 1.0, "chrf": None}


def test_samples_that_cannot_be_read(write_samples: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="columns"):
        read_samples([write_samples([{"model": "base"}])], focus=None)
    (tmp_path / "no.parquet").write_text("no")
    with pytest.raises(RunError, match="Parquet"):
        read_samples([tmp_path / "no.parquet"], focus=None)
