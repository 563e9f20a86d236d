"""Which evaluated items the training text holds already, and what the scores are without them.

An item is looked up by its row's own texts, never by the prompt, whose wording all items share; so are the texts of
training (`mtft.mixing.text_hashes`). Three things are told apart:

- `ngram`: 13 words in a row of one of its texts train (26 characters in scripts without spaces);
- `exact`: one of its shorter texts trains as a whole, or all of a very short item do;
- `item_group`: the item itself trains, in another language, or in a dataset made of the same sentences.

What stands in more than half of a cell's items is the dataset's wording (a column with one question for all), and is
not looked up.

Source: Brown et al. 2020, arXiv 2005.14165, section 4 and appendix C: one 13-gram, or the whole of a shorter
example, and scores with and without what was found; n-grams that recur are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mtft.evaluation.aggregate import TemplateCell
from mtft.evaluation.averages import CellOf, primary_metric
from mtft.evaluation.examples import EvalExample
from mtft.mixing.overlap import OverlapIndex
from mtft.mixing.text_hashes import Hashes, Places, text_hashes

KINDS = ("ngram", "exact", "item_group")
WORDING = 0.5  # of a cell's items: what more have is no item's own
LEAST_ITEMS = 4  # fewer have no wording in common
_Row = tuple[str, str, str, str]


def with_contamination(examples: Sequence[EvalExample], index: OverlapIndex) -> list[EvalExample]:
    """The examples, each saying how its item stands in the training text: a joined list of `KINDS`, or nothing."""
    rows = {_row(example): example for example in examples}
    cells: dict[tuple[str, str], list[_Row]] = defaultdict(list)
    for row in rows:
        cells[row[:2]].append(row)
    found = {row: flags for inside in cells.values() for row, flags in _flags(inside, rows, index)}
    return [replace(example, contamination=found[_row(example)]) for example in examples]


def _row(example: EvalExample) -> _Row:
    row = example.example
    return example.cell.task, example.cell.config, row.split, row.row_id


def _flags(
    inside: Sequence[_Row], rows: Mapping[_Row, EvalExample], index: OverlapIndex
) -> Iterable[tuple[_Row, str]]:
    """The items of one cell with their flags."""
    hashes = text_hashes([rows[row].texts for row in inside])
    columns = (
        _any(hashes.ngrams, hashes.ngram_ends, index.ngrams),
        _any(hashes.short, hashes.short_ends, index.short),
        index.groups(rows[row].example.item_group for row in inside),
    )
    for row, marks in zip(inside, np.stack(columns, axis=1).tolist(), strict=True):
        yield row, "+".join(kind for kind, mark in zip(KINDS, marks, strict=True) if mark)


def _any(
    hashes: Hashes, ends: Places, found: Callable[[Hashes], npt.NDArray[np.bool_]]
) -> npt.NDArray[np.bool_]:
    """(items,) whether any hash of an item is found, those of the dataset's wording left out."""
    of_item = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    order = np.argsort(
        hashes, kind="stable"
    )  # items stay in order: the same hash of one item stands together
    new = np.diff(hashes[order], prepend=0) != 0
    new |= np.diff(of_item[order], prepend=-1) != 0
    own, counts = np.unique(hashes[order][new], return_counts=True)
    if len(ends) >= LEAST_ITEMS:
        own = own[counts <= WORDING * len(ends)]
    own = own[found(own)]
    marks = np.zeros(len(ends), dtype=np.bool_)
    marks[of_item[np.isin(hashes, own)]] = True
    return marks


def contamination_rows(cells: Iterable[TemplateCell], cell_of: CellOf) -> list[dict[str, Any]]:
    """What results say of each cell: how many items are flagged, and each model's primary metric with and without.

    Keys: `task`, `config`, `language`, `n_items`, one count per kind, `n_any`, and `models` with `model`,
    `prompt_language`, `metric`, `score_all`, `score_clean` (medians over templates; None where nothing is left) and
    `n_clean`.

    Args:
        cells: Of all models, their samples looked up in one index.
        cell_of: The suite's cells.
    """
    found: dict[tuple[str, str], list[TemplateCell]] = defaultdict(list)
    for cell in cells:
        if primary_metric(cell_of[cell.place.task, cell.place.config]) == cell.place.metric:
            found[cell.place.task, cell.place.config].append(cell)
    return [_cell_row(inside) for _, inside in sorted(found.items(), key=lambda pair: pair[0])]


def _cell_row(inside: Sequence[TemplateCell]) -> dict[str, Any]:
    samples = inside[0].samples
    ids, marks = (np.concatenate([c.samples.codes(name) for c in inside]) for name in ("id", "contamination"))
    marked = marks != samples.code("contamination", "")
    # by item, so that samples of before there were flags follow the others
    flagged, first = np.unique(ids[marked], return_index=True)
    kinds = [flag.split("+") for flag in samples.names("contamination", marks[marked][first])]
    columns: dict[tuple[str, str, str], list[TemplateCell]] = defaultdict(list)
    for cell in inside:
        columns[cell.model, cell.place.prompt_language, cell.place.metric].append(cell)
    place = inside[0].place
    return {
        "task": place.task,
        "config": place.config,
        "language": place.language,
        "n_items": len(np.unique(ids)),
        **{f"n_{kind}": sum(kind in found for found in kinds) for kind in KINDS},
        "n_any": len(flagged),
        "models": [_model_row(*key, templates, flagged) for key, templates in sorted(columns.items())],
    }


def _model_row(
    model: str,
    prompt_language: str,
    metric: str,
    templates: Sequence[TemplateCell],
    flagged: npt.NDArray[np.int64],
) -> dict[str, Any]:
    clean = [_clean(cell, flagged) for cell in templates]
    return {
        "model": model,
        "prompt_language": prompt_language,
        "metric": metric,
        "score_all": _median(templates),
        "score_clean": _median(clean),
        "n_clean": max(len(cell.rows.ids) for cell in clean),
    }


def _clean(cell: TemplateCell, flagged: npt.NDArray[np.int64]) -> TemplateCell:
    """The cell without flagged items; a ranking without the queries that have one."""
    items = cell.samples.codes("item_group" if cell.metric.by_query else "id")
    own = np.isin(cell.samples.codes("id"), flagged)
    places = np.flatnonzero(~np.isin(items, items[own]))
    return cell if len(places) == len(items) else cell.part(places)


def _median(cells: Iterable[TemplateCell]) -> float | None:
    values = [cell.value for cell in cells if np.isfinite(cell.value)]
    return float(np.median(values)) if values else None
