"""The filter `linearize` in templates: strict and compatible, metered, known everywhere, in every process."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

import mtft.tasks  # registers the filter
from mtft.errors import MtftError, StructureError, TemplateError
from mtft.prompting import BatchRenderer, RenderError, Template, lint, register_filter
from mtft.prompting.extensions import registered_in
from mtft.prompting.filters import TEMPLATE_FILTERS
from mtft.prompting.sandbox import COMPATIBLE, STRICT
from mtft.structured import Cell, Table, Title
from mtft.structured.linearize import linearize
from tests.structured.tables import KINDS, facts, grid, highlighted, request, scores

TEMPLATE = 'Describe: {{ table | linearize("%s") }} ||| {{ text }}'


def template(style: str = "unified", jinja: str = TEMPLATE) -> Template:
    return Template("0b7b7d1e-0000-4000-8000-000000000001", "told", jinja % style if "%s" in jinja else jinja)


def row(table: Any) -> dict[str, Any]:
    return {"table": table, "text": "A text."}


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_template_tells_a_table_of_plain_data(kind: str, compat: bool) -> None:
    table = KINDS[kind]()
    for style in ("unified", "triples", "row_wise"):
        rendered = template(style).render(row(table.as_dict()), compat=compat)
        assert rendered is not None
        assert rendered.inputs == f"Describe: {linearize(table, style).text}".strip()
        assert rendered.targets == ("A text.",)
        assert template(style).render(row(table), compat=compat) == rendered


def test_data_that_json_or_arrow_gave_back_is_told_alike() -> None:
    rows = [row(make().as_dict()) for make in (facts, highlighted, request)]
    for each in rows:
        each["table"].pop("extra")
    through_json = json.loads(json.dumps(rows))
    through_arrow = Dataset.from_list(rows)
    for made, plain, arrow in zip((facts, highlighted, request), through_json, through_arrow, strict=True):
        expected = template().render(row(made()))
        assert template().render(plain) == expected
        assert template().render(arrow) == expected


def test_the_separator_within_a_table_is_text() -> None:
    table = grid([["p"], ["a ||| b"]]).as_dict()
    rendered = template().render(row(table))
    assert rendered is not None
    assert rendered.inputs == "Describe: <cell> a ||| b <header> p"
    with pytest.raises(RenderError, match="noncharacters"):
        template().render(row(grid([["p"], ["a \ufdd0"]]).as_dict()))


def test_style_and_budget_may_come_from_the_row() -> None:
    jinja = "{{ table | linearize(style, budget=limit) }} ||| {{ text }}"
    made = template(jinja=jinja)
    assert made.fields() == {"table", "style", "limit", "text"}
    rendered = made.render({**row(highlighted().as_dict()), "style": "key_value", "limit": 15})
    assert rendered is not None
    assert rendered.inputs == "page_title : Zed | section_title : Films"


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize(
    ("jinja", "value", "message"),
    [
        ('{{ table | linearize("unifid") }} ||| x', scores().as_dict(), "unified"),
        ("{{ table | linearize(7) }} ||| x", scores().as_dict(), "must be a name"),
        ("{{ table | linearize }} ||| x", "a text", "plain data"),
        ("{{ table | linearize }} ||| x", {"cells": 3}, "as_dict"),
        ("{{ table | linearize }} ||| x", {"titles": [], "cells": [{"row": 0, "column": 0, "value": 5}]}, "text"),
        ("{{ table | linearize(budget=-1) }} ||| x", scores().as_dict(), "whole number"),
        ("{{ table | linearize(length=3) }} ||| x", scores().as_dict(), "length"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_as_the_rows(jinja: str, value: Any, message: str, compat: bool) -> None:
    with pytest.raises(RenderError, match=message) as caught:
        template(jinja=jinja).render(row(value), compat=compat)
    assert caught.value.fault == "failed"


def test_a_missing_table_is_a_missing_field_and_empty_in_compatibility_mode() -> None:
    with pytest.raises(RenderError) as caught:
        template().render({"text": "x"})
    assert caught.value.fault == "missing_field"
    rendered = template().render({"text": "x"}, compat=True)
    assert rendered is not None
    assert rendered.inputs == "Describe:"


def test_an_unknown_filter_is_still_an_error_that_names_the_nearest() -> None:
    wrong = template(jinja="{{ table | linearise }} ||| x")
    with pytest.raises(TemplateError, match=r"No filter named 'linearise'.*linearize"):
        wrong.render(row(scores().as_dict()))
    assert [finding.rule for finding in lint([wrong], ["table"])][:1] == ["compiles"]


def test_the_linter_and_the_fields_know_it() -> None:
    assert template().fields() == {"table", "text"}
    assert not [finding for finding in lint([template()], ["table", "text"]) if finding.severity == "error"]


def test_what_it_reads_and_writes_is_metered() -> None:
    table = grid([[str(n) for n in range(100)] for _ in range(100)]).as_dict()
    once = template(jinja='{{ table | linearize("totto_full") }} ||| x')
    assert once.render(row(table)) is not None
    often = template(
        jinja='{% for n in range(90) %}{% set t = table | linearize("totto_full") %}{% endfor %} ||| x'
    )
    with pytest.raises(RenderError) as caught:
        often.render(row(table))
    assert caught.value.fault == "limit"


def test_a_version_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = template(jinja="{{ text }} ||| {{ text }}")
    names = (template().fingerprint, plain.fingerprint)
    (known,) = registered_in(TEMPLATE)
    assert "unified-" in known.version
    register_filter("linearize", lambda table: "", version="another", provider=known.provider)
    try:
        assert template().fingerprint != names[0]
        assert template(jinja="{{ text }} ||| {{ text }}").fingerprint == names[1]
    finally:
        mtft.tasks.structures.provide_linearize()
    assert template().fingerprint == names[0]


@pytest.mark.parametrize("name", ["upper", "%each", "no name", "linearize"])
def test_a_filters_name_is_its_own(name: str) -> None:
    before = TEMPLATE_FILTERS.get(name), STRICT.filters.get(name), COMPATIBLE.filters.get(name)
    with pytest.raises(TemplateError, match="its own"):
        register_filter(name, str, version="1", provider="elsewhere")
    assert (TEMPLATE_FILTERS.get(name), STRICT.filters.get(name), COMPATIBLE.filters.get(name)) == before


def test_a_process_that_is_handed_a_template_finds_the_filter(tmp_path: Path) -> None:
    (tmp_path / "renderer").write_bytes(pickle.dumps(BatchRenderer(template())))
    (tmp_path / "row").write_bytes(pickle.dumps({"table": [scores().as_dict()], "text": ["x"]}))
    code = (
        "import pickle, sys; from pathlib import Path; place = Path(sys.argv[1]);"
        "renderer, rows = (pickle.loads((place / name).read_bytes()) for name in ('renderer', 'row'));"
        "print(renderer(rows, [0])['inputs'][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"Describe: {linearize(scores()).text}"


def test_map_with_two_processes_gives_what_one_gives() -> None:
    data = Dataset.from_list(
        [row(make().as_dict() | {"extra": None}) for make in (facts, highlighted, request)] * 3
    )
    renderer = BatchRenderer(template())
    made = [
        data.map(renderer, batched=True, with_indices=True, num_proc=n, remove_columns=data.column_names)
        for n in (None, 2)
    ]
    assert made[0].to_list() == made[1].to_list()
    assert set(made[0]["skipped"]) == {None}


def test_a_fault_within_a_filter_is_ours() -> None:
    assert issubclass(StructureError, MtftError)
    overlapping = Table(cells=(Cell(0, 0, "a"),), n_rows=1, n_columns=1, titles=(Title("t", "x"),)).as_dict()
    overlapping["cells"] *= 2
    with pytest.raises(RenderError, match="must not cover each other"):
        template().render(row(overlapping))
