"""The micro-world's templates: enough of them, rendering every row, short."""

from __future__ import annotations

import pytest

from mtft.prompting import TemplateCollection
from mtft.synthetic import TASKS, World

COLLECTION = TemplateCollection.builtin()


@pytest.mark.parametrize("task", TASKS)
def test_at_least_four_templates_render_every_row(micro: World, task: str) -> None:
    templates = [*COLLECTION.get("mini_xp3", task).values()]
    assert len(templates) >= 4
    for template in templates:
        inputs = set()
        for code in ("en", "qaf"):
            for row in micro.rows(task, code, "train"):
                rendered = template.render(row["fields"], example_id=row["row_id"])
                assert rendered is not None
                assert len(rendered.inputs.split()) <= 36
                inputs.add((rendered.inputs, rendered.targets))
        assert len(inputs) > 300


def test_no_invented_word_is_a_word_of_the_prompts(micro: World) -> None:
    jinja = " ".join(
        t.jinja + " " + (t.answer_choices or "")
        for task in TASKS
        for t in COLLECTION.get("mini_xp3", task).values()
    )
    prompt_words = {word.strip("{}|.,:?()") for word in jinja.split()}
    for code in micro.languages()[1:]:
        assert not prompt_words & set(micro.grammars[code].lexicon.values())
