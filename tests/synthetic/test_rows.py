"""Rows: labels correct by construction, one item in all languages and tasks, sides apart."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from hashlib import sha256

import pytest

from mtft.synthetic import SIDES, TASKS, TRAIN_ONLY, World, world
from mtft.synthetic.concepts import QUALITIES, TOPICS
from mtft.synthetic.scenes import side_of

SCENE_TASKS = tuple(task for task in TASKS if task not in TRAIN_ONLY)
LABELLED = {"nli": 3, "sentiment": 3, "topic": 5, "multiple_choice": 3, "paraphrase": 2}


def _english(micro: World, language: str, text: str) -> list[str]:
    """The text word by word in English, in the language's order; names by their index as `#3`."""
    grammar = micro.grammars[language]
    back = {word: concept for concept, word in grammar.lexicon.items()}
    back |= {grammar.word(index): f"#{index}" for index in range(10)}
    return [back.get(word, word) for word in text.replace(".", " .").replace("?", " ?").split()]


def test_equal_settings_are_an_equal_world() -> None:
    def everything() -> str:
        micro = world.__wrapped__(scenes=60)
        rows = [[*micro.rows(t, c, s)] for t in TASKS for c in micro.languages() for s in SIDES]
        return sha256(
            json.dumps([rows, [*micro.documents(count=50)]], ensure_ascii=False).encode()
        ).hexdigest()

    assert everything() == everything()


def test_thousands_of_distinct_rows_and_enough_items_to_evaluate() -> None:
    micro = world()
    for task in LABELLED:
        assert len([*micro.rows(task, "qag", "test")]) >= 200
    texts = [row["fields"]["text"] for row in micro.rows("topic", "qac", "train")]
    assert len(texts) == len(set(texts)) > 2000


@pytest.mark.parametrize("task", SCENE_TASKS)
def test_item_groups_never_stand_on_two_sides_and_recur_in_every_language(micro: World, task: str) -> None:
    for side in SIDES:
        groups = {
            code: {row["item_group"] for row in micro.rows(task, code, side)} for code in micro.languages()
        }
        expected = {scene.item_group for scene in micro.scenes[side]}
        assert all(found == expected for found in groups.values())
        assert all(side_of(group, micro.settings.shares) == side for group in expected)


def test_shares_are_kept_and_nest() -> None:
    shares = {"train": 0.8, "validation": 0.06, "test": 0.14}
    sides = Counter(side_of(f"group {n}", shares) for n in range(5000))
    assert all(abs(sides[side] / 5000 - share) < 0.02 for side, share in shares.items())
    wider = {"train": 0.9, "validation": 0.0, "test": 0.1}
    trained = {n for n in range(500) if side_of(f"group {n}", shares) == "train"}
    assert trained <= {n for n in range(500) if side_of(f"group {n}", wider) == "train"}


def test_row_ids_are_unique_within_task_language_and_side(micro: World) -> None:
    for task in TASKS:
        ids = [row["row_id"] for side in SIDES for row in micro.rows(task, "qab", side)]
        assert len(ids) == len(set(ids)) > 0


@pytest.mark.parametrize("task", LABELLED)
def test_labels_are_the_same_in_every_language_and_balanced(task: str) -> None:
    micro = world(scenes=1500)
    labels = {
        code: {row["row_id"]: row["fields"]["label"] for row in micro.rows(task, code, "train")}
        for code in micro.languages()
    }
    assert all(found == labels["en"] for found in labels.values())
    counts, classes = Counter(labels["en"].values()), LABELLED[task]
    assert set(counts) == set(range(classes))
    assert max(counts.values()) / sum(counts.values()) < 1 / classes + 0.05


@pytest.mark.parametrize("language", ["en", "qaa", "qac", "qag"])
def test_mood_and_topic_follow_from_the_words(micro: World, language: str) -> None:
    mood_of = {word: place for place, words in enumerate(QUALITIES.values()) for word in words}
    topic_of = {word: place for place, topic in enumerate(TOPICS) for word in (*topic.verbs, *topic.nouns)}
    for row in micro.rows("sentiment", language, "train"):
        words = _english(micro, language, row["fields"]["text"])
        assert {mood_of[word] for word in words if word in mood_of} == {row["fields"]["label"]}
    for row in micro.rows("topic", language, "train"):
        words = _english(micro, language, row["fields"]["text"])
        assert {topic_of[word] for word in words if word in topic_of} == {row["fields"]["label"]}


