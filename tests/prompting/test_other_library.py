"""Paraphrase, sentiment, topics, structure to text, summarisation, simplification: where upstream sets traps.

Expected texts are derived by hand from the rows written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtft.prompting import Rendered, RenderError, TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Row, Side, Source, Sources, Task, sample_fields

COLLECTION = TemplateCollection.builtin()
INDEX = CardIndex.load([builtin_folder("prompts")])
CARDS = (
    *("glue/mrpc", "glue/qqp", "paws", "paws_x"),
    *("amazon_polarity", "app_reviews", "imdb", "rotten_tomatoes", "yelp_review_full"),
    *("ag_news", "dbpedia_14", "trec", "clue/csl", "clue/tnews", "common_gen", "wiki_bio"),
    *("cnn_dailymail", "gigaword", "multi_news", "samsum", "xsum", "wiki_lingua", "xlsum", "bisect"),
)


def rendered(dataset: str, template: str, row: Mapping[str, Any]) -> Rendered | None:
    return COLLECTION.get(dataset)[template].render(row, example_id="0")


def parts(dataset: str, template: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """Input and targets of a row that is not left out."""
    made = rendered(dataset, template, row)
    assert made is not None
    return made.inputs, *made.targets


def rows_of(
    dataset: str,
    config: str,
    side: Side,
    files: Mapping[str, Sequence[Mapping[str, Any]]],
    folder: Path,
    problems: Problems | None = None,
) -> list[Row]:
    """A side's rows of the card, its Hub repository replaced by `config/split` → records."""
    for name, records in files.items():
        path = folder / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    card = replace(INDEX.get(dataset), source=Source(kind="local", path="{folder}/{file}.jsonl"))
    return list(
        Task(card, config).rows(side, Sources(folder), problems if problems is not None else Problems())
    )


@pytest.mark.parametrize("name", CARDS)
def test_every_template_renders_in_every_language_of_its_card(name: str) -> None:
    card, templates = INDEX.get(name), COLLECTION.get(name)
    seen = set()
    for config in card.variants:
        for row in sample_fields(card, config):
            seen |= {t.id for t in templates.values() if t.render(row, example_id="0")}
    assert seen == {t.id for t in templates.values()}


@pytest.mark.parametrize("name", CARDS)
def test_templates_that_are_not_english_say_where_they_come_from(name: str) -> None:
    extras = INDEX.get(name).templates
    for template in COLLECTION.get(name).values():
        if template.language != "en":
            assert extras[template.id].origin == "authored, not reviewed by a native speaker"


@pytest.mark.parametrize("name", CARDS)
def test_only_columns_are_truncatable_and_never_the_answer(name: str) -> None:
    card = INDEX.get(name)
    for template in COLLECTION.get(name).values():
        column = card.templates[template.id].truncatable if template.id in card.templates else None
        if column is not None:
            assert column in card.columns
            assert column in template.fields()
            for row in sample_fields(card):
                made = template.render(row, example_id="0")
                assert made is None or row[column].strip() not in made.targets


@pytest.mark.parametrize("name", ["glue/qqp", "clue/csl", "clue/tnews", "common_gen"])
def test_splits_with_hidden_answers_are_left_out(name: str) -> None:
    assert set(INDEX.get(name).splits) == {"train", "validation"}


@pytest.mark.parametrize("name", ["glue/qqp", "clue/csl", "clue/tnews", "imdb", "ag_news"])
def test_a_hidden_label_is_never_rendered(name: str) -> None:
    (row,) = sample_fields(INDEX.get(name))
    for template in COLLECTION.get(name).values():
        if template.answer_choices:
            with pytest.raises(RenderError):
                template.render({**row, "label": -1}, example_id="0")


