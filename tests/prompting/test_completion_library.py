"""Coreference and sentence completion that xP3all and T0+ add: labels as text, hidden, counted backwards; spans.

Expected texts are derived by hand from the rows written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtft.prompting import Rendered, TemplateCollection, lint
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Row, Side, Source, Sources, Task, sample_fields

COLLECTION = TemplateCollection.builtin()
INDEX = CardIndex.load([builtin_folder("prompts")])
WSC, HELLASWAG, CLUEWSC = "super_glue/wsc.fixed", "hellaswag", "clue/cluewsc2020"
CARDS = (WSC, HELLASWAG, CLUEWSC)
ENGLISH = {
    "text": "Ann told Eve that she had won.",
    "span1_index": 2,
    "span1_text": "Eve",
    "span2_index": 4,
    "span2_text": "she",
    "idx": 3,
}
SCENE = {
    "ind": 5,
    "activity_label": "Baking bread",
    "ctx_a": "A man kneads dough.",
    "ctx_b": "he",
    "ctx": "A man kneads dough. he",
    "endings": ["flies off.", "covers it with a cloth.", "drinks it.", "paints it."],
    "source_id": "video~a",
    "split": "train",
    "split_type": "indomain",
}
SPANS = {"span1_text": "她", "span2_text": "她们", "span1_index": 0, "span2_index": 2}
CHINESE = {
    "idx": 0,
    "text": "她说她们走了。",
    "target": SPANS,
}


def parts(name: str, template: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Input and targets of a row that is not left out."""
    made = rendered(name, template, row)
    assert made is not None
    return made.inputs, *made.targets


def rendered(name: str, template: str, row: Mapping[str, Any]) -> Rendered | None:
    return COLLECTION.get(name)[template].render(row, example_id="0")


def rows_of(
    name: str, side: Side, records: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path
) -> list[Row]:
    """A side's rows of the card, its Hub repository replaced by split → records; no row may be a problem."""
    (config,) = INDEX[name].variants
    for split, rows in records.items():
        path = folder / config / f"{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    card = replace(INDEX[name], source=Source(kind="local", path="{folder}/{file}.jsonl"))
    return list(Task(card, config).rows(side, Sources(folder), Problems(strict=True)))


@pytest.mark.parametrize("name", CARDS)
def test_five_english_prompts_ask_the_task_without_a_finding(name: str) -> None:
    templates = list(COLLECTION.get(name).values())
    assert [str(finding) for finding in lint(templates, INDEX[name].columns)] == []
    asked = [t for t in templates if t.language == "en" and t.metadata.original_task]
    assert len(asked) == 5
    (row,) = sample_fields(INDEX[name])
    for template in asked:
        for label in range(len(INDEX[name].labels)):
            made = template.render({**row, "label": label}, example_id="0")
            assert made is not None
            assert made.answer_choices is not None
            assert made.targets == (made.answer_choices[label],)


def test_the_chinese_prompts_translate_english_ones_and_say_so() -> None:
    templates = COLLECTION.get(CLUEWSC)
    chinese = [t for t in templates.values() if t.language == "zh"]
    assert len(chinese) == 3
    extras = INDEX[CLUEWSC].templates
    assert {key for key, extra in extras.items() if extra.origin} == {t.id for t in chinese}
    for template in chinese:
        assert template.fields() == templates[template.name.removesuffix("_zh")].fields()
        assert template.render({**CHINESE, "label": 0}, example_id="0") is not None


@pytest.mark.parametrize(
    ("name", "record", "labels", "numbers"),
    [
        (WSC, ENGLISH, [1, -1, 0], [1, 0]),
        (HELLASWAG, SCENE, ["3", "", "0"], [3, 0]),
        (CLUEWSC, CHINESE, [1, -1, 0], [1, 0]),
    ],
)
def test_hidden_labels_are_skipped_and_text_becomes_numbers(
    name: str, record: dict[str, Any], labels: list[Any], numbers: list[int], tmp_path: Path
) -> None:
    assert set(INDEX[name].splits) == {"train", "validation"}
    records = {"train": [{**record, "label": label} for label in labels], "validation": []}
    rows = rows_of(name, "train", records, tmp_path)
    assert [row.fields["label"] for row in rows] == numbers
    assert {row.item_group for row in rows} == {rows[0].item_group}


