"""Every table of a report in its order, for the forms that hold nothing but tables."""

from __future__ import annotations

from collections.abc import Iterator

from mtft.reporting import tables
from mtft.reporting.comparison_tables import comparisons, pairs_of
from mtft.reporting.control_tables import controls
from mtft.reporting.finding_tables import contamination, lengths, published, score_functions, transfer
from mtft.reporting.mixture import mixture_tables
from mtft.reporting.plain import tables_of
from mtft.reporting.results import Results
from mtft.reporting.score_tables import scores
from mtft.reporting.shots import shots_tables
from mtft.reporting.slices import slice_tables
from mtft.reporting.tables import Table
from mtft.reporting.wording import Scales


def all_tables(results: Results, scales: Scales) -> Iterator[Table]:
    """The tables that have rows: findings first, then what is known of the data and the training."""
    return (table for table in (*_findings(results, scales), *_facts(results, scales)) if table.rows)


def _findings(results: Results, scales: Scales) -> Iterator[Table]:
    for a, b in pairs_of(results):
        yield comparisons(results, scales, a, b)
    yield tables.averages(results, scales)
    yield published(results, scales)
    yield transfer(results, scales)
    yield controls(results, scales)
    yield score_functions(results, scales)
    yield lengths(results)
    yield contamination(results, scales)
    yield scores(results, scales)
    yield scores(results, scales, primary=False)


def _facts(results: Results, scales: Scales) -> Iterator[Table]:
    extras = results.extras
    yield from slice_tables(results, scales)
    yield from shots_tables(results)
    yield from tables_of("vocabulary_overlap", "Vocabulary overlap", extras.get("vocabulary_overlap"))
    yield from mixture_tables(extras.get("mixture"))
    yield from tables_of("training", "Training", extras.get("training"))
    yield from tables_of("runs", "Runs", extras.get("runs"))