def test_imdb_has_no_unlabelled_rows_and_no_markup() -> None:
    assert set(INDEX.get("imdb").splits) == {"train", "test"}
    row = {"text": "Dull.<br /><br />Very dull.", "label": 0}
    assert parts("imdb", "sort_into_pile", row) == (
        'Sort reviews into two piles, "praise" and "pan".\nReview: Dull.  Very dull.\nPile:',
        "pan",
    )


def test_yelps_written_line_breaks_become_line_breaks() -> None:
    row = {"text": r"Fine soup.\nCold tea.", "label": 2}
    assert parts("yelp_review_full", "score_out_of_five", row) == (
        "Review of a business\nFine soup.\nCold tea.\nScore out of five:",
        "three",
    )


def test_stars_of_an_app_review_count_from_one(tmp_path: Path) -> None:
    record = {"package_name": "org.example", "review": "Works.", "date": "May 01 2016"}
    stars = [{**record, "star": star} for star in (1, 4, 5, 0)]
    problems = Problems()
    rows = rows_of("app_reviews", "default", "train", {"default/train": stars}, tmp_path, problems)
    assert [(row.fields["star"], row.fields["label"]) for row in rows] == [(1, 0), (4, 3), (5, 4)]
    assert problems.count("unknown_label") == 1
    assert parts("app_reviews", "how_many_stars", rows[1].fields)[1] == "4"


@pytest.mark.parametrize(
    ("name", "template", "row"),
    [
        ("glue/mrpc", "reword_news_sentence", {"sentence1": "a b", "sentence2": "b a", "label": 1}),
        ("glue/qqp", "ask_it_differently", {"question1": "a?", "question2": "b?", "label": 1}),
        ("paws_x", "say_it_again", {"sentence1": "a b", "sentence2": "b a", "label": 1}),
        ("paws_x", "reword_zh", {"sentence1": "甲乙", "sentence2": "乙甲", "label": 1}),
        ("clue/csl", "find_the_keywords", {"abst": "甲", "keyword": ["乙", "丙"], "label": 1}),
    ],
)
def test_only_true_pairs_are_asked_to_be_written(name: str, template: str, row: dict[str, Any]) -> None:
    assert rendered(name, template, row) is not None
    assert rendered(name, template, {**row, "label": 0}) is None


def test_pairs_that_share_a_question_stand_on_one_side(tmp_path: Path) -> None:
    files = {
        "qqp/train": [
            {"question1": "How far is it?", "question2": "Is it far?", "label": 1, "idx": 0},
            {"question1": "Who is there?", "question2": "Who knocks?", "label": 1, "idx": 1},
        ],
        "qqp/validation": [
            {"question1": "How  far is IT?", "question2": "What is it?", "label": 0, "idx": 0}
        ],
    }
    train = rows_of("glue/qqp", "qqp", "train", files, tmp_path)
    assert [row.row_id for row in train] == ["1"]
    assert len(rows_of("glue/qqp", "qqp", "validation", files, tmp_path)) == 1


def test_a_translated_pair_shares_its_group_with_the_english_one(tmp_path: Path) -> None:
    record = {"id": 7, "sentence1": "a", "sentence2": "b", "label": 0}
    groups = {
        rows_of(name, config, "train", {f"{config}/train": [record]}, tmp_path / name)[0].item_group
        for name, config in (("paws", "labeled_final"), ("paws_x", "es"), ("paws_x", "zh"))
    }
    assert groups == {"paws_wiki/train/7"}


def test_references_for_the_same_concepts_share_a_group(tmp_path: Path) -> None:
    records = [
        {"concept_set_idx": index, "concepts": ["dog", "run"], "target": target}
        for index, target in ((3, "A dog runs."), (3, "The dog ran away."), (4, "Dogs run."))
    ]
    rows = rows_of("common_gen", "default", "train", {"default/train": records}, tmp_path)
    assert [row.item_group for row in rows] == ["common_gen/train/3"] * 2 + ["common_gen/train/4"]
    assert parts("common_gen", "words_to_sentence", rows[1].fields) == (
        "* dog\n* run\n\nAll of this in a single sentence:",
        "The dog ran away.",
    )


