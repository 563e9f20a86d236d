"""What is known of a dataset, as plain data: its card and rows stay with who has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class FactRow(NamedTuple):
    """A row of the dataset.

    Attributes:
        id: Its example id.
        fields: Column → value.
        language: Code of its language; empty where it is not known.
    """

    id: str
    fields: Mapping[str, Any]
    language: str = ""


@dataclass(frozen=True)
class Facts:
    """What the rules may check templates against; what is left out is left unchecked.

    Attributes:
        columns: Those that templates may use.
        labels: Names of the labels in the order of their numbers.
        hidden_labels: Whether rows may have the label -1; None for not known.
        cluster: The dataset's task cluster.
        clusters: The known ones.
        samples: Rows of the schema, made up; they show how values are nested.
        rows: Real rows.
        truncatable: Template id → the column that may be shortened.
        translation_of: Template id → id of the template it was translated from.
        card: The card's file, for messages.
    """

    columns: Sequence[str] | None = None
    labels: Sequence[str] = ()
    hidden_labels: bool | None = None
    cluster: str | None = None
    clusters: Sequence[str] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    rows: Sequence[FactRow] = ()
    truncatable: Mapping[str, str] = field(default_factory=dict)
    translation_of: Mapping[str, str] = field(default_factory=dict)
    card: str = ""

    @property
    def examples(self) -> list[Mapping[str, Any]]:
        """Rows of either kind."""
        return [*(row.fields for row in self.rows), *self.samples]
