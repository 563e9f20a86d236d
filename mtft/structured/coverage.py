"""Triple coverage: the share of triples whose subject and object a text says.

A check of faithfulness without references, by rule: a value is said when one of its forms
(`mtft.structured.coverage_forms.value_forms`) stands in the text as whole words. Predicates are not looked
for, and neither pronouns nor inflected or shortened names are resolved, so a perfect text of a real dataset
stays below 1; `docs/metrics.md` says how far.
"""

from __future__ import annotations

from typing import NamedTuple

from mtft.errors import StructureError
from mtft.structured.coverage_forms import plain, says, value_forms
from mtft.structured.table import Table

VERSION = "1"


class TripleCoverage(NamedTuple):
    """What a text says of its triples.

    Attributes:
        triples: How many there are.
        covered: Those whose subject and object are both said.
        values: Distinct subjects and objects.
        said: Those of them that are said.
    """

    triples: int
    covered: int
    values: int
    said: int

    @property
    def share(self) -> float:
        """The share of triples covered; 1 where there is none."""
        return self.covered / self.triples if self.triples else 1.0


def triple_coverage(text: str, table: Table) -> TripleCoverage:
    """How many of a table's triples a text covers.

    A triple without a subject (`[TABLECONTEXT]`) needs only its object. A value without any word, such as
    `-`, is taken as said. Titles are not counted.

    Raises:
        StructureError: The table is no set of triples.
    """
    if table.kind != "triples":
        rule = "Triple coverage needs a table of kind `triples`."
        remedy = "Score tables by `parent`, and meaning representations by `slot_error`."
        raise StructureError(rule, found=f"`{table.kind}`", remedy=remedy)
    written = plain(text)
    triples = [(*(head.text for head in table.row_headers(c)), c.text) for c in table.data]
    said = {value: _said(written, value) for triple in triples for value in triple}
    covered = sum(all(said[value] for value in triple) for triple in triples)
    return TripleCoverage(len(triples), covered, len(said), sum(said.values()))


def _said(written: str, value: str) -> bool:
    forms = value_forms(value)
    return not forms or any(says(written, form) for form in forms)
