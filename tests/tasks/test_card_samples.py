"""Every template renders on a row of its schema: the card's own sample, where the data is not at hand."""

from __future__ import annotations

import pytest

from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, sample_fields

INDEX = CardIndex.load([builtin_folder("prompts")])
COLLECTION = TemplateCollection.builtin()
SAMPLED = [name for name in INDEX if INDEX.get(name).source.kind == "hub"]
HELD_OUT = ("coreference", "natural_language_inference", "sentence_completion")  # of the paper


@pytest.mark.parametrize("name", SAMPLED)
def test_templates_render_on_the_sample(name: str) -> None:
    card, templates = INDEX.get(name), COLLECTION.get(name)
    for config in list(card.variants)[:2]:
        rows = sample_fields(card, config)
        assert rows, "a Hub card has a sample"
        made = [t.render(row, example_id="sample") for row in rows for t in templates.values()]
        for template in templates.values():
            assert any(template.render(row, example_id="sample") for row in rows), template.place
        assert all(item is None or item.targets for item in made)


@pytest.mark.parametrize("name", SAMPLED)
def test_there_are_enough_templates(name: str) -> None:
    english = [t for t in COLLECTION.get(name).values() if t.language == "en"]
    assert len(english) >= (5 if INDEX.get(name).cluster in HELD_OUT else 3)


@pytest.mark.parametrize("name", SAMPLED)
def test_labels_of_the_sample_reach_every_choice(name: str) -> None:
    """A template that indexes its choices renders for each label, so none is missing or twice."""
    card = INDEX.get(name)
    for row in sample_fields(card):
        if "label" in row and card.labels and row["label"] in range(len(card.labels)):
            for label in range(len(card.labels)):
                for template in COLLECTION.get(name).values():
                    template.render({**row, "label": label}, example_id="sample")
