"""What a template makes of rows, counted."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mtft.prompting.failures import RenderError
from mtft.prompting.linting.facts import Facts
from mtft.prompting.linting.view import View
from mtft.prompting.rendered import Rendered
from mtft.prompting.template import Template

_HIDDEN = -1


@dataclass
class Outcomes:
    """What one template makes of rows.

    Attributes:
        rendered: How many became an input and a target.
        blank: How many it leaves out.
        hidden: How many have no label.
        faults: How many failed, by fault.
        examples: Fault → the first message.
        inputs: Lengths of the inputs, in characters.
        targets: Lengths of the first targets.
        unshown: How many inputs lack one of the row's choices.
    """

    rendered: int = 0
    blank: int = 0
    hidden: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    unshown: int = 0

    @property
    def rows(self) -> int:
        """All rows."""
        return self.rendered + self.blank + self.hidden + self.faults.total()

    def add(self, made: Rendered) -> None:
        """Counts a rendered row."""
        self.rendered += 1
        self.inputs.append(len(made.inputs))
        self.targets.append(len(made.targets[0]))
        text = made.inputs.casefold()
        self.unshown += any(choice.casefold() not in text for choice in made.answer_choices or ())

    def as_dict(self) -> dict[str, Any]:
        """Plain data: counts, and median and maximum of the lengths."""
        return {
            "rows": self.rows,
            "rendered": self.rendered,
            "blank": self.blank,
            "hidden_label": self.hidden,
            "failed": dict(self.faults),
            "input_characters": _spread(self.inputs),
            "target_characters": _spread(self.targets),
        }


def _spread(lengths: Sequence[int]) -> dict[str, float]:
    return {"median": statistics.median(lengths), "maximum": max(lengths)} if lengths else {}


def outcomes(view: View, facts: Facts) -> Outcomes:
    """What a template makes of the real rows, else of the made-up ones."""
    found = Outcomes()
    rows = [(row.id, row.fields) for row in facts.rows] or [("sample", row) for row in facts.samples]
    labels = {column for _, column in view.indexed}
    for row_id, fields in rows:
        if any(fields.get(column) == _HIDDEN for column in labels):
            found.hidden += 1
        else:
            _count(view.template, row_id, fields, found)
    return found


def _count(template: Template, row_id: str, fields: Mapping[str, Any], found: Outcomes) -> None:
    try:
        made = template.render(fields, example_id=row_id)
    except RenderError as error:
        found.faults[error.fault] += 1
        found.examples.setdefault(error.fault, f"{error.rule} Found: {error.found}. Row {row_id}")
        return
    if made is None:
        found.blank += 1
    else:
        found.add(made)
