"""Triple coverage: what counts as said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mtft.errors import StructureError
from mtft.structured import Table
from mtft.structured.coverage import TripleCoverage, triple_coverage
from mtft.structured.coverage_forms import plain, value_forms
from mtft.structured.triples import read_triples
from mtft.structured.webnlg import read_webnlg_file


def one(value: str) -> Table:
    return read_triples([("Ada", "is", value)])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Analytical_Engine", "Ada saw the analytical engine."),
        ('"a note"', "Ada wrote a note"),
        ('"note"@en', "Ada's note"),
        ('"1815"^^<http://www.w3.org/2001/XMLSchema#gYear>', "Ada, 1815"),
        ("1815-12-10", "Ada was born on December 10, 1815."),
        ("1815-12-10", "Ada was born on the 10th of December 1815."),
        ("1815-12-10", "Ada (10 Dec 1815)"),
        ("1815-12-10", "Ada, born 10/12/1815"),
        ("December 10, 1815", "Ada, born on 1815-12-10"),
        ("610.0", "Ada counted 610 cards"),
        ("1200", "Ada counted 1,200 cards"),
        ("3", "Ada has three children"),
        ("three", "Ada has 3 children"),
        ("Note_(music)", "Ada sang a note"),
        ("Note_(music)", "Ada loved music"),
        ("London, England", "Ada lived in London."),
        ("Washington,_D.C.", "Ada saw Washington DC"),
        ("Zürich", "Ada saw Zurich"),
        ("Łódź", "Ada saw Lodz"),
        ("東京", "Ada 住在東京都"),
        ("-", "Ada"),
    ],
)
def test_what_counts_as_said(value: str, text: str) -> None:
    assert triple_coverage(text, one(value)).share == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("note", "Ada notes"),  # whole words
        ("10", "Ada has 110 cards"),
        ("1.5", "Ada has 15 cards"),
        ("blue sea", "Ada is blue. Sea gulls cry."),  # not across sentences
        ("1815-12-10", "Ada was born on November 10, 1815"),
        ("noodles, pork, rice", "Ada ate noodles"),  # a list is no place
        ("note", "She wrote a note"),  # pronouns are not resolved
        ("note", ""),
    ],
)
def test_what_does_not(value: str, text: str) -> None:
    assert triple_coverage(text, one(value)).share == 0


def test_counts_by_hand() -> None:
    table = read_triples(
        [("Ada", "wrote", "note"), ("note", "year", "1843"), ("[TABLECONTEXT]", "[TITLE]", "Letters"),
         ("[TABLECONTEXT]", "seen", "Kano")]
    )  # fmt: skip
    found = triple_coverage("The note is from 1843; Kano.", table)
    assert found == TripleCoverage(triples=3, covered=2, values=4, said=3)
    assert triple_coverage("x", Table(kind="triples")).share == 1


def test_other_structures_are_refused() -> None:
    with pytest.raises(StructureError, match="kind `triples`"):
        triple_coverage("x", Table())


PARTS = st.sampled_from(["Ada", "Bo_(singer)", "3", "1815-12-10", "-", '"a b"'])


@given(st.lists(st.tuples(PARTS, PARTS, PARTS), max_size=6), st.text(max_size=40), st.randoms())
def test_order_of_triples_is_nothing(
    triples: list[tuple[str, str, str]], text: str, draw: random.Random
) -> None:
    mixed = triples[:]
    draw.shuffle(mixed)
    found = triple_coverage(text, read_triples(triples))
    assert found == triple_coverage(text, read_triples(mixed))
    assert 0 <= found.covered <= found.triples
    everything = " . ".join(form for triple in triples for part in triple for form in value_forms(part)[:1])
    assert triple_coverage(everything, read_triples(triples)).share == 1


@given(st.text(max_size=60))
@example("?")
def test_plain_text_is_plain(text: str) -> None:
    made = plain(text)
    assert made == " ".join(made.split())
    assert not set(made) & set('_,;!?"')


@pytest.mark.data
def test_references_cover_most_of_their_triples(data_root: Path) -> None:
    """The ceiling that docs/metrics.md names: people shorten names and leave things out."""
    covered = triples = 0
    for path in sorted((data_root / "webnlg_enriched/en/test").rglob("*.xml")):
        for entry in read_webnlg_file(path):
            for text in filter(None, entry.references):
                found = triple_coverage(text, entry.table)
                covered, triples = covered + found.covered, triples + found.triples
    assert triples > 1000
    assert 0.75 < covered / triples < 0.9
