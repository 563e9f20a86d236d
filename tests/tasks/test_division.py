"""Sides, draws and problems."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import TaskError
from mtft.prompting import TemplateCollection
from mtft.tasks import Problems, Sources, Task, draw_groups, side_of

GROUPS = [f"set/{number}" for number in range(4000)]


def test_shares_are_kept() -> None:
    shares = {"train": 0.4, "validation": 0.1, "test": 0.5}
    sides = [side_of(group, shares) for group in GROUPS]
    for side, share in shares.items():
        assert abs(sides.count(side) / len(GROUPS) - share) < 0.03


@given(st.text(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_sides_are_nested(group: str, a: float, b: float, test: float) -> None:
    small, large = sorted((a * (1 - test), b * (1 - test)))
    if side_of(group, {"train": small, "validation": 1 - test - small, "test": test}) == "train":
        assert side_of(group, {"train": large, "validation": 1 - test - large, "test": test}) == "train"


@pytest.mark.parametrize("side", ["train", "validation", "test"])
def test_a_share_of_one_is_everything_and_of_nothing_none(side: str) -> None:
    shares = {s: float(s == side) for s in ("train", "validation", "test")}
    assert {side_of(group, shares) for group in GROUPS} == {side}


def test_draws_are_shared_by_sets_that_share_groups() -> None:
    drawn = draw_groups(GROUPS, 100)
    assert len(drawn) == 100
    assert draw_groups(reversed(GROUPS), 100) == drawn
    assert draw_groups(GROUPS, 50) < drawn
    without = [group for group in GROUPS if group not in sorted(drawn)[:10]]
    assert len(draw_groups(without, 100) & drawn) == 90


def parallel(workshop, division: str):  # type: ignore[no-untyped-def]
    for language in ("en", "sw"):
        for split in ("train", "test"):
            text = "".join(f'{{"id": {n}, "text": "{language} {n}"}}\n' for n in range(40))
            workshop.file(f"{language}/{split}.jsonl", text)
    head = "dataset: own\ncluster: sentiment\nlanguages: {en: en, sw: sw}\n"
    return workshop.card(
        "splits: {train: train.jsonl, test: test.jsonl}\nsource: {kind: local, path: '{folder}/{file}'}\n"
        f"item_group: 'own/{{id}}'\ndivision: {division}\n",
        head=head,
    )


def sides_of(card, sources: Sources, problems: Problems) -> dict[str, set[str]]:  # type: ignore[no-untyped-def]
    found: dict[str, set[str]] = {}
    for config in card.variants:
        for side in ("train", "validation", "test"):
            for row in Task(card, config).rows(side, sources, problems):
                found.setdefault(row.item_group, set()).add(side)
    return found


@pytest.mark.parametrize(
    "division",
    ["{kind: hash, shares: {train: 0.5, validation: 0.2, test: 0.3}}", "{kind: published, exclusive: true}"],
)
def test_no_group_stands_on_two_sides(workshop, division) -> None:
    problems = Problems()
    found = sides_of(parallel(workshop, division), Sources(workshop.data), problems)
    assert len(found) == 40
    assert all(len(sides) == 1 for sides in found.values())
    if "exclusive" in division:
        assert set().union(*found.values()) == {"test"}
        assert problems.count("stands_on_another_side", noted=True) == 80


def test_pinned_rows_stand_on_their_side(workshop) -> None:
    division = (
        "{kind: hash, shares: {train: 1.0}, pinned: [{column: split, values: [test], side: test},"
        " {column: id, values: ['7'], side: validation}]}"
    )
    card = parallel(workshop, division)
    rows = {
        side: list(Task(card, "sw").rows(side, Sources(workshop.data), Problems()))
        for side in ("train", "test")
    }
    assert {row.split for row in rows["test"]} == {"test"}
    assert len(rows["train"]) == 39


def test_a_pin_reads_columns_that_templates_do_not_see_and_misses_none(workshop) -> None:
    workshop.file("f.jsonl", '{"text": "a", "part": "x"}\n{"text": "b", "part": "y"}\n{"text": "c"}\n')
    card = workshop.card(
        "splits: {all: f}\nsource: {kind: local, path: f.jsonl}\ncolumns: [text]\n"
        "division: {kind: hash, shares: {train: 1.0}, pinned: [{column: part, values: [x], side: test}]}\n"
    )
    problems = Problems()
    found = {s: list(Task(card, "en").rows(s, Sources(workshop.data), problems)) for s in ("train", "test")}
    assert {side: [row.fields for row in rows] for side, rows in found.items()} == {
        "train": [{"text": "b"}],
        "test": [{"text": "a"}],
    }
    assert problems.count("missing_column") == 1


def test_rows_drawn_are_the_same_in_all_languages(workshop) -> None:
    card = parallel(workshop, "{kind: published, sides: {train: [train]}}")
    workshop.templates()
    drawn = []
    for config in card.variants:
        (task,) = card.tasks(languages=[config], collection=TemplateCollection.from_folder(workshop.cards))
        rows = task.rows("train", Sources(workshop.data), Problems())
        drawn.append(draw_groups((row.item_group for row in rows), 5))
    assert drawn[0] == drawn[1]


def test_rows_that_a_template_cannot_render_are_counted_by_fault(workshop) -> None:
    workshop.file("f.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 5}\n{"text": "c"}\n')
    card = workshop.card("splits: {train: t}\nsource: {kind: local, path: f.jsonl}\n")
    workshop.templates()
    (task,) = card.tasks(collection=TemplateCollection.from_folder(workshop.cards))
    problems = Problems()
    assert len(list(task.examples("train", Sources(workshop.data), problems))) == 1
    assert (problems.count("index_range"), problems.count("missing_field")) == (1, 1)
    with pytest.raises(TaskError, match=r"f\.jsonl:2"):
        list(task.examples("train", Sources(workshop.data, strict=True), Problems()))


def test_tasks_travel_to_other_processes(workshop) -> None:
    task = Task(parallel(workshop, "{kind: published}"), "sw")
    copy = pickle.loads(pickle.dumps(task))
    rows = [list(t.rows("train", Sources(workshop.data), Problems())) for t in (task, copy)]
    assert rows[0] == rows[1]
    assert copy.fingerprint == task.fingerprint


def test_the_source_fingerprint_follows_the_files(workshop) -> None:
    task, sources = Task(parallel(workshop, "{kind: published}"), "sw"), Sources(workshop.data)
    before = task.source_fingerprint(sources)
    workshop.file("en/train.jsonl", '{"id": 1}\n')
    assert task.source_fingerprint(sources) == before
    workshop.file("sw/train.jsonl", '{"id": 1}\n')
    assert task.source_fingerprint(sources) != before


def test_problems_count_merge_and_stay_plain() -> None:
    one, two = Problems(), Problems()
    for line in range(30):
        one.add("malformed_row", "t", f"a/b.csv:{line}", "x")
    one.add("malformed_row", "t", "a/b.csv:3", "x")  # the same again, as when another side is read
    two.add("missing_file", "t", "c.csv", "gone")
    two.note("empty_split", "t", "t/en/train")
    one.merge(pickle.loads(pickle.dumps(two)))
    plain = json.loads(json.dumps(one.as_dict()))
    assert plain["total"] == len(one) == 31
    assert plain["dropped"][0] == {"reason": "malformed_row", "task": "t", "file": "a/b.csv", "count": 30}
    assert plain["noted"] == [{"reason": "empty_split", "task": "t", "file": "t/en/train", "count": 1}]
    assert len(plain["samples"]) == 21
    one.strict = True
    with pytest.raises(TaskError, match="31 problems"):
        one.raise_if_strict()
