"""The paper's held-out evaluation sets: prompts in many languages, cards, and the suites that name them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

from mtft import languages
from mtft.evaluation import Suite
from mtft.prompting import Template, TemplateCollection, lint
from mtft.resources import builtin_folder
from mtft.tasks import Problems, Row, Sources, TaskCard, expression, load_card, sample_fields

ENTAILMENT = ("entailment", "neutral", "contradiction")
LABELS = {
    "xnli": ENTAILMENT,
    "anli": ENTAILMENT,
    "super_glue/cb": ("entailment", "contradiction", "neutral"),
    "super_glue/rte": ("entailment", "not_entailment"),
    "super_glue/copa": ("choice1", "choice2"),
    "xcopa": ("choice1", "choice2"),
    "xstory_cloze": ("ending1", "ending2"),
    "story_cloze": ("ending1", "ending2"),
    "winogrande": ("option1", "option2"),
    "xwinograd": ("option1", "option2"),
}
# The least number of languages beside English that have three prompts of their own.
TRANSLATED = {"xnli": 14, "xcopa": 9, "xstory_cloze": 9, "xwinograd": 5}
# Rows of the cards whose record is not what templates see: joined over languages, or made by a reader.
ROWS: dict[str, dict[str, Any]] = {
    "xcopa": {
        "premise": "The pond froze over.",
        "choice1": "The children brought their skates.",
        "choice2": "The children brought their fishing rods.",
        "question": "effect",
        "label": 0,
    },
    "xwinograd": {
        "sentence": "The goat chased the dog until it grew tired.",
        "marked": "The goat chased the dog until _it_ grew tired.",
        "blanked": "The goat chased the dog until _ grew tired.",
        "pronoun": "it",
        "option1": "the goat",
        "option2": "the dog",
        "answer": 0,
    },
}
# Sets of one task, which the paper asks the same questions.
SIBLINGS = (
    ("xnli", "anli", "super_glue/cb"),
    ("xcopa", "super_glue/copa"),
    ("xstory_cloze", "story_cloze"),
    ("xwinograd", "winogrande"),
)
COLLECTION = TemplateCollection.builtin()
ORIGIN = "authored, not reviewed by a native speaker"
# What the characters of a script are called in Unicode; Jpan and Hans share the Han characters.
SCRIPT_NAMES = {
    "Latn": ("LATIN",), "Cyrl": ("CYRILLIC",), "Grek": ("GREEK",), "Arab": ("ARABIC",),
    "Deva": ("DEVANAGARI",), "Thai": ("THAI",), "Taml": ("TAMIL",), "Telu": ("TELUGU",),
    "Hans": ("CJK",), "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
}  # fmt: skip


def card_of(name: str) -> TaskCard:
    return load_card(builtin_folder("prompts") / name / "task.yaml", name)


def templates_of(name: str) -> list[Template]:
    return list(COLLECTION.get(name).values())


def row_of(name: str) -> dict[str, Any]:
    return ROWS[name] if name in ROWS else sample_fields(card_of(name))[0]


def labelled(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    row = row_of(name)
    key = "label" if "label" in row else "answer"
    return ((label, {**row, key: label}) for label in range(len(LABELS[name])))


def text_of(template: Template) -> str:
    """The words that the prompt itself has, without what stands in braces."""
    prompt = template.jinja.rpartition("|||")[0]
    return "".join(text for _, kind, text in Environment().lex(prompt) if kind == "data")


def english_of(name: str, template: Template) -> Template:
    """The English member of a translation family: the name without the language."""
    base = template.name.removesuffix(f"_{template.language}")
    assert base != template.name, f"{template.place}: the name must end in its language"
    return COLLECTION.get(name)[base]


ALL = [(name, template) for name in LABELS for template in templates_of(name)]
OTHERS = [(name, template) for name, template in ALL if template.language != "en"]


def ids(pairs: list[tuple[str, Template]]) -> list[str]:
    return [f"{name}-{template.name}" for name, template in pairs]


@pytest.mark.parametrize("name", LABELS)
def test_there_are_enough_prompts_in_enough_languages(name: str) -> None:
    counts = Counter(template.language for template in templates_of(name))
    assert counts.pop("en") >= 5
    rows = {card_of(name).language_of(config) for config in card_of(name).variants}
    assert set(counts) <= rows, "a prompt in a language without rows is never asked for"
    assert sum(count >= 3 for count in counts.values()) == len(counts) >= TRANSLATED.get(name, 0)


@pytest.mark.parametrize("name", LABELS)
def test_the_prompts_are_free_of_findings(name: str) -> None:
    assert [str(finding) for finding in lint(templates_of(name), card_of(name).columns)] == []


@pytest.mark.parametrize(("name", "template"), ALL, ids=ids(ALL))
def test_every_label_reaches_its_choice(name: str, template: Template) -> None:
    for label, row in labelled(name):
        rendered = template.render(row, example_id="sample")
        assert rendered is not None
        assert rendered.answer_choices is not None
        assert len(rendered.answer_choices) == len(LABELS[name])
        assert rendered.targets == (rendered.answer_choices[label],)
        if template.metadata.choices_in_prompt:
            assert all(choice in rendered.inputs for choice in rendered.answer_choices)
        else:  # a Winograd sentence names its options itself; the prompt does not list them
            listed = [part.strip() for part in str(template.answer_choices).split("|||")]
            assert not any(part in template.jinja for part in listed)


@pytest.mark.parametrize(("name", "template"), OTHERS, ids=ids(OTHERS))
def test_a_translation_asks_what_the_english_prompt_asks(name: str, template: Template) -> None:
    english = english_of(name, template)
    columns = re.compile(r"{{ (?!answer_choices)(\w+) }}")
    assert columns.findall(template.jinja) == columns.findall(english.jinja)
    assert template.fields() == english.fields()
    assert template.metadata.choices_in_prompt == english.metadata.choices_in_prompt
    if english.fixed_choices() in (None, ("A", "B")):  # columns of the row, or letters
        assert template.answer_choices == english.answer_choices
    else:
        assert template.fixed_choices() != english.fixed_choices()  # single words may agree: no, possible


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_word_has_one_translation_per_family_of_choices(name: str) -> None:
    """Yes/no/maybe is one set in a language, whatever the prompt."""
    sets: dict[tuple[str, object], set[object]] = {}
    for template in (t for t in templates_of(name) if t.language != "en"):
        family = english_of(name, template).fixed_choices()
        sets.setdefault((template.language, family), set()).add(template.fixed_choices())
    assert all(len(found) == 1 for found in sets.values())
    if name == "xnli":
        assert Counter(language for language, _ in sets).most_common()[-1][1] == 3


@pytest.mark.parametrize(("name", "template"), OTHERS, ids=ids(OTHERS))
def test_the_text_is_in_the_script_of_its_language(name: str, template: Template) -> None:
    language = languages.get(template.language)
    text = re.sub(r"(?<![a-zA-Z])[AB](?![a-zA-Z])", "", text_of(template))  # letters of options
    named = [unicodedata.name(character) for character in text if character.isalpha()]
    assert named
    assert [n for n in named if not n.startswith(SCRIPT_NAMES[language.script])] == []
    directions = {unicodedata.bidirectional(character) for character in text if character.isalpha()}
    assert directions <= ({"R", "AL"} if language.direction == "rtl" else {"L"})


@pytest.mark.parametrize("name", LABELS)
def test_the_card_marks_what_no_native_speaker_has_read(name: str) -> None:
    extras = card_of(name).templates
    marked = {key for key, extra in extras.items() if extra.origin == ORIGIN}
    assert marked == {template.id for template in templates_of(name) if template.language != "en"}
    truncatable = {extra.truncatable for extra in extras.values()} - {None}
    assert truncatable <= set(card_of(name).columns)


@pytest.mark.parametrize("name", [name for name in LABELS if name != "xwinograd"])
def test_labels_stand_in_the_order_of_the_published_numbers(name: str) -> None:
    assert card_of(name).labels == LABELS[name]


@pytest.mark.parametrize("name", [name for name in LABELS if name not in ROWS])
def test_hidden_labels_are_left_out_and_what_is_declared_has_a_source(name: str) -> None:
    card = card_of(name)
    assert card.division.kind == "published"
    assert {split for splits in card.division.sides.values() for split in splits} == set(card.splits)
    assert card.declared.id.verified
    if name.startswith("super_glue/") or name == "winogrande":
        assert "test" not in card.splits


@pytest.mark.parametrize("name", ["xnli", "xcopa", "xstory_cloze"])
def test_translations_of_an_item_share_its_group(name: str) -> None:
    assert not expression.names(card_of(name).item_group or "") & {"language", "config", "folder"}


# --- rows in the layout of the Hub and of the files that are given out on request


def read(name: str, root: Path, languages_: list[str], side: Any = "validation") -> dict[str, list[Row]]:
    """Rows by configuration, read as from the Hub but out of a folder."""
    card = card_of(name)
    if card.source.kind == "hub":
        card = replace(card, source=replace(card.source, id=None, revision=None, path=name))
    problems = Problems(strict=True)
    sources = Sources(data_root=root, cache_dir=root / "cache", strict=True)
    tasks = card.tasks(languages=languages_)
    return {task.config: list(task.rows(side, sources, problems)) for task in tasks}


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    arrow = pytest.importorskip("pyarrow")
    path.parent.mkdir(parents=True, exist_ok=True)
    pytest.importorskip("pyarrow.parquet").write_table(arrow.Table.from_pylist(rows), path)


def test_xnli_reads_one_folder_per_language_with_equal_groups(tmp_path: Path) -> None:
    for code in ("ur", "zh"):
        rows = [
            {"premise": f"{code} {number}", "hypothesis": f"{code} h", "label": number % 3}
            for number in range(4)
        ]
        parquet(tmp_path / "xnli" / code / "validation" / "0000.parquet", rows)
    found = read("xnli", tmp_path, ["ur", "zh"])
    assert [row.item_group for row in found["ur"]] == [f"xnli/validation/{n}" for n in range(4)]
    assert [row.item_group for row in found["ur"]] == [row.item_group for row in found["zh"]]
    assert found["ur"][1].fields == {"premise": "ur 1", "hypothesis": "ur h", "label": 1}


def test_the_rounds_of_anli_are_cells_of_their_own(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        rows = [
            {"uid": f"{number}-{n}", "premise": f"text {number}", "hypothesis": "h", "label": n, "reason": ""}
            for n in range(number)
        ]
        parquet(tmp_path / "anli" / "plain_text" / f"dev_r{number}-00000-of-00001.parquet", rows)
    found = read("anli", tmp_path, ["en"])
    assert {config: len(rows) for config, rows in found.items()} == {"r1": 1, "r2": 2, "r3": 3}
    assert len({row.item_group for row in found["r3"]}) == 1
    assert found["r2"][0].split == "dev"


def test_answers_of_winogrande_are_text_from_one(tmp_path: Path) -> None:
    row = {"sentence": "_ ran.", "option1": "Ann", "option2": "Bo", "answer": "2"}
    parquet(tmp_path / "winogrande" / "winogrande_xl" / "validation-00000-of-00001.parquet", [row])
    (found,) = read("winogrande", tmp_path, ["en"])["winogrande_xl"]
    assert found.fields["label"] == 1


def test_story_cloze_and_its_translations_share_groups(tmp_path: Path) -> None:
    sample = card_of("story_cloze").sample
    path = tmp_path / "story_cloze" / card_of("story_cloze").splits["validation"]
    path.parent.mkdir()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(sample))
        writer.writeheader()
        writer.writerow(sample)
    (english,) = read("story_cloze", tmp_path, ["en"])["2016"]
    story = card_of("xstory_cloze").sample
    parquet(tmp_path / "xstory_cloze" / "sw" / "eval" / "0000.parquet", [story])
    (swahili,) = read("xstory_cloze", tmp_path, ["sw"])["sw"]
    assert english.item_group == swahili.item_group == "story_cloze/sample"
    assert (english.fields["label"], swahili.fields["label"]) == (1, 0)
    assert english.fields["story"].endswith(sample["InputSentence4"])


def test_copa_shares_groups_with_its_translations() -> None:
    assert card_of("super_glue/copa").item_group == card_of("xcopa").item_group
    assert set(card_of("super_glue/copa").splits) & set(card_of("xcopa").splits) == {"val"}


# --- suites


def test_the_suite_asks_five_english_prompts_of_every_set_and_three_of_their_own() -> None:
    entries = Suite.load("xp3_heldout").tasks
    assert sorted(entry.task for entry in entries) == sorted(LABELS)
    for entry in entries:
        tasks = card_of(entry.task).tasks(
            templates=list(entry.templates), prompt_languages=list(entry.prompt_languages) or None
        )
        for task in tasks:
            english = [template for template in task.templates if template.language == "en"]
            assert len(english) == 5
            assert all("in the style of" in t.reference for t in english)
            own = [template.language for template in task.templates if template.language != "en"]
            assert own in ([], [task.language] * 3)
        with_own = sum(len(task.templates) == 8 for task in tasks)
        assert with_own >= TRANSLATED.get(entry.task, 0)


def test_the_suite_reports_on_the_splits_of_the_paper() -> None:
    suite = Suite.load("xp3_heldout")
    splits = {entry.task: entry.splits for entry in suite.tasks}
    assert suite.side == "test"  # reported: what selects checkpoints is refused
    assert all(split in card_of(task).splits for task, names in splits.items() for split in names)
    assert splits.pop("anli") == ("dev",)
    assert splits.pop("xstory_cloze") == ("eval",)
    assert splits.pop("super_glue/copa") == splits.pop("xcopa") == ("val",)  # published as `validation`
    assert splits.pop("xwinograd") == ("test",)
    assert set(splits.values()) == {("validation",)}


@pytest.mark.parametrize("names", SIBLINGS, ids="-".join)
def test_sets_of_one_task_are_asked_in_the_same_words(names: tuple[str, ...]) -> None:
    asked = {
        entry.task: [name for name in entry.templates if "*" not in name]
        for entry in Suite.load("xp3_heldout").tasks
    }
    assert all(asked[name] == asked[names[0]] for name in names)
    for template in asked[names[0]]:
        found = [COLLECTION.get(name)[template] for name in names]
        assert len({text_of(t) for t in found}) == 1
        assert len({frozenset(t.fixed_choices() or ()) for t in found}) == 1
