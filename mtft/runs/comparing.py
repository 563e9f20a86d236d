"""Several runs side by side: their results on shared cells, with paired tests on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mtft.evaluation import EvaluationResults
from mtft.evaluation.sample_columns import SampleColumns, SampleRows
from mtft.reporting import (
    Joined,
    ReportInput,
    RunResults,
    SampleFile,
    find_results,
    join_runs,
    read_run,
    run_names,
)
from mtft.reporting.inputs import SAMPLES, with_curve
from mtft.reporting.records import CellKey

PLACE = CellKey._fields[:4]
_BETWEEN = "\x1f"


def recomputed(place: Path) -> ReportInput:
    """One run's results with all statistics made again from its scored examples.

    Raises:
        RunError: There are no results or examples, or they cannot be read.
    """
    path = find_results(place)
    content = EvaluationResults.load(path.parent, prompts=False).as_dict()
    return ReportInput(with_curve(content, path), (SampleFile(path.parent / SAMPLES),))


def read_runs(places: Sequence[Path]) -> ReportInput:
    """Several runs' results as one, compared pair by pair where all of them kept their scored examples.

    Raises:
        RunError: A run has no results, or the runs share no cells.
    """
    names = run_names(places)
    inputs = [read_run(place) for place in places]
    paths = [find_results(place) for place in places]
    runs = [RunResults(*run) for run in zip(names, paths, (each.content for each in inputs), strict=True)]
    joined = join_runs(runs)
    if not all(each.samples for each in inputs):
        return ReportInput(joined.content)
    samples = [
        replace(file, names=joined.names[at], left_out=joined.repeated[at])
        for at, each in enumerate(inputs)
        for file in each.samples
    ]
    return ReportInput({**joined.content, **_statistics(runs, joined)}, tuple(samples))


def _statistics(runs: Sequence[RunResults], joined: Joined) -> dict[str, Any]:
    """Averages and paired comparisons over the shared cells, from the runs' scored examples."""
    loaded = [EvaluationResults.load(run.path.parent, prompts=False) for run in runs]
    parts = [
        _renamed(each, joined.names[at], joined.repeated[at], joined.cells) for at, each in enumerate(loaded)
    ]
    together = replace(
        loaded[-1],
        samples=SampleRows.joined(parts),
        cells=tuple({(c.task, c.config): c for each in loaded for c in each.cells}.values()),
        extras={},
    )
    found = together.as_dict()
    if not _alike(loaded):  # what one run trains on, another holds out: only all cells are the same cells
        found["averages"] = [row for row in found["averages"] if row["group"] == "all"]
    return {name: found[name] for name in ("averages", "comparisons")}


def _alike(loaded: Sequence[EvaluationResults]) -> bool:
    known: dict[tuple[str, str], tuple[str, str, bool]] = {}
    return all(
        known.setdefault((c.task, c.config), said) == said
        for each in loaded
        for c in each.cells
        for said in [(c.seen, c.language_status, c.cluster_trained)]
    )


def _renamed(
    results: EvaluationResults, names: Mapping[str, str], repeated: frozenset[str], cells: frozenset[CellKey]
) -> SampleRows:
    """A run's samples in shared cells, models by their names in the report; on columns, whatever their number."""
    rows = SampleRows.of(results.samples)
    texts = {name: pc.cast(rows.table().column(name), pa.string()) for name in ("model", *PLACE)}
    place = pc.binary_join_element_wise(*(texts[name] for name in PLACE), _BETWEEN)
    shared = pa.array(sorted({_BETWEEN.join(key[: len(PLACE)]) for key in cells}))
    left = pc.is_in(texts["model"], pa.array(sorted(repeated), pa.string()))
    table = rows.table().filter(pc.and_(pc.is_in(place, shared), pc.invert(left)))
    model = pc.cast(table.column("model"), pa.string()).combine_chunks().dictionary_encode()
    renamed = pa.array([names.get(name, name) for name in model.dictionary.to_pylist()], pa.string())
    named = renamed.take(model.indices)
    at = table.schema.get_field_index("model")
    kind = table.schema.field("model").type
    encoded = named.dictionary_encode() if pa.types.is_dictionary(kind) else named
    return SampleColumns(table.set_column(at, "model", encoded.cast(kind))).all()
