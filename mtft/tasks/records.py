"""The two records that travel through mtft: a dataset's row, and the prompted example made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset, after its card's transforms.

    Attributes:
        fields: Column name to value, as the templates see it.
        row_id: Unique within (task, config, split).
        item_group: The underlying item; equal for its translations into other languages and for sibling
            datasets built on the same sentences. It decides the side (train, validation, test).
        language: Code of the row's language (`mtft.languages`).
        where: File and line (or record number) the row came from, for messages.
        split: The published split the row stands in.
        revision: The pinned revision of the source, or the content hash of the file.
    """

    fields: Mapping[str, Any]
    row_id: str
    item_group: str
    language: str
    where: str
    split: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One prompted row with its provenance.

    Attributes:
        inputs: The prompt.
        targets: The expected continuations; the first trains, all are references.
        answer_choices: The options to choose among, or None.
        dataset: Name of the dataset, `xcopa`.
        config: The dataset's configuration, `et`, `eng_Latn` or `eng-ind`.
        split: The published split the row stands in, `test`.
        row_id: Unique within (task, config, split).
        item_group: See `Row.item_group`.
        template_id: The template's uuid.
        language: Code of the row's language; for translation, of the target.
        prompt_language: Code of the template's language.
        task: The task's name: the dataset, or `dataset/subset` where a dataset holds several tasks.
        source_revision: The pinned revision or the content hash of the file the row came from.
    """

    inputs: str
    targets: tuple[str, ...]
    answer_choices: tuple[str, ...] | None
    dataset: str
    config: str
    split: str
    row_id: str
    item_group: str
    template_id: str
    language: str
    prompt_language: str
    task: str
    source_revision: str

    @property
    def target(self) -> str:
        """The target that trains."""
        return self.targets[0]
