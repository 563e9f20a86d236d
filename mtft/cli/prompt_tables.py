"""The tables of `mtft prompts stats`, the same for the terminal and the page."""

from __future__ import annotations

from collections.abc import Mapping

from mtft.cli.prompt_counts import DatasetLine, Overview
from mtft.languages import get
from mtft.prompting.statistics import Spread
from mtft.reporting.tables import Cell, Table, plain_table

UNKNOWN = "unknown"
DATASETS = "datasets"


def tables(overview: Overview) -> list[Table]:
    """Overview first, the list of datasets last."""
    counts = overview.counts
    return [
        _facts(overview),
        plain_table(
            "clusters",
            "Clusters",
            ("cluster", "datasets", "templates"),
            [(Cell(n), number(d), number(t)) for n, (d, t) in overview.clusters.items()],
        ),
        _counted(
            "languages",
            "Prompt languages",
            "language",
            {_language(c): n for c, n in counts.languages.items()},
        ),
        _counted("choices", "Answer choices", "choices", counts.choices),
        _counted("shown", "Choices shown in the prompt", "shown", counts.choices_in_prompt),
        _counted("metrics", "Metrics", "metric", counts.metrics),
        _counted("original", "Original task", "asks what the dataset was made for", counts.original_task),
        _datasets(overview),
    ]


def number(value: int | None) -> Cell:
    """A count as a cell; None is unknown."""
    return Cell(UNKNOWN) if value is None else Cell(f"{value:,}", value)


def _facts(overview: Overview) -> Table:
    names, share = overview.largest_by_templates
    rows = overview.largest_by_rows
    facts = [
        ("datasets", f"{len(overview.lines):,}"),
        ("templates", f"{overview.counts.templates:,}"),
        ("characters of a prompt", _spread(overview.counts.length)),
        ("the three with the most templates", _share(names, share)),
        ("the three with the most train rows", _share(*rows) + " of those known" if rows else UNKNOWN),
        ("train rows unknown", f"{overview.unknown:,} datasets, until they are downloaded"),
    ]
    return plain_table(
        "overview", "Overview", ("", "value"), [(Cell(name), Cell(text)) for name, text in facts]
    )


def _share(names: list[str], share: float) -> str:
    return f"{', '.join(names)}: {share:.0%}"


def _spread(found: Spread | None) -> str:
    return "" if found is None else f"{found.least:,} to {found.most:,}, median {found.median:,.0f}"


def _language(code: str) -> str:
    try:
        return f"{code} {get(code).name}"
    except ValueError:
        return code


def _counted(name: str, title: str, column: str, counts: Mapping[str, int]) -> Table:
    rows = [(Cell(each), number(count)) for each, count in counts.items()]
    return plain_table(name, title, (column, "templates"), rows)


def _datasets(overview: Overview) -> Table:
    columns = (
        *("dataset", "cluster", "templates", "prompt languages", "data languages", "with choices"),
        *("original task", "median length", "train rows", "all rows"),
    )
    note = "Rows are those that a source states; others are unknown until the dataset is downloaded."
    return plain_table(DATASETS, "Datasets", columns, [_line(line) for line in overview.lines], note)


def _line(line: DatasetLine) -> tuple[Cell, ...]:
    counts = line.counts
    return (
        Cell(line.dataset),
        Cell(line.cluster or "no card"),
        number(counts.templates),
        Cell(", ".join(sorted(counts.languages))),
        number(line.data_languages),
        number(counts.templates - counts.choices.get("none", 0)),
        number(counts.original_task.get("yes", 0)),
        number(None if counts.length is None else round(counts.length.median)),
        number(line.train),
        number(line.total),
    )
