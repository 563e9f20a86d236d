"""Question answering: nested rows, several references, unanswerable and unlabelled rows, labels as text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtft.prompting import Rendered, TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources, Task, TaskCard, sample_fields

INDEX = CardIndex.load([builtin_folder("prompts")])
COLLECTION = TemplateCollection.builtin()
CLUSTERS = ("closed_book_qa", "extractive_qa", "multiple_choice_qa")
NAMES = [name for name in INDEX if INDEX[name].cluster in CLUSTERS and INDEX[name].source.kind == "hub"]


def rendered(name: str, template: str, **changes: Any) -> Rendered | None:
    """What a template makes of the card's sample with some columns changed."""
    row = {**sample_fields(INDEX[name])[0], **changes}
    return COLLECTION.get(name)[template].render(row, example_id="row")


def made(name: str, template: str, **changes: Any) -> Rendered:
    """The same, where the row must not be left out."""
    found = rendered(name, template, **changes)
    assert found is not None
    return found


def test_the_clusters_are_complete() -> None:
    assert {
        *(
            "ai2_arc",
            "kilt_tasks/hotpotqa",
            "trivia_qa",
            "web_questions",
            "wiki_qa",
            "adversarial_qa",
            "duorc",
        ),
        *("ropes", "squad_v2", "super_glue/record", "quoref", "mlqa", "tydiqa_primary", "tydiqa_goldp"),
        *(
            "clue/cmrc2018",
            "clue/drcd",
            "cos_e",
            "cosmos_qa",
            "dream",
            "openbookqa",
            "qasc",
            "quail",
            "quarel",
        ),
        *("quartz", "race", "sciq", "social_i_qa", "super_glue/boolq", "super_glue/multirc", "wiki_hop"),
        *("wiqa", "piqa", "clue/c3"),
    } <= set(NAMES)


# Choices within the row


def test_keys_may_be_digits_and_options_three() -> None:
    choices = {"text": ["ice", "water", "steam"], "label": ["1", "2", "3"]}
    row = {"question": "Which is a gas?", "choices": choices, "answerKey": "3"}
    found = made("ai2_arc", "name_the_key", **row)
    assert found.inputs == (
        "Which is a gas?\n\n1) ice\n2) water\n3) steam\n\n"
        "Reply with nothing but the sign in front of the best option."
    )
    assert (found.targets, found.answer_choices) == (("3",), ("1", "2", "3"))
    assert made("ai2_arc", "quiz_card", **row).targets == ("steam",)
    assert made("ai2_arc", "strike_out_the_wrong_ones", **row).targets == ("ice; water",)


def test_the_last_wrong_option_ends_the_list_where_the_right_one_is_last() -> None:
    choices = {"text": ["a", "b"], "label": ["A", "B"]}
    found = made("ai2_arc", "strike_out_the_wrong_ones", choices=choices, answerKey="B")
    assert found.targets == ("a",)


@pytest.mark.parametrize(("answer", "index"), [("A", 0), ("B", 1), ("C", 2), ("D", 3)])
def test_race_answers_by_letter(answer: str, index: int) -> None:
    options = ["one", "two", "three", "four"]
    assert made("race", "english_exam", options=options, answer=answer).targets == (answer,)
    assert made("race", "say_the_option", options=options, answer=answer).targets == (options[index],)
    tick = made("race", "is_this_option_right", options=options, answer=answer)
    assert tick.targets == ("correct" if answer == "A" else "a mistake",)


@pytest.mark.parametrize("label", ["1", "2", "3"])
def test_social_labels_are_text_from_one(label: str) -> None:
    answers = {"answerA": "sad", "answerB": "glad", "answerC": "cold"}
    assert made("social_i_qa", "people_and_motives", **answers, label=label).targets == (label,)
    said = made("social_i_qa", "just_guess", **answers, label=label)
    assert said.targets == ({"1": "sad", "2": "glad", "3": "cold"}[label],)
    fits = made("social_i_qa", "fits_or_not", **answers, label=label)
    assert fits.targets == ("it fits" if label == "2" else "it does not fit",)


def test_quarel_options_stand_in_the_question_in_their_own_order() -> None:
    question = "A sled is faster on ice than on (A) gravel (B) snow"
    found = made("quarel", "options_under_the_story", question=question, answer_index=1)
    assert found.inputs == "A sled is faster on ice than on\n* gravel\n* snow"
    assert (found.targets, found.answer_choices) == (("snow",), ("gravel", "snow"))
    sample = INDEX["quarel"].sample
    world = sample["world_literals"][f"world{sample['answer_index'] + 1}"][0]
    assert made("quarel", "either_or").targets != (world,)  # the worlds are in another order


