"""The public collection loads and renders exactly as promptsource renders it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mtft.prompting import RenderError, Template, TemplateCollection, lint
from mtft.prompting.program import CompiledText
from mtft.prompting.sandbox import COMPATIBLE

pytestmark = pytest.mark.data


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
    drawing = 0
    for line in golden:
        template = collection.get(line["dataset"], line["subset"]).by_id(line["id"])
        expected = (line["parts"], line["choices"])
        if draws(template):
            # A drawn part was left to chance there: it must be among our draws.
            drawing += 1
            assert expected in [rendering(template, line["row"], seed=s, compat=True) for s in range(100)]
        else:
            assert rendering(template, line["row"], compat=True) == expected, template.place
    assert drawing < 30


def test_strict_rendering_agrees_or_says_why(
    collection: TemplateCollection, golden: list[dict[str, Any]]
) -> None:
    outcomes: Counter[str] = Counter()
    for line in golden:
        template = collection.get(line["dataset"], line["subset"]).by_id(line["id"])
        if draws(template):
            continue
        try:
            assert rendering(template, line["row"]) == (line["parts"], line["choices"]), template.place
            outcomes["equal"] += 1
        except RenderError as error:
            outcomes[error.fault] += 1
    # The golden rows are made up, so targets miss their choices; nothing may fail for another cause.
    assert outcomes["equal"] > 600
    assert set(outcomes) <= {
        "equal",
        "target_not_in_choices",
        "duplicate_choices",
        "index_range",
        "missing_field",
    }


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