@pytest.mark.parametrize(("name", "record"), [(WSC, ENGLISH), (HELLASWAG, SCENE), (CLUEWSC, CHINESE)])
def test_a_group_on_both_sides_stays_in_validation(name: str, record: dict[str, Any], tmp_path: Path) -> None:
    row = {**record, "label": "1" if name == HELLASWAG else 1}
    other = {**row, "text": "Someone else.", "source_id": "video~b"}
    records = {"train": [row, other], "validation": [row]}
    assert [found.row_id for found in rows_of(name, "train", records, tmp_path)] == ["1"]
    assert len(rows_of(name, "validation", records, tmp_path)) == 1


def test_one_is_true_in_english_and_false_in_chinese() -> None:
    assert parts(WSC, "take_it_to_mean", {**ENGLISH, "label": 1})[1] == "Yes"
    assert parts(CLUEWSC, "who_is_meant", {**CHINESE, "label": 1})[1] == "No"
    assert parts(CLUEWSC, "who_is_meant_zh", {**CHINESE, "label": 1}) == (
        "她说她们走了。\n\n这里说的“她们”，指的是“她”吗？请回答是或否。",
        "否",
    )


def test_only_spans_that_corefer_are_asked_to_be_written() -> None:
    assert parts(WSC, "write_the_referent", {**ENGLISH, "label": 1})[1] == "Eve"
    assert rendered(WSC, "write_the_referent", {**ENGLISH, "label": 0}) is None
    assert parts(CLUEWSC, "quote_the_referent", {**CHINESE, "label": 0})[1] == "她"
    assert rendered(CLUEWSC, "quote_the_referent", {**CHINESE, "label": 1}) is None


def test_english_indices_count_words() -> None:
    inputs, target = parts(WSC, "asterisks_around_the_pronoun", {**ENGLISH, "label": 0})
    assert inputs == (
        "One word of the text stands between asterisks.\n\nText: Ann told Eve that *she* had won.\n\n"
        "Is Eve what that word points to, yes or no?"
    )
    assert target == "no"
    first = {**ENGLISH, "text": "She won, Ann said.", "span2_index": 0, "label": 0}
    assert "Text: *She* won, Ann said.\n" in parts(WSC, "asterisks_around_the_pronoun", first)[0]


def test_chinese_indices_count_characters_of_the_nested_spans() -> None:
    assert parts(CLUEWSC, "brackets_around_the_pronoun_zh", {**CHINESE, "label": 1}) == (
        "句子：她说【她们】走了。\n旁注：【她们】＝她\n\n这条旁注正确还是错误？",
        "错误",
    )


@pytest.mark.parametrize("index", [3, 99])
def test_a_row_whose_index_misses_the_pronoun_is_left_out(index: int) -> None:
    english = {**ENGLISH, "span2_index": index, "label": 1}
    assert rendered(WSC, "asterisks_around_the_pronoun", english) is None
    chinese = {**CHINESE, "target": {**SPANS, "span2_index": index}, "label": 1}
    assert rendered(CLUEWSC, "brackets_around_the_pronoun", chinese) is None


def test_hellaswag_lists_its_endings_in_order() -> None:
    row = {**SCENE, "label": 1}
    assert parts(HELLASWAG, "four_ways_to_go_on", row) == (
        "A man kneads dough. he\n\nThere are four ways to go on:\n1) flies off.\n"
        "2) covers it with a cloth.\n3) drinks it.\n4) paints it.\n\nWrite out the one that makes sense.",
        "covers it with a cloth.",
    )
    assert parts(HELLASWAG, "lettered_continuations", row)[1] == "B"
    listed = parts(HELLASWAG, "narrator_looks_up_the_line", row)[0].splitlines()[1]
    assert listed == (
        'Assistant: On the page there is "flies off.", "covers it with a cloth.", "drinks it.", '
        'or "paints it.".'
    )
    assert parts(HELLASWAG, "name_the_subject", row) == (
        "A man kneads dough. he covers it with a cloth.\n\n"
        "In a few words, what is being done or explained here?",
        "Baking bread",
    )
