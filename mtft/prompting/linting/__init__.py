"""The linter: templates that render but mislead. Each module holds the rules of one family, each rule a
mistake of published collections (`docs/linting.md`).
"""

from mtft.prompting.linting import choices, columns, metadata, rendering, structure, translations, wording
from mtft.prompting.linting.facts import FactRow, Facts
from mtft.prompting.linting.finding import RULES, Finding, Fix, Rule, Severity
from mtft.prompting.linting.linter import Linted, lint, linted
from mtft.prompting.linting.metadata import METRICS

FAMILIES = (structure, columns, choices, metadata, rendering, wording, translations)

__all__ = [
    "FAMILIES",
    "METRICS",
    "RULES",
    "FactRow",
    "Facts",
    "Finding",
    "Fix",
    "Linted",
    "Rule",
    "Severity",
    "lint",
    "linted",
]
