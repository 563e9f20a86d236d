"""What the linter checks templates against, gathered from cards and from rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtft.cli.options import SIDES, sources_of
from mtft.cli.output import note
from mtft.errors import TaskError

if TYPE_CHECKING:
    from mtft.prompting.linting import FactRow, Facts
    from mtft.prompting.parsed import TemplateFile
    from mtft.tasks import CardIndex, TaskCard

CARD = "task.yaml"


@dataclass
class Known:
    """Facts about the datasets of template files.

    Attributes:
        index: Cards by task name, for files without a card beside them.
        data_root: Folder of local datasets; None reads no rows.
        rows: So many rows of each language.
    """

    index: CardIndex
    data_root: Path | None
    rows: int

    def __call__(self, path: Path, file: TemplateFile) -> Facts:
        """What is known of a file's dataset: by the card beside it, else by the one of its name."""
        from mtft.prompting.linting import Facts

        card = self._card(path, file)
        return Facts() if card is None else self._facts(card)

    def _card(self, path: Path, file: TemplateFile) -> TaskCard | None:
        from mtft.tasks import load_card

        beside = path.with_name(CARD)
        if beside.is_file():
            return load_card(beside)
        name = file.dataset if file.subset is None else f"{file.dataset}/{file.subset}"
        return self.index.get(name) if name in self.index.names() else None

    def _facts(self, card: TaskCard) -> Facts:
        from mtft.prompting.linting import Facts
        from mtft.tasks import CLUSTERS

        rows = list(_rows(card, self.data_root, self.rows)) if self.rows else []
        return Facts(
            columns=card.columns or None,
            labels=card.labels,
            hidden_labels=False,  # cards leave such splits out; rows that have them show
            cluster=card.cluster,
            clusters=CLUSTERS,
            samples=_samples(card),
            rows=rows,
            truncatable={
                uuid: extras.truncatable for uuid, extras in card.templates.items() if extras.truncatable
            },
            translation_of={
                uuid: extras.translation_of
                for uuid, extras in card.templates.items()
                if extras.translation_of
            },
            card=str(card.path),
        )


def _samples(card: TaskCard) -> list[dict[str, Any]]:
    from mtft.tasks import sample_fields

    return [] if card.source.kind == "prompted" else sample_fields(card)


def _rows(card: TaskCard, root: Path | None, limit: int) -> Iterator[FactRow]:
    """The first rows of every configuration, of the first side that has some; none where none are at hand."""
    from mtft.prompting.linting import FactRow

    if card.source.kind not in ("local", "synthetic") or (card.source.kind == "local" and root is None):
        return
    for task in card.tasks(templates=[]):
        for row in _first_rows(task, root, limit):
            yield FactRow(f"{task.config}/{row.row_id}", row.fields, row.language)


def _first_rows(task: Any, root: Path | None, limit: int) -> Sequence[Any]:
    from mtft.tasks import Problems

    for side in SIDES:
        try:
            rows = list(islice(task.rows(side, sources_of(root), Problems()), limit))
        except TaskError as error:
            note(f"{task.key}: no rows are read. {error}")
            return []
        if rows:
            return rows
    return []
