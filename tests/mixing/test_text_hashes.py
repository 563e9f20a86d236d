"""Hashes of n-grams and of short texts: what counts as the same text."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mtft.mixing import text_hashes as module
from mtft.mixing.row_texts import normalised, texts_of
from mtft.mixing.text_hashes import CHARACTERS, WORDS, TextHashes, text_hashes

GOLDEN = 17044582033204932003  # of SENTENCE; another number means that NORMALISATION must be raised
SENTENCE = " ".join(f"word{n}" for n in range(WORDS))
THAI = "แม่น้ำกว้างและเรือก็เก่ามากแล้วเด็กๆเดินไปโรงเรียน"
JAPANESE = "川は広くて船は古いですこどもたちは毎朝橋を渡って学校に行きます"
CHINESE = "河水很宽船也很旧孩子们每天早上都从桥上走过去上学晚上再走回来"


def ngrams(*texts: str) -> set[int]:
    return set(text_hashes([texts]).ngrams.tolist())


def short(*texts: str) -> set[int]:
    return set(text_hashes([texts]).short.tolist())


def test_an_ngram_is_found_inside_any_longer_text() -> None:
    (only,) = ngrams(SENTENCE)
    assert only in ngrams(f"Before it. {SENTENCE}, and behind it.")
    assert only not in ngrams(SENTENCE.replace("word5", "other") + " and more words")
    assert len(ngrams(SENTENCE + " more words")) == 3


def test_texts_of_one_item_do_not_run_into_each_other() -> None:
    halves = SENTENCE.split(" word6 ")
    assert not ngrams(*halves)
    assert not ngrams(halves[0]) | ngrams(halves[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The River, is WIDE -- and the boat's old!", "the river is wide\n and the boat s  old"),
        ("Straße im Ｆｕｌｌｗｉｄｔｈ Text ﬁnden wir", "STRASSE im fullwidth text finden wir"),
        ("cafe\u0301 und noch vier weitere Worte", "caf\u00e9 und noch vier weitere Worte"),
        ("ｶﾞの字をここに書きます", "ガの字をここに書きます"),
    ],
)
def test_case_width_composition_and_punctuation_do_not_count(one: str, other: str) -> None:
    assert short(one) == short(other) != set()


@pytest.mark.parametrize("text", [CHINESE, THAI, JAPANESE])
def test_scripts_without_spaces_are_compared_by_characters(text: str) -> None:
    text = normalised(text)  # Thai's am becomes two characters
    found = ngrams(text)
    assert len(found) == len(text) - CHARACTERS + 1
    assert ngrams(text[:CHARACTERS]) < found
    inside = ngrams(f"Read: {text[:10]}、{text[10:]}")
    assert found < inside  # and one that begins with the word
    assert len(inside) == len(found) + 1


def test_words_and_characters_in_one_text_count_together() -> None:
    six = "one two three four five six"
    assert not ngrams(f"{six} {CHINESE[:13]}")  # as much as twelve words and a half
    assert ngrams(f"{six} {CHINESE[:14]}")


def test_a_short_text_counts_as_a_whole_and_the_shortest_only_with_its_item() -> None:
    five, four = "they saw the old boat", "they saw a boat"
    assert short(five) == short("yes", five)  # its own hash, whatever stands beside it
    assert not short(five) & short(five + " today")
    assert short(four, "yes") == short("Yes.", four) != short(four, "no")
    assert not short("yes")
    assert not ngrams(five)
    assert not short(SENTENCE)


def test_a_chinese_word_has_about_two_characters() -> None:
    assert short(CHINESE[:10]) == short(CHINESE[:10], "是")  # by itself
    assert short(CHINESE[:9]) != short(CHINESE[:9], "是")  # with its item


def test_items_keep_their_hashes_apart() -> None:
    items = [(SENTENCE,), (), ("",), ("they saw the old boat", SENTENCE + " more"), ("!?",)]
    found = text_hashes(items)
    assert found.ngram_ends.tolist() == [1, 1, 1, 3, 3]
    assert found.short_ends.tolist() == [0, 0, 0, 1, 1]
    assert text_hashes([]).ngram_ends.tolist() == []


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [(f"{SENTENCE} {n}", CHINESE[: n % 30], "") for n in range(40)] + [(SENTENCE * 50,)]
    whole = text_hashes(items)
    for size in (1, 100, 1000):
        monkeypatch.setattr(module, "PIECE", size)
        for one, other in zip(text_hashes(items), whole, strict=True):
            np.testing.assert_array_equal(one, other)


def test_hashes_are_the_same_everywhere() -> None:
    """An index is read by other processes and machines than wrote it."""
    code = "from mtft.mixing.text_hashes import text_hashes as t; print(int(t([[{!r}]]).ngrams[0]))"
    code = code.format(SENTENCE)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ngrams(SENTENCE) == {int(answer.stdout)} == {GOLDEN}


def test_no_two_of_many_ngrams_collide() -> None:
    texts = [(f"{a} {b} " + SENTENCE.replace("word5", f"{a}{b}"),) for a in range(60) for b in range(60)]
    distinct = {" ".join(t.split()[i : i + WORDS]) for (t,) in texts for i in range(3)}
    assert len(np.unique(text_hashes(texts).ngrams)) == len(distinct)


def test_texts_stand_in_lists_and_mappings_too() -> None:
    fields = {"b": ["one", {"c": "two", "d": 3}], "a": "zero", "n": 5, "none": None, "raw": b"bytes"}
    assert texts_of(fields, ("a", "b", "n", "none", "raw", "missing")) == ("zero", "one", "two")


def test_half_a_character_is_no_obstacle() -> None:
    assert isinstance(text_hashes([("\ud83d broken",)]), TextHashes)
    assert normalised("ＡＢＣ") == "abc"
