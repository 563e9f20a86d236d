"""What a rule looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mtft.prompting.linting.facts import Facts
from mtft.prompting.linting.labelled import Labels
from mtft.prompting.linting.outcomes import Outcomes, outcomes
from mtft.prompting.linting.view import View
from mtft.prompting.template import Template


@dataclass(frozen=True)
class Case:
    """One template with all that is known around it.

    Attributes:
        view: The template, taken apart.
        facts: Of its dataset.
        language: Code of the language it is in: by its metadata, else by its name; None where neither says.
        source: The template it is a translation of.
        labels: What the dataset's templates call their columns, by language.
    """

    view: View
    facts: Facts
    language: str | None
    source: View | None
    labels: Labels

    @property
    def template(self) -> Template:
        """The template."""
        return self.view.template

    @cached_property
    def outcomes(self) -> Outcomes:
        """What it makes of rows."""
        return outcomes(self.view, self.facts)
