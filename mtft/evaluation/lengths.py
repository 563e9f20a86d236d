"""How long generated answers are beside their references: multitask finetuning makes them short."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtft.evaluation.examples import Sample
from mtft.evaluation.sample_columns import SampleRows
from mtft.evaluation.scorers import SCORERS
from mtft.statistics import FloatArray

_PLACE = ("model", "task", "config", "language", "prompt_language", "metric")


def length_rows(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """What results say of lengths, per model, cell, prompt language and scorer, over all templates.

    Lengths are in Unicode characters, white space at the ends not counted: they need no tokenizer, and models with
    different ones can be compared. An item with several references counts their mean length. `ratio` is the mean
    prediction's over the mean target's; an empty prediction counts as 0 and in `n_empty`.

    Source: that finetuned models answer too briefly, and that a minimum length helps: Muennighoff et al. 2023, arXiv
    2211.01786, on generation tasks.
    """
    made = []
    for place, rows in SampleRows.of(samples).parts(*_PLACE):
        if SCORERS[place[-1]].needs != "generation":
            continue
        said = rows.columns.table.column("prediction").take(rows.rows)
        chosen = rows.take(np.asarray(said.is_valid()) & (rows.counts("targets") > 0))
        if len(chosen):
            made.append(dict(zip(_PLACE, place, strict=True)) | _measured(chosen))
    return made


def _measured(rows: SampleRows) -> dict[str, Any]:
    predicted = _characters(rows.columns.table.column("prediction").take(rows.rows))
    counts = rows.counts("targets")
    starts = np.cumsum(counts) - counts
    target = float((np.add.reduceat(_characters(rows.flat("targets")), starts) / counts).mean())
    return {
        "mean_prediction": float(predicted.mean()),
        "mean_target": target,
        "ratio": float(predicted.mean()) / target if target else None,
        "n_empty": int((predicted == 0).sum()),
        "n": len(rows),
    }


def _characters(texts: pa.ChunkedArray) -> FloatArray:
    """(n,) float64: Unicode characters of each text without the white space at its ends."""
    trimmed = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    return np.asarray(pc.utf8_length(trimmed), dtype=np.float64)
