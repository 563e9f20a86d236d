"""Published scores: `eval/reference/*.json`, figures with their citation, read strictly.

A file holds one publication. Per dataset and published split it names our task, our name of the split, and per
configuration ours and the number of items; a figure is one line of the publication's table, a value per model.
`mtft.evaluation.comparability` says which of them stand beside a score of ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mtft.errors import SuiteError, TaskError, nearest
from mtft.resources import builtin_folder
from mtft.tasks.schema import build

SCHEMA = 1
UNITS = {"percent": 100.0, "fraction": 1.0}
PROMPTS = ("EN", "MT", "HT")  # English, machine-translated, human-translated
STATISTICS = ("median", "max", "single")


@dataclass(frozen=True)
class PublishedConfig:
    """One language or configuration of a published dataset.

    Attributes:
        published: Its published name.
        config: Our configuration.
        language: Code of the rows' language.
        n_items: How many items were scored; None: not known.
        approximate: Whether that number is not exact.
    """

    published: str
    config: str
    language: str
    n_items: int | None = None
    approximate: bool = False


@dataclass(frozen=True)
class Figure:
    """One line of a published table.

    Attributes:
        config: Published name of the configuration.
        prompts: Their language: `EN`, or `MT` and `HT` for the rows' own, translated by machine or by people.
        metric: Our name of the metric.
        statistic: Over the prompts: `median`, `max`; `single` where there is one value.
        values: One per model of the publication, in its unit; None where it has none.
    """

    config: str
    prompts: str
    metric: str
    statistic: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class PublishedDataset:
    """The figures of one dataset on one split.

    Attributes:
        dataset: Published name.
        split: Published name of the split.
        figures: The table's lines.
        task: Our task; None: this library has none, and the figures are only kept.
        card_split: Our card's name of the split.
        configs: The configurations.
        n_items_source: Where the numbers of items are from.
        note: Where our rows differ although all that is compared agrees.
    """

    dataset: str
    split: str
    figures: tuple[Figure, ...]
    task: str | None = None
    card_split: str = ""
    configs: tuple[PublishedConfig, ...] = ()
    n_items_source: str = ""
    note: str = ""

    def config(self, name: str) -> PublishedConfig | None:
        """The configuration that is ours of that name."""
        return next((one for one in self.configs if one.config == name), None)


@dataclass(frozen=True)
class Pretraining:
    """What models were pretrained on.

    Attributes:
        corpus: Its name.
        models: Those pretrained on it, finetuned ones included.
        unseen: Codes of the languages of `datasets` that it lacks.
    """

    corpus: str
    models: tuple[str, ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class Reference:
    """One publication.

    Attributes:
        schema: Of the file.
        name: Of the publication, the file's.
        citation: Of the publication.
        source: Where the figures were read.
        unit: Of the values: `percent`, or `fraction` of 1.
        n_templates: Prompts per cell that medians and maxima are taken over.
        protocols: Scoring protocols that it used, by our names.
        models: In the order of the values.
        datasets: The figures.
        note: On all of them.
        pretraining: Which languages its models had seen.
        path: The file.
    """

    schema: int
    name: str
    citation: str
    source: str
    unit: str
    n_templates: int
    protocols: tuple[str, ...]
    models: tuple[str, ...]
    datasets: tuple[PublishedDataset, ...]
    note: str = ""
    pretraining: tuple[Pretraining, ...] = ()
    path: Path = field(default=Path("reference.json"), metadata={"own": True})

    @classmethod
    def load(cls, path: Path) -> Reference:
        """The publication in a file.

        Raises:
            SuiteError: It is no JSON, a key is unknown, double or missing, or a figure does not fit its table.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
            made = build(cls, content, str(path))
        except (OSError, ValueError, RecursionError) as error:
            if not isinstance(error, TaskError):
                raise SuiteError(
                    "Published scores must be readable JSON.", found=error, where=path
                ) from error
            raise SuiteError(error.rule, found=error.found, where=error.where, remedy=error.remedy) from None
        object.__setattr__(made, "path", path)
        _check(made)
        return made

    def of_task(self, task: str) -> list[PublishedDataset]:
        """The datasets that are this task of ours."""
        return [dataset for dataset in self.datasets if dataset.task == task]

    def fraction(self, value: float) -> float:
        """A value of the publication as a fraction of 1, as our metrics of choices are."""
        return value / UNITS[self.unit]

    def pretrained_on(self, model: str, language: str) -> bool | None:
        """Whether a model's pretraining corpus has a language; None where that is not known."""
        corpora = [corpus for corpus in self.pretraining if model in corpus.models]
        return language not in corpora[0].unseen if corpora else None


@lru_cache
def references() -> tuple[Reference, ...]:
    """The publications that come with the toolkit."""
    folder = builtin_folder("eval") / "reference"
    return tuple(Reference.load(path) for path in sorted(folder.glob("*.json")))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        double = next(key for key in content if sum(key == name for name, _ in pairs) > 1)
        raise ValueError(f"the key `{double}` twice")
    return content


def _check(reference: Reference) -> None:
    """What the types do not say.

    Raises:
        SuiteError: It does not hold.
    """
    where = str(reference.path)
    if reference.schema != SCHEMA:
        raise SuiteError(f"Published scores must be of schema {SCHEMA}.", found=reference.schema, where=where)
    _known(reference.unit, UNITS, "unit", where)
    _unique(reference.models, "model", where)
    for corpus in reference.pretraining:
        for model in corpus.models:
            _known(model, reference.models, "model", f"{where}: {corpus.corpus}")
    for dataset in reference.datasets:
        _check_dataset(dataset, reference, f"{where}: {dataset.dataset}")


def _check_dataset(dataset: PublishedDataset, reference: Reference, where: str) -> None:
    names = [one.published for one in dataset.configs]
    _unique(names, "configuration", where)
    _unique([one.config for one in dataset.configs], "configuration of ours", where)
    lines = [(f.config, f.prompts, f.metric, f.statistic) for f in dataset.figures]
    _unique([" ".join(line) for line in lines], "figure", where)
    for figure in dataset.figures:
        if dataset.task is not None:
            _known(figure.config, names, "configuration", where)
        _known(figure.prompts, PROMPTS, "kind of prompts", where)
        _known(figure.statistic, STATISTICS, "statistic", where)
        _check_values(figure, reference, f"{where} {figure.config} {figure.prompts} {figure.statistic}")


def _check_values(figure: Figure, reference: Reference, where: str) -> None:
    if len(figure.values) != len(reference.models):
        found = f"{len(figure.values)} values for {len(reference.models)} models"
        raise SuiteError("A figure must have a value or null for each model.", found=found, where=where)
    for value in figure.values:
        if value is not None and not (math.isfinite(value) and 0 <= value <= UNITS[reference.unit]):
            raise SuiteError(
                f"A value must lie between 0 and {UNITS[reference.unit]:g}.", found=value, where=where
            )


def _known(name: str, options: Iterable[str], what: str, where: str) -> None:
    if name not in options:
        remedy = nearest(name, options)
        raise SuiteError(f"A published {what} must be known.", found=f"`{name}`", where=where, remedy=remedy)


def _unique(names: Iterable[str], what: str, where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SuiteError(f"A published {what} must stand once.", found=f"`{name}`", where=where)
        seen.add(name)