def test_fewer_choices_than_letters() -> None:
    row = {"choice": ["是", "否"], "answer": "否", "context": ["天黑了。"], "question": "天亮吗？"}
    found = made("clue/c3", "exam_letter_zh", **row)
    assert "A、是\nB、否\n" in found.inputs
    assert (found.targets, found.answer_choices) == (("B",), ("A", "B"))
    assert made("clue/c3", "choose_zh", **row).answer_choices == ("是", "否")
    two = made("dream", "listening_test", choice=["no", "yes"], answer="yes")
    assert (two.targets, two.answer_choices) == (("B",), ("A", "B"))
    assert made("cos_e", "numbered_list", choices=["up", "down"], answer="down").answer_choices == ("1", "2")


def test_wiqa_writes_no_effect_with_a_space() -> None:
    row = {"answer_label": "no_effect", "answer_label_as_choice": "C"}
    assert made("wiqa", "process_then_change", **row).targets == ("no effect",)
    assert made("wiqa", "letters", **row).targets == ("C",)
    assert made("wiqa", "does_it_matter", **row).targets == ("none",)
    assert made("wiqa", "does_it_matter", answer_label="more").targets == ("an influence",)


def test_sciq_choices_are_in_alphabetical_order_without_doubles() -> None:
    row = {"correct_answer": "iron", "distractor1": "zinc", "distractor2": "Copper", "distractor3": "zinc"}
    found = made("sciq", "open_answer", **row)
    assert (found.targets, found.answer_choices) == (("iron",), ("Copper", "iron", "zinc"))
    spaced = {**row, "distractor1": " zinc", "distractor2": "gold", "distractor3": "zinc "}
    assert made("sciq", "open_answer", **spaced).answer_choices == ("gold", "iron", "zinc")
    assert rendered("sciq", "with_support", **row, support="") is None


def test_wiki_hop_reads_qangaroos_columns() -> None:
    found = made("wiki_hop", "no_candidates")
    assert found.inputs == (
        "Subject: fenland waltz\nProperty: country of origin\n"
        "Evidence: The Fenland Waltz is a dance that spread from the town of Marlow Quay.\n"
        "Marlow Quay is a harbour town in Estavia.\nValue:"
    )
    assert found.targets == ("estavia",)
    assert made("wiki_hop", "which_property").targets == ("country of origin",)


# Several references


def test_trivia_trains_on_the_value_and_accepts_its_aliases() -> None:
    answer = {"value": "Paris", "aliases": ["City of Light", "PARIS", "Lutetia"]}
    found = made("trivia_qa", "flash_card", answer=answer)
    assert found.targets == ("Paris", "City of Light", "Lutetia")


def test_kilt_answers_without_text_are_passed_over() -> None:
    output = [{"answer": ""}, {"answer": "Oslo"}, {"answer": "oslo"}, {"answer": "Christiania"}]
    assert made("kilt_tasks/hotpotqa", "pub_quiz_host", output=output).targets == ("Oslo", "Christiania")
    provenance_only = [{"answer": ""}]
    assert rendered("kilt_tasks/hotpotqa", "pub_quiz_host", output=provenance_only) is None


def test_one_answer_is_not_a_list_of_all_answers() -> None:
    assert made("web_questions", "all_answers", answers=["Malta", "Gozo"]).targets == ("Malta, Gozo",)
    assert rendered("web_questions", "all_answers", answers=["Malta"]) is None
    assert made("web_questions", "search_box", answers=["Malta", "Gozo"]).targets == ("Malta", "Gozo")


def test_a_reference_may_hold_the_separator() -> None:
    answers = {"text": ["a ||| b", "c"], "answer_start": [0, 9]}
    assert made("squad_v2", "exact_words", answers=answers).targets == ("a ||| b", "c")


@pytest.mark.parametrize("template", list(COLLECTION.get("super_glue/record")))
def test_record_accepts_every_mention_once(template: str) -> None:
    row = {"entities": ["Ana Roy", "Roy", "Bergen"], "answers": ["Ana Roy", "Roy", "Ana Roy"]}
    found = made("super_glue/record", template, **row)
    assert found.targets == ("Ana Roy", "Roy")
    assert found.answer_choices == ("Ana Roy", "Roy", "Bergen")
    assert "@highlight" not in found.inputs


