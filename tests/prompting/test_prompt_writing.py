"""Templates added to files as text: what stands there stays, and the loader reads what was written."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import TemplateError
from mtft.prompting import Template, TemplateMetadata, read_templates
from mtft.prompting.draft import draft
from mtft.prompting.tree import parse_tree
from mtft.prompting.writing import Entry, append_templates, comment, scalar, staged, with_entries

OLD = """# Kept: this comment.
dataset: zoo  # and this
templates:
  # Of the first.
  11111111-1111-4111-8111-111111111111: !Template
    answer_choices: null
    id: 11111111-1111-4111-8111-111111111111
    jinja: |-
      {{ animal }}
      # no comment, but text
      ||| {{ animal }}
    metadata: !TemplateMetadata
      choices_in_prompt: null
      languages: [en]
      metrics: [Other]
      original_task: true
    name: first
    reference: ''
"""


def template(name: str = "second", jinja: str = "{{ animal }} ||| x", choices: str | None = None) -> Template:
    metadata = TemplateMetadata(None, ("no",), ("Other",), False)
    return Template(str(uuid4()), name, jinja, choices, "none: #1", metadata)


def test_a_new_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "zoo" / "fish" / "templates.yaml"
    made = template(jinja="a\n\n  b: {{ c }}\n# d |||\n{{ e }}", choices="yes ||| no")
    append_templates(path, "zoo", "fish", [Entry(made)])
    file = read_templates(path)
    assert (file.dataset, file.subset) == ("zoo", "fish")
    assert file.templates == (made,)
    assert file.templates[0].metadata.languages == ("no",)


@pytest.mark.parametrize("old", [OLD, OLD.rstrip("\n"), OLD.replace("\n", "\r\n"), "\ufeff" + OLD])
def test_what_stands_in_a_file_stays(tmp_path: Path, old: str) -> None:
    path = tmp_path / "templates.yaml"
    path.write_bytes(old.encode())
    path.chmod(0o640)
    made = [template("second"), template("third")]
    append_templates(path, "zoo", None, list(map(Entry, made)))
    text = path.read_bytes().decode("utf-8-sig")
    assert text.startswith(old.removeprefix("\ufeff").rstrip("\r\n"))
    assert [each.name for each in read_templates(path).templates] == ["first", "second", "third"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["templates.yaml"]


def test_templates_need_not_stand_last(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    body = OLD.split("templates:\n")[1].replace("  # Of", "    # Of").replace("\n  ", "\n    ").lstrip()
    path.write_text(f"templates:\n    {body}\n# Of the dataset.\ndataset: zoo\n", encoding="utf-8")
    append_templates(path, "zoo", None, [Entry(template())])
    text = path.read_text(encoding="utf-8")
    assert [each.name for each in read_templates(path).templates] == ["first", "second"]
    assert text.endswith("# Of the dataset.\ndataset: zoo\n")


@pytest.mark.parametrize(
    ("old", "made"),
    [
        (OLD, template("first")),
        (OLD, Template("11111111-1111-4111-8111-111111111111", "second", "a ||| b")),
        ("dataset: zoo\ntemplates: {1: 2}\n", template()),
        ("dataset: other\ntemplates: {}\n", template()),
        ("- a\n", template()),
    ],
)
def test_a_file_changes_whole_or_not_at_all(tmp_path: Path, old: str, made: Template) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(old, encoding="utf-8")
    with pytest.raises(TemplateError):
        append_templates(path, "zoo", None, [Entry(made)])
    assert path.read_text(encoding="utf-8") == old
    assert [p.name for p in tmp_path.iterdir()] == ["templates.yaml"]


def test_an_empty_mapping_is_filled() -> None:
    assert with_entries("a: 1\nb: {}\nc: 2\n", "b", ["  d: 3"]) == "a: 1\nb:\n  d: 3\nc: 2\n"
    assert with_entries("a: 1\n", "b", ["  d: 3"]) == "a: 1\nb:\n  d: 3\n"
    with pytest.raises(TemplateError, match="braces"):
        with_entries("b: {d: 3}\n", "b", ["  e: 4"])


def test_an_error_leaves_no_file_behind(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with pytest.raises(KeyError), staged(path, "text"):
        raise KeyError
    assert not list(path.parent.iterdir())


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    if "\0" in text or any(c in text for c in "\ufffe\uffff"):
        return  # YAML holds neither, not even escaped by every writer
    root = parse_tree(f"a:\n  b: {scalar(text, 4)}\n")
    assert root is not None
    assert root.children[1].children[1].text == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_a_comment_is_one_line(text: str) -> None:
    root = parse_tree(f"{comment(text)}\na: b\n")
    assert root is not None
    assert [node.text for node in root.children] == ["a", "b"]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.recursive(
            st.text(max_size=12) | st.integers() | st.none() | st.booleans(),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
            ),
        ),
        max_size=4,
    ),
    st.lists(st.text(min_size=1, max_size=8), max_size=3),
)
def test_a_draft_loads_whatever_the_row_holds(
    tmp_path_factory: pytest.TempPathFactory, row: dict, labels: list[str]
) -> None:
    path = tmp_path_factory.mktemp("drafts") / "templates.yaml"
    entry = draft(row, labels=labels)
    append_templates(path, "zoo", None, [entry])
    assert read_templates(path).templates == (entry.template,)
    entry.template.fields()  # it compiles


def test_a_draft_asks_for_the_likeliest_column() -> None:
    row = {"context": "c", "answers": {"answer_start": [3], "text": ["t"]}, "question": "q"}
    jinja = draft(row, metrics=["qa"]).template.jinja
    assert jinja.endswith("context: {{ context }}\nquestion: {{ question }}\n|||\n{{ answers.text[0] }}")
    chosen = draft({"text": "t", "label": 1}, labels=["bad", "good"]).template
    assert chosen.answer_choices == "bad ||| good"
    assert chosen.render({"text": "t", "label": 1}) == (
        "Say here what is asked for.\n\ntext: t",
        ("good",),
        ("bad", "good"),
    )
    options = draft({"premise": "p", "a": "x", "b": "y", "label": 0}, labels=["a", "b"]).template
    assert options.answer_choices == "{{ a }} ||| {{ b }}"
    assert options.metadata.choices_in_prompt is True
