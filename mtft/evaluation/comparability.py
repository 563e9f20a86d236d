"""Published scores beside ours: only where what was measured is the same, else with the reasons why not.

Compared are dataset, configuration, split, number of items, metric, the prompts' language and number, the scoring
protocol and the shots. The models need not be the same: all of a publication's figures stand beside ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mtft.evaluation.aggregate import Place
from mtft.evaluation.averages import CellOf
from mtft.evaluation.published import Figure, PublishedConfig, PublishedDataset, Reference, references
from mtft.evaluation.score_functions import SUM
from mtft.evaluation.summaries import SummaryCell


def published_rows(
    summaries: Iterable[SummaryCell],
    suite: Mapping[str, Any],
    cell_of: CellOf,
    known: Sequence[Reference] | None = None,
) -> list[dict[str, Any]]:
    """Rows of `published` in results: every published figure of our cells, for every model that it has.

    Each says whether it is comparable, and else why not. Values are fractions of 1, as ours.

    Args:
        summaries: Our cells, of all models.
        suite: The suite's facts: `protocol` and `max_items_per_cell`.
        cell_of: Task and configuration → the suite's cell.
        known: The publications; None for those that come with the toolkit.
    """
    by_place: dict[Place, list[SummaryCell]] = defaultdict(list)
    for summary in summaries:
        by_place[summary.place].append(summary)
    return [
        row
        for place, ours in sorted(by_place.items())
        for reference in (references() if known is None else known)
        for dataset in reference.of_task(place.task)
        if (config := dataset.config(place.config)) is not None
        for row in _rows(_Cell(place, ours, suite, cell_of), reference, dataset, config)
    ]


class _Cell:
    """What of one cell of ours is compared.

    Args:
        place: The cell.
        summaries: Its models'.
        suite: The suite's facts.
        cell_of: Task and configuration → the suite's cell.
    """

    def __init__(
        self, place: Place, summaries: Sequence[SummaryCell], suite: Mapping[str, Any], cell_of: CellOf
    ) -> None:
        self.place, self.suite = place, suite
        cells = [cell for summary in summaries for cell in summary.cells]
        self.splits = {name.partition("/")[0] for cell in cells for name in cell.samples.distinct("id")}
        self.counts = {len(cell.rows.ids) for cell in cells}
        self.templates = {cell.template_id: cell.template for cell in cells if len(cell.rows.ids)}
        cell = cell_of[place.task, place.config]
        self.shots, self.score_function = cell.shots, cell.score_function
        self.protocol = cell.protocol or suite.get("protocol")

    def prompts(self, config: PublishedConfig) -> str:
        """`EN`; `MT` or `HT` where every template's name ends as xP3's do (`…_swmt`); else nothing."""
        if self.place.prompt_language == "en":
            return "EN"
        codes = (config.published, config.language, self.place.prompt_language)
        for kind in ("mt", "ht"):
            ends = tuple(f"_{code}{kind}" for code in codes)
            if self.templates and all(name.endswith(ends) for name in self.templates.values()):
                return kind.upper()
        return ""


def _rows(
    cell: _Cell, reference: Reference, dataset: PublishedDataset, config: PublishedConfig
) -> Iterator[dict[str, Any]]:
    own = cell.prompts(config)
    for figure in dataset.figures:
        # Figures under prompts in another language than ours are of another cell of ours.
        fits = figure.prompts == own if own else figure.prompts != "EN"
        if figure.config != config.published or not fits:
            continue
        reason = "; ".join(_reasons(cell, reference, dataset, config, figure))
        for model, value in zip(reference.models, figure.values, strict=True):
            if value is not None:
                yield {
                    **{name: getattr(cell.place, name) for name in ("task", "config", "language")},
                    "prompt_language": cell.place.prompt_language,
                    "prompts": figure.prompts,
                    "dataset": dataset.dataset,
                    "split": dataset.split,
                    "template_statistic": figure.statistic,
                    "metric": figure.metric,
                    "model": model,
                    "value": reference.fraction(value),
                    "n_items": config.n_items,
                    "pretrained": reference.pretrained_on(model, config.language),
                    "citation": reference.citation,
                    "comparable": not reason,
                    "reason": reason,
                    "note": " ".join(filter(None, (reference.note, dataset.note))),
                }


def _reasons(
    cell: _Cell,
    reference: Reference,
    dataset: PublishedDataset,
    config: PublishedConfig,
    figure: Figure,
) -> Iterator[str]:
    """Everything in which the two differ, each as a clause; nothing where they can be compared."""
    if cell.place.metric != figure.metric:
        yield f"{_words(cell.place.metric)} here, {_words(figure.metric)} published"
    if cell.splits != {dataset.card_split}:
        yield f"split {_listed(cell.splits)} here, {dataset.card_split} published"
    yield from _items(cell, config)
    if not cell.prompts(config):
        made = {"MT": "machine-translated", "HT": "human-translated"}[figure.prompts]
        yield f"prompts of our own in {cell.place.prompt_language} here, {made} ones published"
    if figure.statistic != "single" and len(cell.templates) != reference.n_templates:
        yield f"{_count(len(cell.templates), 'prompt')} here, {reference.n_templates} published"
    if cell.protocol not in reference.protocols:
        yield (
            f"scored under protocol {cell.protocol or 'unknown'} here, {' and '.join(reference.protocols)} published"
        )
    if cell.place.metric == "accuracy" and cell.score_function != SUM:
        yield f"choices ranked by {_words(cell.score_function)} here, by sum published"
    if cell.shots:
        yield f"{_count(cell.shots, 'shot')} here, none published"


def _items(cell: _Cell, config: PublishedConfig) -> Iterator[str]:
    """The difference in the number of scored items; a published number that is not known is one."""
    here = " to ".join(f"{count:,}" for count in sorted({min(cell.counts), max(cell.counts)}))
    here += " item here" if here == "1" else " items here"
    if config.n_items is None:
        yield f"{here}, a number that is not known published"
    elif cell.counts != {config.n_items}:
        cap = cell.suite.get("max_items_per_cell")
        capped = f" (at most {cap:,} are taken)" if max(cell.counts) == cap and cap < config.n_items else ""
        about = "about " if config.approximate else ""
        yield f"{here}{capped}, {about}{config.n_items:,} published"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names)) or "none"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