# Rows without an answer


def test_squad_asks_whether_there_is_an_answer() -> None:
    empty = {"text": [], "answer_start": []}
    told = {name: rendered("squad_v2", name, answers=empty) for name in COLLECTION.get("squad_v2")}
    spoken = {name: found.targets for name, found in told.items() if found is not None}
    assert spoken == {
        "answer_or_no_answer": ("no answer",),
        "is_the_answer_there": ("not enough",),
        "topic_of_the_paragraph": ("Cable car",),
    }
    assert made("squad_v2", "is_the_answer_there").targets == ("enough",)


def test_duorc_questions_that_the_plot_leaves_open() -> None:
    told = {name: rendered("duorc", name, answers=[], no_answer=True) for name in COLLECTION.get("duorc")}
    spoken = {name: found.targets for name, found in told.items() if found is not None}
    assert spoken == {
        "answered_by_the_plot_or_not": ("no",),
        "answer_or_say_it_is_not_told": ("not told",),
        "guess_the_title": ("The Late Letter",),
    }
    assert made("duorc", "answered_by_the_plot_or_not").targets == ("yes",)
    assert rendered("duorc", "answer_or_say_it_is_not_told", answers=[], no_answer=False) is None


def _annotated(yes_no: list[str], passages: list[int]) -> dict[str, Any]:
    nowhere = [-1] * len(yes_no)
    spans = {"minimal_answers_start_byte": nowhere, "minimal_answers_end_byte": nowhere}
    return {"annotations": {"yes_no_answer": yes_no, "passage_answer_candidate_index": passages, **spans}}


def test_tydi_annotations() -> None:
    nothing, second = _annotated(["NONE"], [-1]), _annotated(["NO", "NONE", "YES"], [-1, 7, -1])
    name = "tydiqa_primary"
    assert rendered(name, "yes_or_no_from_the_article", **nothing) is None
    assert rendered(name, "where_to_look_it_up", **nothing) is None
    assert made(name, "can_the_article_answer", **nothing).targets == ("there is not",)
    assert made(name, "what_kind_of_reply", **nothing).targets == ("something else",)
    assert made(name, "yes_or_no_from_the_article", **second).targets == ("No",)
    assert made(name, "can_the_article_answer", **second).targets == ("there is",)
    assert made(name, "what_kind_of_reply", **second).targets == ("denying",)
    assert made(name, "language_of_the_question", language="telugu").targets == ("telugu",)


NO_SPAN = {"answers": {"text": [], "answer_start": []}}
HIDDEN: dict[str, dict[str, Any]] = {
    "piqa": {"label": -1},
    "cosmos_qa": {"label": -1},
    "super_glue/boolq": {"label": -1},
    "super_glue/multirc": {"label": -1},
    "qasc": {"answerKey": "", "fact1": "", "fact2": "", "combinedfact": ""},
    "super_glue/record": {"answers": []},
    "clue/c3": {"answer": ""},
    "clue/cmrc2018": {"answers": {"text": [""], "answer_start": [-1]}},
    "ropes": NO_SPAN,
    "kilt_tasks/hotpotqa": {"output": []},
}


@pytest.mark.parametrize("name", HIDDEN)
def test_rows_with_hidden_labels_are_left_out(name: str) -> None:
    assert [t for t in COLLECTION.get(name) if rendered(name, t, **HIDDEN[name]) is not None] == []


@pytest.mark.parametrize("name", [*HIDDEN, "adversarial_qa", "trivia_qa"])
def test_splits_with_hidden_labels_are_not_read(name: str) -> None:
    card = INDEX[name]
    assert "test" not in card.splits
    assert "left out" in card.notes


@pytest.mark.parametrize("label", [0, 1])
def test_candidate_answers_and_sentences(label: int) -> None:
    right = label == 1
    assert made("super_glue/multirc", "right_answer_or_not", label=label).targets == (
        ("wrong", "right")[label],
    )
    assert (rendered("super_glue/multirc", "one_right_answer", label=label) is not None) is right
    assert made("wiki_qa", "grade_the_reply", label=label).targets == (("useless", "helpful")[label],)
    assert (rendered("wiki_qa", "say_what_you_know", label=label) is not None) is right
    assert made("piqa", "would_that_work", label=label).targets == (("sensible", "not sensible")[label],)


