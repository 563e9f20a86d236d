"""Declared transforms, tagging, and what a wrong row says."""

from __future__ import annotations

import pytest

from mtft.errors import TaskError
from mtft.tasks import Problems
from mtft.tasks.tagging import Entity, entities_of, invalid_tags, written


def rows(workshop, lines: str, settings: str, problems: Problems | None = None) -> list[dict[str, object]]:
    workshop.file("f.jsonl", lines)
    found = workshop.rows(f"source: {{kind: local, path: f.jsonl}}\n{settings}\n", problems)
    return [dict(row.fields) for row in found]


def test_labels_by_name_by_number_from_one_and_by_upstream_words(workshop) -> None:
    head = "labels: [bad, good]\ntransforms: "
    assert [r["label"] for r in rows(workshop, '{"x": "good"}\n{"x": "bad"}', head + "[{label: x}]")] == [
        1,
        0,
    ]
    one_based = head + "[{label: {column: x, base: 1}}]"
    assert [r["label"] for r in rows(workshop, '{"x": 1}\n{"x": "2"}', one_based)] == [0, 1]
    words = head + "[{label: {column: x, values: {pos: good, 'false': bad}}}]"
    assert [r["label"] for r in rows(workshop, '{"x": "pos"}\n{"x": false}', words)] == [1, 0]


@pytest.mark.parametrize("value", ["2", "0", '"great"', "true", "1.5", "null"])
def test_a_label_outside_its_names_is_counted_with_its_line(workshop, value) -> None:
    settings, problems = "labels: [bad]\ntransforms: [{label: {column: x, base: 1}}]", Problems()
    assert len(rows(workshop, f'{{"x": 1}}\n{{"x": {value}}}', settings, problems)) == 1
    assert len(problems) == 1
    assert problems.samples[0].startswith("f.jsonl:2: ")


def test_a_missing_column_names_the_nearest(workshop) -> None:
    problems = Problems()
    assert rows(workshop, '{"lable": 1}', "labels: [a]\ntransforms: [{label: label}]", problems) == []
    assert "Did you mean: lable?" in problems.samples[0]


def test_nested_values_constants_and_text(workshop) -> None:
    settings = 'transforms: [{path: {t: a.0.t}}, {constant: {k: 3}}, {text: {s: "{t}-{k}"}}, {integer: [t]}]'
    (row,) = rows(workshop, '{"a": [{"t": "7"}]}', settings)
    assert (row["t"], row["k"], row["s"]) == (7, 3, "7-3")


def test_squad_becomes_rows_with_columnar_answers(workshop) -> None:
    line = (
        '{"paragraphs": [{"context": "c", "qas": [{"id": "q1", "question": "?", "answers": '
        '[{"text": "a", "answer_start": 3}]}, {"id": "q2", "question": "!", "answers": []}]}]}'
    )
    settings = (
        "transforms: [{explode: {column: paragraphs, index: p}}, {explode: qas}, {columnar: [answers]}]"
    )
    first, second = rows(workshop, line, settings)
    assert first["answers"] == {"text": ["a"], "answer_start": [3]}
    assert (first["context"], first["p"], first["id"], second["answers"]) == ("c", 0, "q1", {})


def test_rows_of_one_record_have_ids_of_their_own(workshop) -> None:
    workshop.file("f.jsonl", '{"x": [1, 2]}\n{"x": [3]}\n')
    found = workshop.rows("source: {kind: local, path: f.jsonl}\ntransforms: [{explode: x}]\n")
    assert [row.row_id for row in found] == ["0", "0.1", "1"]


def test_ids_that_recur_are_counted(workshop) -> None:
    problems = Problems()
    found = rows(workshop, '{"id": 1}\n{"id": 1}', 'row_id: "{id}"', problems)
    assert len(found) == 1
    assert problems.count("duplicate_row_id") == 1


def test_entities_as_text() -> None:
    tokens, tags = ["Amina", "ta", "je", "Kano", "jiya"], ["B-PER", "O", "O", "I-LOC", "B-LOC"]
    assert entities_of(tokens, tags) == [Entity("PER", "Amina"), Entity("LOC", "Kano"), Entity("LOC", "jiya")]
    assert invalid_tags(tags) == 1
    assert written(entities_of(tokens, tags)) == "PER: Amina ; LOC: Kano ; LOC: jiya"
    assert written([]) == "none"
    assert entities_of(["a", "b"], ["B-PER", "I-ORG"]) == [Entity("PER", "a"), Entity("ORG", "b")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("transforms: [{lable: x}]", "Did you mean: label"),
        ("transforms: [{label: {colum: x}}]", "Did you mean: column"),
        ("transforms: [{label: x, rename: {a: b}}]", "one name"),
        ("transforms: [{quotient: {column: x, by: two, to: y}}]", "whole number"),
    ],
)
def test_mistakes_in_transforms_are_found_with_the_card(workshop, settings, message) -> None:
    with pytest.raises(TaskError, match=message):
        workshop.card(f"splits: {{train: t}}\nsource: {{kind: local, path: f.jsonl}}\n{settings}\n")
