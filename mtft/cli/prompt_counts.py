"""The counts of `mtft prompts stats`: templates from their files, clusters and sizes from the cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mtft.prompting.statistics import TemplateCounts, count_templates

if TYPE_CHECKING:
    from mtft.prompting import DatasetTemplates, TemplateCollection
    from mtft.tasks import CardIndex, TaskCard

LARGEST = 3


@dataclass(frozen=True)
class DatasetLine:
    """One dataset of the overview.

    Attributes:
        dataset: Its name.
        cluster: Of its card; None without one.
        data_languages: Languages of its rows; None without a card.
        counts: Of its templates.
        train: Rows that train, as its card declares; None for unknown.
        total: Rows of all splits; None for unknown.
        source: Where the sizes are known from.
    """

    dataset: str
    cluster: str | None
    data_languages: int | None
    counts: TemplateCounts
    train: int | None = None
    total: int | None = None
    source: str | None = None


@dataclass(frozen=True)
class Overview:
    """The whole collection.

    Attributes:
        lines: Per dataset, by name.
        counts: Over all templates.
        clusters: Cluster → (datasets, templates).
    """

    lines: Sequence[DatasetLine]
    counts: TemplateCounts
    clusters: Mapping[str, tuple[int, int]]

    @property
    def largest_by_templates(self) -> tuple[list[str], float]:
        """The three datasets with the most templates, and their share of all."""
        return _largest({line.dataset: line.counts.templates for line in self.lines})

    @property
    def largest_by_rows(self) -> tuple[list[str], float] | None:
        """The three datasets with the most train rows and their share of all that are known; None of none."""
        known = {line.dataset: line.train for line in self.lines if line.train}
        return _largest(known) if known else None

    @property
    def unknown(self) -> int:
        """Datasets whose number of train rows no source states."""
        return sum(line.train is None for line in self.lines)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        rows = self.largest_by_rows
        names, share = self.largest_by_templates
        return {
            "datasets": len(self.lines),
            **asdict(self.counts),
            "clusters": {name: {"datasets": d, "templates": t} for name, (d, t) in self.clusters.items()},
            "largest": {"datasets": names, "share_of_templates": share},
            "largest_by_train_rows": rows and {"datasets": rows[0], "share_of_known_rows": rows[1]},
            "unknown_sizes": self.unknown,
            "per_dataset": [asdict(line) for line in self.lines],
        }


def overview(collection: TemplateCollection, index: CardIndex) -> Overview:
    """The counts over a collection, with what the cards know of its datasets."""
    keys = collection.keys()
    files = [collection.get(name, subset) for name, subset in keys]
    lines = [_line(file, index) for file in files]
    every = count_templates(template for file in files for template in file.values())
    return Overview(lines, every, _clusters(lines))


def _line(file: DatasetTemplates, index: CardIndex) -> DatasetLine:
    name = file.dataset if file.subset is None else f"{file.dataset}/{file.subset}"
    counts = count_templates(file.values())
    if name not in index:
        return DatasetLine(name, None, None, counts)
    card = index[name]
    sizes = card.declared.sizes
    # A division by hash takes a share of its splits, which is not known before the rows are read.
    published = card.division.kind == "published"
    train = declared_rows(card, card.division.splits_of("train", card.splits)) if published else None
    return DatasetLine(
        name,
        card.cluster,
        len({card.language_of(config) for config in card.variants}),
        counts,
        train,
        declared_rows(card, card.splits),
        sizes.source if sizes.rows else None,
    )


def declared_rows(card: TaskCard, splits: Iterable[str]) -> int | None:
    """Rows of all configurations over the splits, as declared; None where one of them is unknown."""
    sizes = [card.declared.sizes.of(config, split) for config in card.variants for split in splits]
    known = [size for size in sizes if size is not None]
    return sum(known) if sizes and len(known) == len(sizes) else None


def _clusters(lines: Iterable[DatasetLine]) -> dict[str, tuple[int, int]]:
    datasets: Counter[str] = Counter()
    templates: Counter[str] = Counter()
    for line in lines:
        datasets[line.cluster or "without a card"] += 1
        templates[line.cluster or "without a card"] += line.counts.templates
    return {name: (datasets[name], count) for name, count in templates.most_common()}


def _largest(sizes: Mapping[str, int]) -> tuple[list[str], float]:
    top = sorted(sizes, key=lambda name: (-sizes[name], name))[:LARGEST]
    total = sum(sizes.values())
    return top, sum(sizes[name] for name in top) / total if total else 0.0
