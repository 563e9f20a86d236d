"""What a collection holds, counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.prompting import Template, TemplateCollection, TemplateMetadata
from mtft.prompting.statistics import NOT_SAID, choices_kind, count_templates, spread

ID = "11111111-1111-4111-8111-111111111111"


def template(choices: str | None = None, **metadata: object) -> Template:
    return Template(ID, "t", " {{ a }} ||| b", choices, metadata=TemplateMetadata(**metadata))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("choices", "kind"),
    [
        (None, "none"),
        (" ", "none"),
        ("a ||| b ||| c", "3"),
        ("{{ a }} ||| b", "from the row"),
        ("{{ 'a' }} ||| b", "2"),
        ("{{ a ||| b", "malformed"),
    ],
)
def test_kinds_of_choices(choices: str | None, kind: str) -> None:
    assert choices_kind(template(choices)) == kind


def test_counts_name_what_is_not_said() -> None:
    made = count_templates(
        [template(), template(languages=("sw",), metrics=("Accuracy", "AUC"), original_task=False)]
    )
    assert made.templates == 2
    assert made.languages == {NOT_SAID: 1, "sw": 1}
    assert made.metrics == {NOT_SAID: 1, "Accuracy": 1, "AUC": 1}
    assert made.original_task == {NOT_SAID: 1, "no": 1}
    assert made.length == (7, 7, 7)
    assert count_templates([]).length is None
    assert spread([3, 1, 2, 9]) == (1, 2.5, 9)


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_public_collection(data_root: Path) -> None:
    collection = TemplateCollection.from_folder(data_root / "promptsource" / "templates")
    files = [collection.get(*key) for key in collection.keys()]  # noqa: SIM118
    made = count_templates(each for file in files for each in file.values())
    # promptsource@7dab96a3: no choices 940, the same for all rows 911, from the row 234.
    assert (made.templates, made.choices["none"], made.choices["from the row"]) == (2085, 940, 234)
    assert "malformed" not in made.choices
    assert made.languages == {"en": 2085}
