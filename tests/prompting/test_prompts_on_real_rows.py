"""Every built-in prompt renders on the real rows of its dataset, in every language."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from mtft.prompting import RenderError, TemplateCollection, lint
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources, Task

pytestmark = pytest.mark.data

ROWS = 25  # per language; a full pass over all rows takes minutes
REAL = (
    *("xcopa", "xwinograd", "xquad", "americasnli", "nusax_senti", "nusax_mt", "afrisenti", "sib200"),
    *("masakhaner2", "contextual_product_qa/epqa", "contextual_product_qa/hetpqa"),
    "contextual_product_qa/semipqa",
)


INDEX = CardIndex.load([builtin_folder("prompts")])
COLLECTION = TemplateCollection.builtin()


def all_tasks(name: str) -> list[Task]:
    """The card's tasks with the prompts of every language."""
    languages = {template.language for template in COLLECTION.get(name).values()}
    return INDEX.get(name).tasks(prompt_languages=sorted(languages), collection=COLLECTION)


@pytest.mark.parametrize("name", REAL)
def test_prompts_render_on_real_rows(name: str, data_root: Path) -> None:
    seen: Counter[str] = Counter()
    for task in all_tasks(name):
        for row in islice(task.rows("test", Sources(data_root), Problems()), ROWS):
            for template in task.templates:
                rendered = template.render(row.fields, example_id=row.row_id)
                assert rendered is not None, template.place
                seen[template.id] += 1
    assert set(seen) == {template.id for template in COLLECTION.get(name).values()}
    assert min(seen.values()) >= ROWS


@pytest.mark.parametrize("name", REAL)
def test_columns_are_those_of_the_card(name: str) -> None:
    card = INDEX.get(name)
    assert [str(finding) for finding in lint(COLLECTION.get(name).values(), card.columns)] == []


@pytest.mark.parametrize("name", ["xcopa", "sib200", "americasnli", "xwinograd", "nusax_senti", "afrisenti"])
def test_the_metadata_says_truly_whether_the_choices_are_shown(name: str, data_root: Path) -> None:
    for task in all_tasks(name)[:3]:
        row = next(iter(task.rows("test", Sources(data_root), Problems())))
        for template in task.templates:
            rendered = template.render(row.fields)
            assert rendered is not None
            assert rendered.answer_choices is not None
            shown = all(choice in rendered.inputs for choice in rendered.answer_choices)
            # A Winograd sentence names its candidates whether or not they are listed.
            assert shown == (template.metadata.choices_in_prompt or name == "xwinograd"), template.place


def test_the_one_real_row_with_equal_choices_is_refused() -> None:
    # XCOPA's translations back into English hold a row whose two options are the same.
    row = {"premise": "p", "choice1": "same", "choice2": "same", "question": "effect", "label": 0}
    with pytest.raises(RenderError) as caught:
        COLLECTION.get("xcopa")["linked_sentence"].render(row)
    assert caught.value.fault == "duplicate_choices"
