"""The library's guide lists every dataset as it is, and every dataset of the paper has a card."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex
from mtft.tasks.library import library_tables

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "library.md"
INDEX = CardIndex.load([builtin_folder("prompts")])
TRAINING = {
    "closed_book_qa", "code_misc", "extractive_qa", "multiple_choice_qa", "paraphrase", "program_synthesis",
    "sentiment", "simplification", "structure_to_text", "summarization", "topic_classification",
    "translation", "word_sense",
}  # fmt: skip
CODE = ("program_synthesis", "code_docstring_corpus")


def test_the_guide_holds_the_tables_as_they_are() -> None:
    found = re.search(r"<!-- tables: begin -->\n(.*?)<!-- tables: end -->", GUIDE.read_text("utf-8"), re.S)
    assert found
    made = library_tables(INDEX, TemplateCollection.builtin())
    assert found[1].strip() == made.strip(), "write the output of `mtft tasks list --markdown` there"
    for name in INDEX:
        assert (f"| `{name}` |" in made) is (INDEX[name].source.kind != "synthetic")


def test_every_training_cluster_has_datasets() -> None:
    clusters = INDEX.clusters()
    assert set(clusters) >= TRAINING
    assert sum(len(clusters[cluster]) for cluster in TRAINING) >= 75


@pytest.mark.parametrize("name", [n for n in INDEX if INDEX[n].cluster in CODE or n in CODE])
def test_code_cards_say_that_nothing_is_executed(name: str) -> None:
    card = INDEX[name]
    assert "not scored by execution" in card.notes
    assert set(card.metrics) == {"chrf"}
    assert {card.language_of(config) for config in card.variants} == {"zxx"}


@pytest.mark.parametrize("name", [n for n in INDEX if INDEX[n].source.id is not None])
def test_what_a_hub_card_declares_has_a_source_or_says_that_it_has_none(name: str) -> None:
    stated = INDEX[name].declared
    assert stated.id.source
    assert stated.columns.source
    assert stated.sizes.verified or not stated.sizes.rows


def test_translation_families_are_one_template_set_each() -> None:
    for name, directions in (("flores", 45 * 44), ("tatoeba_mt", 94), ("wmt22_african", 184)):
        card = INDEX[name]
        assert len(card.variants) == directions
        templates = TemplateCollection.builtin().get(name)
        assert len(templates) <= 6
        assert all({"source", "target", "target_language"} <= set(t.fields()) for t in templates.values())
