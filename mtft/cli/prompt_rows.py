"""The rows that prompts are shown on: given ones, those of the task's data, else the card's sample."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mtft.cli.options import SIDES, index_of, side_of, sources_of
from mtft.cli.output import note
from mtft.errors import ConfigError, TaskError, nearest

if TYPE_CHECKING:
    from mtft.prompting import Template
    from mtft.tasks import Task, TaskCard


class ShownRow(NamedTuple):
    """A row to render.

    Attributes:
        id: Its example id, which random choices depend on.
        fields: Column → value.
        language: Code of the row's language; None where it was given without a card.
    """

    id: str
    fields: Mapping[str, Any]
    language: str | None = None


@dataclass(frozen=True)
class RowChoice:
    """Which rows to show.

    Attributes:
        row: One row as JSON, or `-` for JSON Lines on standard input; None for the task's rows.
        languages: Codes or configurations; none for the card's first.
        side: train, validation or test; None for the first that has rows.
        limit: So many rows of each language.
        sample: Take the card's sample even where the data is at hand.
        data_root: Folder of local datasets.
    """

    row: str | None = None
    languages: tuple[str, ...] = ()
    side: str | None = None
    limit: int = 1
    sample: bool = False
    data_root: Path | None = None

    def rows(self, dataset: str, prompts: Sequence[Path]) -> list[ShownRow]:
        """The rows, language by language.

        Raises:
            ConfigError: A given row is no JSON object, or there is no row at all.
            TaskError: The dataset has no card.
        """
        if self.row is not None:
            return list(islice(_given(self.row), self.limit))
        card = index_of(prompts).get(dataset)
        chosen = card.tasks(list(self.languages) or None, templates=[]) if _prompts(card) else []
        found = [row for task in (chosen if self.languages else chosen[:1]) for row in self._of(card, task)]
        if not found:
            rule = "There must be a row to render."
            raise ConfigError(
                rule,
                found=f"none of `{dataset}`",
                remedy="Give --row JSON, --data_root, or a `sample` in the card.",
            )
        return found

    def _of(self, card: TaskCard, task: Task) -> list[ShownRow]:
        """Rows of one language."""
        found = [] if self.sample else self._real(task)
        if found:
            return found
        return [ShownRow(f"sample/{n}", row, task.language) for n, row in enumerate(_sample(card, task))]

    def _real(self, task: Task) -> list[ShownRow]:
        """Rows of the data; none where it is not at hand, which a note says."""
        from mtft.tasks import Problems

        sides = SIDES if self.side is None else (side_of(self.side),)
        problems = Problems()
        try:
            for side in sides:
                rows = list(islice(task.rows(side, sources_of(self.data_root), problems), self.limit))
                if rows:
                    return [ShownRow(f"{row.split}/{row.row_id}", row.fields, row.language) for row in rows]
        except TaskError as error:
            note(f"{error.rule} Shown is the card's sample.")
            return []
        reason = problems.samples[0] if problems.samples else f"No rows on {', '.join(sides)}."
        note(f"{reason} Shown is the card's sample.")
        return []


def _prompts(card: TaskCard) -> bool:
    """Whether the card's rows take prompts; refused where they bring their own."""
    if card.source.kind == "prompted":
        raise ConfigError("Rows that are prompted already take no templates.", found=f"`{card.name}`")
    return True


def _sample(card: TaskCard, task: Task) -> list[dict[str, Any]]:
    from mtft.tasks import sample_fields

    return sample_fields(card, task.config)


def _given(row: str) -> Iterator[ShownRow]:
    for number, line in enumerate(sys.stdin if row == "-" else [row], start=1):
        if line.strip():
            yield ShownRow(str(number), _fields(line, number))


def _fields(line: str, number: int) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError("A row must be JSON.", found=error, where=f"row {number}") from error
    if not isinstance(fields, dict):
        raise ConfigError("A row must be a JSON object.", found=type(fields).__name__, where=f"row {number}")
    return fields


def fitting(
    templates: Sequence[Template], language: str | None, prompt_languages: Sequence[str] = ()
) -> list[Template]:
    """The templates for rows of a language: those asked for, else English and the rows' own, else all.

    Raises:
        ConfigError: No template is in a language asked for.
    """
    if prompt_languages:
        wanted = {language if code == "own" else code for code in prompt_languages}
        found = [template for template in templates if template.language in wanted]
        if not found:
            known = {template.language for template in templates}
            shown = ", ".join(sorted(filter(None, wanted)))
            rule = "A prompt language must be one that the dataset has templates in."
            raise ConfigError(rule, found=shown, remedy=nearest(shown, known))
        return found
    if language is None:
        return list(templates)
    return [t for t in templates if t.language in ("en", language)] or list(templates)


def card_of(dataset: str, prompts: Sequence[Path]) -> TaskCard | None:
    """The dataset's card; None where it has none."""
    index = index_of(prompts)
    return index.get(dataset) if dataset in index.names() else None


def row_of(
    card: TaskCard, *, data_root: Path | None = None, language: str | None = None
) -> Mapping[str, Any] | None:
    """One row of a card's data, else its sample; None where neither is at hand."""
    languages = (language,) if language else ()
    tasks = card.tasks(list(languages) or None, templates=[])
    rows = RowChoice(data_root=data_root)._of(card, tasks[0])
    return rows[0].fields if rows else None
