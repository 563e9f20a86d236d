"""Sections of plain facts: slices, shots, mixture, training, problems, and how to repeat it all."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.reporting import tables
from mtft.reporting.elements import section, table_element
from mtft.reporting.markup import Html, el, join
from mtft.reporting.mixture import mixture_tables
from mtft.reporting.plain import tables_of
from mtft.reporting.results import Results
from mtft.reporting.score_tables import signatures, unscored
from mtft.reporting.shots import shots_tables
from mtft.reporting.slices import TITLE, slice_tables
from mtft.reporting.wording import Scales, words

FILTER_ROWS = 12
FOLD_EXTRA_ROWS = 16


def fact_sections(results: Results, scales: Scales) -> list[Html | None]:
    """What is known of the data and the training."""
    extras = results.extras
    overlap = tables_of("vocabulary_overlap", "Vocabulary overlap", extras.get("vocabulary_overlap"))
    lead = "What the model was finetuned on, and in which proportions."
    return [
        _extra_section(TITLE, slice_tables(results, scales), "Scores by the values of columns of the rows."),
        _extra_section("Shots", shots_tables(results), "Answered examples before each prompt."),
        _extra_section("Vocabulary overlap", overlap, "What the languages share in tokens."),
        _extra_section("Mixture", mixture_tables(extras.get("mixture")), lead),
        _extra_section("Training", tables_of("training", "Training", extras.get("training"))),
        _extra_section("Runs", tables_of("runs", "Runs", extras.get("runs")), "What was put side by side."),
    ]


def _extra_section(title: str, made: Sequence[tables.Table], lead: str = "") -> Html | None:
    return section(title, *(_extra_table(t, title) for t in made), lead=lead) if made else None


def _extra_table(table: tables.Table, title: str) -> Html:
    name = table.title.removeprefix(f"{title}: ")
    heading = el("h3", name) if name != title else None
    shown = table_element(table, filterable=len(table.rows) > FILTER_ROWS)
    folded = len(table.rows) > FOLD_EXTRA_ROWS
    return el("details", el("summary", name), shown) if folded else join([heading, shown])


def problem_tables(results: Results) -> list[tables.Table]:
    """Rows that could not be used or scored, counted by reason."""
    reasons = results.extras.get("unscored")
    found = [
        *tables_of("problems", "Problems", tables.happened(results.problems)),
        *tables_of("unscored-reasons", "Unscored by reason", reasons),
        unscored(results),
    ]
    return [table for table in found if table.rows]


def problems_section(results: Results) -> Html:
    """What could not be read, rendered or scored; a report says so even where there is nothing to say."""
    made = [_extra_table(table, "Problems") for table in problem_tables(results)]
    lead = (
        "Rows that could not be used or scored, counted by reason."
        if made
        else "None: every row was used and scored."
    )
    return section("Problems", *made, lead=lead)


def reproduce_section(results: Results) -> Html | None:
    """The command, the versions, the suite and the signatures of metrics."""
    known = dict(results.reproduce)
    command = known.pop("command", None)
    facts = {words(k): v for k, v in results.suite.items() if v is not None}
    shown = tables_of("suite", "suite", facts) + tables_of("reproduce", "Reproduce", known)
    shown += [table for table in (signatures(results),) if table.rows]
    if not shown and not command:
        return None
    block = el("pre", command, class_="command") if command else None
    return section("Reproduce", block, *(_extra_table(table, "Reproduce") for table in shown))
