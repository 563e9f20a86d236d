"""The micro-world's tasks of older systems: labels that are right by construction, and a world that stays as it was."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict

import pytest

from mtft.evaluation import Suite
from mtft.mixing import MixtureSpec
from mtft.structured.locations import Page, located_text, overlap, read_regions, region_of
from mtft.structured.tag_spans import bio_tags, spans_of
from mtft.synthetic import SIDES, TASKS, World
from mtft.synthetic.concepts import NAMES
from mtft.synthetic.languages import spelled_names
from mtft.synthetic.older import OLDER_TASKS
from mtft.synthetic.relevance import RELEVANCE

FIRST = (
    "nli",
    "sentiment",
    "topic",
    "qa",
    "multiple_choice",
    "paraphrase",
    "structure_to_text",
    "translation",
    "lexicon",
)
# Of the world as it was before the tasks of this file came to it.
ROWS = "070610e4c26697b7"
MIXTURE, SUITE = "c4b548188351d71d", "193fa23527d563fb"


def rows_of(micro: World, task: str, language: str = "qad") -> list[dict[str, object]]:
    return [row["fields"] for row in micro.rows(task, language, "train")]


def test_lexicons_and_rows_of_the_first_nine_tasks_are_what_they_were(micro: World) -> None:
    state = hashlib.sha256(json.dumps({code: dict(g.lexicon) for code, g in micro.grammars.items()}).encode())
    for task in FIRST:
        for code in micro.languages():
            for side in SIDES:
                rows = list(micro.rows(task, code, side))
                state.update(json.dumps(rows, sort_keys=True, ensure_ascii=False).encode())
    assert tuple(task for task in TASKS if task in FIRST) == FIRST
    assert state.hexdigest()[:16] == ROWS


def test_the_mixture_and_the_suite_are_what_they_were() -> None:
    assert MixtureSpec.load("mini_xp3").fingerprint == MIXTURE
    assert Suite.load("mini_xp3").fingerprint == SUITE


@pytest.mark.parametrize("task", OLDER_TASKS)
def test_rows_say_the_same_of_a_scene_in_every_language(micro: World, task: str) -> None:
    found = {}
    for code in ("en", "qac", "qag"):
        rows = list(micro.rows(task, code, "test"))
        found[code] = [(row["row_id"], row["item_group"], row["fields"].get("label")) for row in rows]
        assert len({row["row_id"] for row in rows}) == len(rows) >= len(micro.scenes["test"])
        assert [*micro.rows(task, code, "test")] == rows
    assert found["en"] == found["qac"] == found["qag"]


def test_tags_follow_from_the_lexicon(micro: World) -> None:
    for code in micro.languages():
        grammar = micro.grammars[code]
        names = set(spelled_names(grammar.language.script))
        concept = {word: english for english, word in grammar.lexicon.items()}
        denied = 0
        tagged = zip(*(rows_of(micro, task, code) for task in ("pos", "chunks", "roles")), strict=True)
        for pos, chunks, roles in tagged:
            assert pos["tokens"] == chunks["tokens"] == roles["tokens"]
            kinds = Counter(pos["tags"])
            denied += kinds["ADV"]
            assert kinds - Counter(ADV=1) == Counter(PROPN=1, VERB=1, NUM=1, ADJ=1, NOUN=1, PUNCT=1)
            for token, tag in zip(pos["tokens"], pos["tags"], strict=True):
                assert (tag == "PROPN") == (token in names)
                assert (tag == "NUM") == token.isdigit()
                assert tag != "ADV" or concept[token] == "never"
            for row in (chunks, roles):
                assert bio_tags(spans_of(row["tags"]), len(row["tags"])) == tuple(row["tags"])
            phrases = [(span.type, span.end - span.start) for span in spans_of(chunks["tags"])]
            assert sorted(phrases) == [("NP", 1), ("NP", 3), ("VP", 1 + kinds["ADV"])]
            wanted = {"A0", "V", "A1"} | ({"AM-NEG"} if kinds["ADV"] else set())
            assert {span.type for span in spans_of(roles["tags"])} == wanted
            (agent,) = (span for span in spans_of(roles["tags"]) if span.type == "A0")
            assert roles["tokens"][agent.start] in names
        assert 0.15 < denied / len(micro.scenes["train"]) < 0.35


def test_relevance_follows_from_the_fact_that_is_asked_for(micro: World) -> None:
    by_query = defaultdict(list)
    for row in micro.rows("ranking", "en", "train"):
        by_query[row["item_group"]].append(row["fields"])
    for candidates in by_query.values():
        assert sorted(row["label"] for row in candidates) == [0, 0, 1, 1, 2]
        verb, noun = candidates[0]["query"].rstrip("?").split()[1:]
        for row in candidates:
            said = row["candidate"].rstrip(".").split()
            shared = (verb in said) + (noun in said)
            assert RELEVANCE[row["label"]] == RELEVANCE[shared]


def test_a_question_is_about_one_of_its_domains(micro: World) -> None:
    topics = {row["item_group"]: row["fields"]["label"] for row in micro.rows("topic", "en", "train")}
    right = defaultdict(list)
    for place, row in enumerate(micro.rows("domain", "en", "train")):
        right[row["item_group"]] += [place % 5] if row["fields"]["label"] else []
    assert {group: [topic] for group, topic in topics.items()} == right


@pytest.mark.parametrize("task", ["locate", "form"])
def test_no_two_words_of_a_page_touch_and_every_box_lies_on_it(micro: World, task: str) -> None:
    for fields in rows_of(micro, task)[:200] + rows_of(micro, task, "qag")[:200]:
        page = Page(**fields["page"])
        regions = [region_of(word) for word in fields["words"]]
        assert all(
            0 <= a < b <= side
            for r in regions
            for a, b, side in zip(r.bounds[:2], r.bounds[2:], page, strict=True)
        )
        assert not any(overlap(a, b) for i, a in enumerate(regions) for b in regions[:i])
        read, malformed = read_regions(located_text(fields["words"], fields["page"]), page)
        assert [r.text for r in read] == [r.text for r in regions]
        assert malformed == 0


def test_answers_of_pages_are_the_only_ones(micro: World) -> None:
    for fields in rows_of(micro, "locate"):
        assert len({word["text"] for word in fields["words"]}) == 6
        assert {"text": fields["word"], "box": fields["box"]} in fields["words"]
    for fields in rows_of(micro, "form"):
        texts = [word["text"] for word in fields["words"]]
        label = texts.index(fields["label"])
        assert fields["words"][label + 1] == fields["value"]
        assert fields["value"]["box"][0] > fields["words"][label]["box"][2]
    assert len(NAMES) > 1
