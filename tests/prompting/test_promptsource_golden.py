"""The public collection loads and renders exactly as promptsource renders it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mtft.prompting import RENDER_FAULTS, RenderError, Template, TemplateCollection, lint
from mtft.prompting.program import CompiledText
from mtft.prompting.sandbox import COMPATIBLE
from tests.prompting.generated import rows_for

pytestmark = [
    pytest.mark.data,
    pytest.mark.filterwarnings("ignore::mtft.prompting.LegacyKeyWarning"),
]

# How strict rendering departs from promptsource on the golden rows, which were made without regard to meaning.
STRICT_FAULTS = {
    "target_not_in_choices": 38,
    "duplicate_choices": 5,
    "index_range": 5,
    "missing_field": 5,
}
DRAWN = 12  # rows whose recorded text is one draw of several


@pytest.fixture(scope="module")
def collection(data_root: Path) -> TemplateCollection:
    return TemplateCollection.from_folder(data_root / "promptsource" / "templates")


@pytest.fixture(scope="module")
def golden(data_root: Path) -> list[dict[str, Any]]:
    lines = (data_root / "promptsource" / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def rendering(
    template: Template, row: dict[str, Any], **settings: Any
) -> tuple[list[str], list[str] | None] | None:
    rendered = template.render(row, **settings)
    if rendered is None:
        return None
    choices = rendered.answer_choices
    return [rendered.inputs, *rendered.targets], None if choices is None else list(choices)


def draws(template: Template) -> bool:
    return CompiledText(template.jinja, COMPATIBLE, "").draws


def test_every_golden_row_renders_as_promptsource_renders_it(
    collection: TemplateCollection, golden: list[dict[str, Any]]
) -> None:
    assert len(golden) == 697
    drawn = 0
    for line in golden:
        template = collection.get(line["dataset"], line["subset"]).by_id(line["id"])
        expected = (line["parts"], line["choices"])
        if rendering(template, line["row"], compat=True) != expected:
            # A drawn part was left to chance there: it must be among our draws.
            drawn += 1
            assert draws(template), template.place
            assert expected in [rendering(template, line["row"], seed=s, compat=True) for s in range(1, 200)]
    assert drawn == DRAWN


def test_each_departure_of_strict_rendering_is_a_documented_one(
    collection: TemplateCollection, golden: list[dict[str, Any]]
) -> None:
    outcomes: Counter[str] = Counter()
    for line in golden:
        template = collection.get(line["dataset"], line["subset"]).by_id(line["id"])
        try:
            same = rendering(template, line["row"]) == (line["parts"], line["choices"])
            assert same or draws(template), template.place
            outcomes["equal" if same else "drawn"] += 1
        except RenderError as error:
            outcomes[error.fault] += 1
    assert outcomes == {"equal": 632, "drawn": DRAWN, **STRICT_FAULTS}


def test_every_fault_is_documented() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)) == set(RENDER_FAULTS)


def test_every_template_renders_or_fails_by_name_on_generated_rows(collection: TemplateCollection) -> None:
    outcomes: Counter[str] = Counter()
    for template in (template for templates in collection.load_all() for template in templates.values()):
        for row in rows_for(template, 2):
            try:
                rendered = template.render(row, example_id="generated")
                outcomes["blank" if rendered is None else "rendered"] += 1
            except RenderError as error:
                outcomes[error.fault] += 1
    assert outcomes.total() == 2 * 2085
    assert outcomes["rendered"] > 3200
    assert outcomes["sandbox"] == outcomes["limit"] == 0


def test_the_whole_collection_loads(collection: TemplateCollection) -> None:
    keys = collection.keys()
    assert len(keys) == 279
    assert sum(len(collection.get(*key)) for key in keys) == 2085


@pytest.mark.slow
def test_the_whole_collection_compiles_and_the_linter_finds_its_known_faults(
    collection: TemplateCollection,
) -> None:
    keys = collection.keys()
    counts = Counter(finding.rule for key in keys for finding in lint(collection.get(*key).values()))
    assert counts["compiles"] == 0
    assert counts["choices-unused"] == 137
    assert counts["language"] == 0