# Coarse class → how many fine classes it has (Li and Roth 2002, table 2).
FINE = (2, 22, 4, 4, 5, 13)


def test_trecs_fine_labels_agree_with_its_coarse_ones() -> None:
    label = 0
    for coarse, count in enumerate(FINE):
        for _ in range(count):
            row = {"text": "Why ?", "coarse_label": coarse, "fine_label": label}
            whole = parts("trec", "type_of_answer_fine", row)[1]
            assert parts("trec", "narrow_it_down_fine", row)[1] == whole
            label += 1
    assert label == 50


@pytest.mark.parametrize(
    ("coarse", "fine", "name"),
    [(0, 1, "expansion of an abbreviation"), (1, 2, "animal"), (1, 23, "word"), (2, 24, "definition"),
     (3, 29, "individual person"), (4, 36, "state"), (5, 39, "date"), (5, 49, "weight")],
)  # fmt: skip
def test_some_fine_labels_by_name(coarse: int, fine: int, name: str) -> None:
    row = {"text": "Why ?", "coarse_label": coarse, "fine_label": fine}
    assert parts("trec", "type_of_answer_fine", row)[1] == name


def test_a_fine_label_outside_its_coarse_class_is_an_error() -> None:
    with pytest.raises(RenderError):
        rendered("trec", "narrow_it_down_fine", {"text": "Why ?", "coarse_label": 4, "fine_label": 37})


@pytest.mark.parametrize(
    ("code", "english", "chinese"),
    [("100", "story", "故事"), ("104", "finance", "财经"), ("106", "real estate", "房产"),
     ("110", "military", "军事"), ("112", "travel", "旅游"), ("113", "world affairs", "国际"),
     ("116", "games", "游戏")],
)  # fmt: skip
def test_tnews_numbers_its_labels_with_gaps(code: str, english: str, chinese: str) -> None:
    row = {"sentence": "…", "label": INDEX.get("clue/tnews").labels.index(code)}
    assert parts("clue/tnews", "headline_topic", row)[1] == english
    assert parts("clue/tnews", "channel_zh", row)[1] == chinese


INFOBOX = {
    "input_text": {
        "table": {
            "column_header": ["name", "birth_place", "article_title"],
            "row_number": [1, 1, 1],
            "content": ["ada holm", "tarsk -lrb- north -rrb-", "ada holm\n"],
        },
        "context": "ada holm\n",
    },
    "target_text": "ada holm is a painter -lrb- and sailor -rrb- .\n",
}


def test_an_infobox_is_read_from_its_nested_columns() -> None:
    biography = "ada holm is a painter ( and sailor ) ."
    assert parts("wiki_bio", "facts_to_opening", INFOBOX) == (
        "What an infobox says about ada holm:\n- name: ada holm\n- birth place: tarsk ( north )\n\n"
        "Turn it into the opening of a biography.",
        biography,
    )
    assert parts("wiki_bio", "table_continued", INFOBOX) == (
        "| field | value |\n| name | ada holm |\n| birth place | tarsk ( north ) |\n\nIn words:",
        biography,
    )


def test_the_name_is_not_given_away_where_it_is_asked_for() -> None:
    inputs, target = parts("wiki_bio", "name_the_person", INFOBOX)
    assert target == "ada holm"
    assert "ada holm" not in inputs


def test_five_bars_divide_articles_and_three_divide_nothing() -> None:
    row = {"document": "One. ||||| Two ||| two. |||||", "summary": "– Both ||| say so."}
    made = rendered("multi_news", "sources_then_summary", row)
    assert made == Rendered(
        "Several papers report on the same event.\n\n[1] One.\n\n[2] Two ||| two.\n\n"
        "Put their reports together into one summary.",
        ("Both ||| say so.",),
        None,
    )