@pytest.mark.parametrize("name", NAMES)
def test_promptsources_own_rendering_is_the_same(name: str) -> None:
    """The library is in promptsource's format and leans on nothing of ours that it lacks."""
    for template in COLLECTION.get(name).values():
        for row in sample_fields(INDEX[name]):
            assert template.render(row, example_id="row", compat=True) == template.render(
                row, example_id="row"
            )


# Cards


def test_mlqa_has_every_direction_under_the_paragraphs_language() -> None:
    card = INDEX["mlqa"]
    assert len(card.variants) == 49
    assert card.language_of("mlqa.zh.ar") == "zh"
    assert card.division.sides == {"train": ("test",), "validation": ("validation",)}
    sizes = card.declared.sizes
    assert sizes.of("mlqa.en.en", "test") == 11590
    assert sizes.of("mlqa.hi.vi", "test") == sizes.of("mlqa.vi.hi", "test") == 1947


def test_siblings_on_the_same_items_share_groups() -> None:
    assert INDEX["squad_v2"].item_group == INDEX["adversarial_qa"].item_group
    assert INDEX["tydiqa_primary"].item_group == INDEX["tydiqa_goldp"].item_group


@pytest.mark.parametrize(
    ("name", "code"), [("clue/c3", "zh"), ("clue/cmrc2018", "zh"), ("clue/drcd", "zh_Hant")]
)
def test_chinese_prompts_say_where_they_come_from(name: str, code: str) -> None:
    card = INDEX[name]
    own = [template for template in COLLECTION.get(name).values() if template.language == code]
    assert len(own) >= 3
    assert {card.templates[template.id].origin for template in own} == {
        "authored, not reviewed by a native speaker"
    }
    assert {card.language_of(config) for config in card.variants} == {code}


@pytest.mark.parametrize("name", NAMES)
def test_truncatable_columns_are_text_that_the_template_uses(name: str) -> None:
    card, row = INDEX[name], sample_fields(INDEX[name])[0]
    for template in COLLECTION.get(name).values():
        extras = card.templates.get(template.id)
        if extras is not None and extras.truncatable is not None:
            assert extras.truncatable in template.fields()
            assert isinstance(row[extras.truncatable], str)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_declared_has_a_source(name: str) -> None:
    card = INDEX[name]
    assert card.declared.id.verified
    assert card.declared.columns.verified
    if not name.startswith("tydiqa"):  # no source gives its sizes by language
        assert {card.declared.sizes.of(c, s) is None for c in card.variants for s in card.splits} == {False}


# Reading: the sample, laid out as the repository is


def _published(card: TaskCard, config: str, split: str, root: Path) -> TaskCard:
    """The card on a local repository that holds its sample alone, in the files that its source names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pattern = str(card.source.file or card.source.data_files)
    folder = card.variants[config].folder or config
    name = pattern.replace("{folder}", folder).replace("{file}", card.splits[split])
    path = root / "repo" / name.replace("*/", "plain_text/").replace("*.parquet", "0000.parquet")
    path.parent.mkdir(parents=True)
    if path.suffix == ".jsonl":
        path.write_text(json.dumps(card.sample, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist([card.sample]), path)
    return replace(card, source=replace(card.source, id=None, path="repo"))


@pytest.mark.parametrize(
    ("name", "config", "split"),
    [
        ("ropes", "default", "train"),  # the only configuration, whatever its name
        ("race", "middle", "validation"),
        ("trivia_qa", "unfiltered", "train"),  # Parquet files of the repository itself
        ("wiki_hop", "original", "train"),  # under another name, and transformed
        ("tydiqa_goldp", "telugu", "validation"),  # JSON Lines, published as `dev`
        ("clue/cmrc2018", "cmrc2018", "trial"),
        ("kilt_tasks/hotpotqa", "hotpotqa", "train"),
    ],
)
def test_published_layouts_are_read_and_rendered(name: str, config: str, split: str, tmp_path: Path) -> None:
    card, problems = _published(INDEX[name], config, split, tmp_path), Problems()
    sources = Sources(tmp_path, cache_dir=tmp_path / "cache")
    side = next(side for side, splits in card.division.sides.items() if split in splits)
    only = replace(
        card, splits={split: card.splits[split]}, division=replace(card.division, sides={side: (split,)})
    )
    task = Task(only, config, tuple(COLLECTION.get(name).values()))
    (row,) = task.rows(side, sources, problems)
    assert row.fields == sample_fields(card, config)[0]
    examples = [task.render(row, template, problems) for template in task.templates]
    assert None not in examples
    assert not problems.dropped