@pytest.mark.parametrize("language", ["en", "qaa", "qad", "qag"])
def test_inference_labels_follow_from_the_premise(micro: World, language: str) -> None:
    denied = defaultdict(set)
    for row in micro.rows("nli", language, "train"):
        facts = [{*_english(micro, language, part)} for part in row["fields"]["premise"].split(".") if part]
        claim = {*_english(micro, language, row["fields"]["hypothesis"])} - {"."}
        stated = any(claim - {"never"} <= fact for fact in facts)
        expected = 1 if not stated else 2 if "never" in claim else 0
        assert row["fields"]["label"] == expected
        denied[expected].add("never" in claim)
    assert denied == {0: {False}, 1: {False, True}, 2: {True}}


@pytest.mark.parametrize("language", ["en", "qab", "qac", "qaf"])
def test_answers_stand_in_the_context_and_answer_the_question(micro: World, language: str) -> None:
    for row in micro.rows("qa", language, "train"):
        fields = row["fields"]
        asked = {*_english(micro, language, fields["question"])} - {"who", "what", "?"}
        facts = [{*_english(micro, language, part)} for part in fields["context"].split(".") if part]
        (fact,) = [fact for fact in facts if asked <= fact]
        (answer,) = _english(micro, language, fields["answer"])
        assert answer in fact - asked


@pytest.mark.parametrize("language", ["en", "qaa", "qag"])
def test_only_the_right_choice_shares_the_topic_of_the_gap(micro: World, language: str) -> None:
    topic_of = {word: place for place, topic in enumerate(TOPICS) for word in (*topic.verbs, *topic.nouns)}
    for row in micro.rows("multiple_choice", language, "train"):
        fields = row["fields"]
        assert fields["text"].count("_") == 1
        (place,) = {topic_of[word] for word in _english(micro, language, fields["text"]) if word in topic_of}
        choices = [topic_of[_english(micro, language, fields[f"choice{n}"])[0]] for n in (1, 2, 3)]
        assert [n for n, found in enumerate(choices) if found == place] == [fields["label"]]


def test_paraphrases_have_the_same_words_in_another_order(micro: World) -> None:
    for language in micro.languages():
        for row in micro.rows("paraphrase", language, "train"):
            first, second = (row["fields"][key].rstrip(".").split() for key in ("sentence1", "sentence2"))
            assert first != second
            assert (sorted(first) == sorted(second)) == bool(row["fields"]["label"])


def test_translations_say_the_same_in_both_languages(micro: World) -> None:
    codes = {micro.language(code).name: code for code in micro.languages()}
    for task in ("translation", "lexicon"):
        sources = set()
        for row in micro.rows(task, "qae", "train"):
            source = codes[row["fields"]["source_language"]]
            sources.add(source)
            words = [
                sorted(_english(micro, code, row["fields"][key]))
                for code, key in ((source, "source"), ("qae", "target"))
            ]
            assert words[0] == words[1]
        assert sources == set(micro.languages()) - {"qae"}


def test_structures_hold_what_the_text_says(micro: World) -> None:
    for row in micro.rows("structure_to_text", "en", "train"):
        fields = row["fields"]
        said = (
            f"{fields['subject']} {fields['verb']} {fields['number']} {fields['quality']} {fields['object']}."
        )
        assert fields["text"] == said
        assert fields["language"] == "English"


def test_word_order_is_the_languages_own(micro: World) -> None:
    scene = micro.scenes["train"][0]
    fact = scene.facts[0]
    person = f"#{fact.person}"
    shown = {
        code: _english(micro, code, micro.grammars[code].sentence(fact)) for code in ("en", "qaa", "qac")
    }
    assert shown["en"] == [person, fact.verb, str(fact.number), fact.quality, fact.noun]
    assert shown["qaa"] == [person, str(fact.number), fact.quality, fact.noun, fact.verb]
    assert shown["qac"] == [fact.verb, person, str(fact.number), fact.noun, fact.quality]