def test_a_document_of_no_articles_is_left_out() -> None:
    for document in ("", " ", " ||||| "):
        for template in COLLECTION.get("multi_news").values():
            assert template.render({"document": document, "summary": "– x"}, example_id="0") is None


def test_chat_lines_lose_their_carriage_returns() -> None:
    row = {"dialogue": "Ann: Hi\r\nBo: Hello\r\n", "summary": "They meet."}
    assert parts("samsum", "chat_then_summary", row) == (
        "Messages:\nAnn: Hi\nBo: Hello\nSummary:",
        "They meet.",
    )
    assert rendered("samsum", "chat_then_summary", {**row, "dialogue": ""}) is None
    assert INDEX.get("samsum").non_commercial


def test_highlights_become_a_list_or_a_paragraph() -> None:
    row = {"article": "Long.", "highlights": "First .\n\nSecond ."}
    assert parts("cnn_dailymail", "highlights_as_list", row)[1] == "- First .\n- Second ."
    assert parts("cnn_dailymail", "box_beside_the_text", row)[1] == "First .\n\nSecond ."


HOW_TO = [
    {"gem_id": str(n), "gem_parent_id": str(n), "source_language": source, "target_language": target,
     "source": f"long {source} {n}", "target": f"short {target} {n}", "references": [f"short {target} {n}"]}
    for n, (source, target) in enumerate([("en", "es"), ("es", "en"), ("en", "es")])
]  # fmt: skip


def test_each_direction_keeps_its_own_rows_of_a_shared_file(tmp_path: Path) -> None:
    problems = Problems()
    there = rows_of("wiki_lingua", "en_es", "train", {"en_es/train": HOW_TO}, tmp_path, problems)
    back = rows_of("wiki_lingua", "es_en", "train", {"es_en/train": HOW_TO}, tmp_path)
    assert [row.fields["source"] for row in there] == ["long en 0", "long en 2"]
    assert [row.fields["source"] for row in back] == ["long es 1"]
    assert {row.language for row in there} == {"es"}
    assert problems.count("other_direction", noted=True) == 1
    assert parts("wiki_lingua", "instructions_condensed", there[0].fields) == (
        "Instructions (English): long en 0\nCondensed instructions (Spanish):",
        "short es 0",
    )


def test_prompts_in_other_languages_name_the_target_language_in_their_own() -> None:
    for name, language, expected in (
        ("lo_esencial_es", "Portuguese", "portugués"),
        ("en_bref_fr", "Chinese", "chinois"),
        ("resumo_do_guia_pt", "Hindi", "hindi"),
        ("ringkasan_id", "French", "Prancis"),
        ("main_points_zh", "Vietnamese", "越南语"),
    ):
        row = {"source": "x", "target": "y", "source_language": "English", "target_language": language}
        inputs = parts("wiki_lingua", name, row)[0]
        assert expected in inputs
        assert language not in inputs


def test_an_article_keeps_its_group_in_every_direction(tmp_path: Path) -> None:
    own = {**HOW_TO[0], "target_language": "en"}
    files = {"en/train": [own], "en_es/train": HOW_TO}
    alone = rows_of("wiki_lingua", "en", "train", files, tmp_path)
    paired = rows_of("wiki_lingua", "en_es", "train", files, tmp_path)
    assert alone[0].item_group == paired[0].item_group != paired[1].item_group


def test_the_declared_configurations_are_those_of_xp3() -> None:
    assert len(INDEX.get("wiki_lingua").variants) == 9 + 9 * 8
    assert len(INDEX.get("xlsum").variants) == 22
    assert set(INDEX.get("bisect").variants) == {"en", "es", "fr"}
    assert {"en", "es", "fr", "zh"} <= set(INDEX.get("paws_x").variants)
    sizes = INDEX.get("xlsum").declared.sizes
    assert sizes.of("kirundi", "train") == 5746
    assert INDEX.get("gigaword").declared.sizes.of("default", "test") is None
