"""Lexicons: own words for every language, written in its script, no word in two languages."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from mtft.errors import ConfigError
from mtft.synthetic import LANGUAGES, World, world
from mtft.synthetic.concepts import NAMES, english_words
from mtft.synthetic.languages import build_lexicons, spelled_names
from mtft.synthetic.scripts import Syllable, write

SCRIPT_NAMES = {"Latn": "LATIN", "Cyrl": "CYRILLIC", "Grek": "GREEK", "Geor": "GEORGIAN", "Hang": "HANGUL"}


def test_enough_languages_scripts_and_orders() -> None:
    assert len(LANGUAGES) >= 8
    assert len({language.script for language in LANGUAGES}) >= 3
    assert {language.order for language in LANGUAGES} == {"SVO", "SOV", "VSO"}
    assert len({language.name for language in LANGUAGES}) == len(LANGUAGES)
    assert all("qaa" <= language.code <= "qtz" for language in LANGUAGES if language.code != "en")


def test_no_word_belongs_to_two_languages_or_two_concepts() -> None:
    lexicons = build_lexicons(0)
    owners = Counter(word for lexicon in lexicons.values() for word in lexicon.values())
    assert max(owners.values()) == 1
    names = {name for language in LANGUAGES for name in spelled_names(language.script)}
    assert not names & set(owners)
    assert all(set(lexicon) == set(english_words()) for lexicon in lexicons.values())


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_words_are_letters_of_the_languages_script(language) -> None:
    words = [*build_lexicons(0)[language.code].values(), *spelled_names(language.script)]
    for letter in "".join(words):
        assert unicodedata.name(letter).startswith(SCRIPT_NAMES[language.script])
    assert all(unicodedata.normalize("NFC", word) == word == word.lower() for word in words)


def test_names_are_transliterated_one_to_one() -> None:
    for script in SCRIPT_NAMES:
        assert len(set(spelled_names(script))) == len(NAMES)
    mira = (Syllable("m", "i"), Syllable("r", "a"))
    assert [write(mira, script) for script in SCRIPT_NAMES] == ["mira", "мира", "μιρα", "მირა", "미라"]
    with pytest.raises(ConfigError, match="Latn"):
        write(mira, "Latin")


def test_hangul_blocks_keep_syllables_apart() -> None:
    ordinary = [
        Syllable(onset, vowel, coda) for onset in "hsnmgk" for vowel in "aoieu" for coda in ("", "n", "l")
    ]
    assert len({write((syllable,), "Hang") for syllable in ordinary}) == len(ordinary)


def test_another_seed_is_other_languages_and_the_same_english() -> None:
    first, second = build_lexicons(0), build_lexicons(1)
    assert first["en"] == second["en"]
    assert sum(first["qaa"][word] == second["qaa"][word] for word in first["qaa"]) <= 3
    assert build_lexicons(0) == first


def test_languages_share_only_digits_and_the_names_of_their_script() -> None:
    micro = world(scenes=15)
    overlap = micro.vocabulary_overlap()
    for a in LANGUAGES:
        for b in LANGUAGES:
            common = micro.vocabulary(a.code) & micro.vocabulary(b.code)
            if a != b:
                expected = set("23456789") | (set(spelled_names(a.script)) if a.script == b.script else set())
                assert common == expected
                assert 0.05 < overlap[a.code][b.code] == overlap[b.code][a.code] < 0.2
        assert overlap[a.code][a.code] == 1


def test_unknown_language_task_and_side_name_the_nearest(micro: World) -> None:
    with pytest.raises(ConfigError, match=r"qa[a-g]"):
        micro.rows("nli", "qax", "train")
    with pytest.raises(ConfigError, match="sentiment"):
        micro.rows("sentimant", "en", "train")
    with pytest.raises(ConfigError, match="validation"):
        micro.rows("nli", "en", "valid")
