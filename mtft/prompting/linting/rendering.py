"""Rules on what templates make of rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from mtft.prompting.linting.case import Case
from mtft.prompting.linting.finding import IN_PROMPT, Found, rule

_HALF = 0.5
_LONG = 8_000  # characters, about 2,000 tokens


@rule("row-fails", "error", "Every row renders.")
def row_fails(case: Case) -> Iterator[Found]:
    """Rows that the strict engine refuses, by fault."""
    found = case.outcomes
    for fault, count in sorted(found.faults.items()):
        if fault != "target_not_in_choices":
            many = count > found.rows // 20
            message = f"fails on {count} of {found.rows} rows ({fault}): {found.examples[fault]}."
            yield Found(message, severity=None if many else "warning")


@rule("target-not-in-choices", "error", "The target of every row is one of its choices.")
def target_not_in_choices(case: Case) -> Iterator[Found]:
    """Targets that no score over the choices can reach."""
    count = case.outcomes.faults["target_not_in_choices"]
    if count:
        example = case.outcomes.examples["target_not_in_choices"]
        yield Found(
            f"writes a target outside its choices for {count} of {case.outcomes.rows} rows: {example}."
        )


@rule("rows-skipped", "warning", "Rows have labels.")
def rows_skipped(case: Case) -> Iterator[Found]:
    """Rows with the hidden label -1, which no template can use."""
    found = case.outcomes
    if found.hidden:
        yield Found(
            f"meets the hidden label -1 in {found.hidden} of {found.rows} rows; leave that split out."
        )


@rule("blank-rate", "warning", "A template leaves out fewer than half of the rows.")
def blank_rate(case: Case) -> Iterator[Found]:
    """A condition that holds for few rows, or for none."""
    found = case.outcomes
    if case.facts.rows and found.blank > _HALF * found.rows:
        everything = found.blank == found.rows
        yield Found(
            f"leaves out {found.blank} of {found.rows} rows.", severity="error" if everything else None
        )


@rule("long-input", "warning", "A template whose inputs are long has a column that may be shortened.")
def long_input(case: Case) -> Iterator[Found]:
    """Inputs that do not fit, without a `truncatable` column in the card."""
    lengths = case.outcomes.inputs
    if lengths and case.template.id not in case.facts.truncatable and statistics.median(lengths) > _LONG:
        yield Found(
            f"has inputs of {statistics.median(lengths):,.0f} characters (median) and no `truncatable`"
            " column in the card."
        )


@rule("row-choices-in-prompt", "error", "`choices_in_prompt: true`: every row's input shows its choices.")
def row_choices(case: Case) -> Iterator[Found]:
    """Choices that depend on the row, and that the input does not show."""
    found = case.outcomes
    if (
        case.template.metadata.choices_in_prompt
        and case.view.choices is None
        and found.unshown > found.rendered / 2
    ):
        yield Found(
            f"says `choices_in_prompt: true`; {found.unshown} of {found.rendered} rows lack a choice.",
            IN_PROMPT,
        )
