"""The language table: canonical codes, aliases, scripts, directions, and no fallback."""

from __future__ import annotations

import pytest

from mtft import languages
from mtft.errors import TaskError


@pytest.mark.parametrize(
    ("alias", "code"),
    [
        ("eng_Latn", "en"),
        ("swh_Latn", "sw"), ("indonesian", "id"), ("jp", "ja"), ("zho_Hans", "zh"),
        ("zho_Hant", "zh_Hant"), ("toba_batak", "bbc"), ("kor_Hang", "ko"), ("orm", "om"),
        ("quy_Latn", "quy"), ("code", "zxx"), ("run", "rn"), ("nso_Latn", "nso"), ("npi_Deva", "ne"),
        ("arb_Arab", "ar"), ("taq_Tfng", "taq"), ("taq_Latn", "taq_Latn"), ("English", "en"), ("sw", "sw"),
    ],
)  # fmt: skip
def test_aliases_lead_to_one_code(alias: str, code: str) -> None:
    assert languages.canonical(alias) == code
    assert languages.get(code).code == code


@pytest.mark.parametrize("name", ["xx", "klingon", "", "en_latin", "jpp"])
def test_what_is_unknown_is_an_error_and_never_english(name: str) -> None:
    with pytest.raises(TaskError):
        languages.canonical(name)
    with pytest.raises(TaskError):
        languages.get(name)


def test_an_alias_is_not_a_code_and_the_message_says_the_code() -> None:
    with pytest.raises(TaskError, match="`sw` here"):
        languages.get("swh")


def test_every_code_is_canonical_for_itself() -> None:
    assert len(languages.codes()) > 230
    assert all(languages.canonical(code) == code for code in languages.codes())
    assert len({languages.get(code).name for code in languages.codes()}) == len(languages.codes())


@pytest.mark.parametrize(
    ("code", "script", "direction"),
    [("nqo", "Nkoo", "rtl"), ("arq", "Arab", "rtl"), ("taq", "Tfng", "ltr"), ("am", "Ethi", "ltr"),
     ("ka", "Geor", "ltr"), ("zh", "Hans", "ltr"), ("he", "Hebr", "rtl"), ("az_Arab", "Arab", "rtl")],
)  # fmt: skip
def test_script_and_direction(code: str, script: str, direction: str) -> None:
    language = languages.get(code)
    assert (language.script, language.direction) == (script, direction)


def test_another_script_is_named_in_words() -> None:
    assert languages.get("zh_Hant").name == "Chinese (traditional characters)"
    assert languages.get("az_Arab").name == "Azerbaijani (Arabic script)"
    assert languages.get("am_Zzzz").name == "Amharic (Zzzz)"


def test_pretraining_corpora_stand_for_their_languages() -> None:
    assert {"sw", "zh_Hant", "eu"} <= languages.pretrained_codes(["bloom"])
    assert not {"th", "de", "ru"} & languages.pretrained_codes(["bloom"])  # XCOPA's `th` is none of BLOOM's
    assert languages.pretrained_codes(["mc4"]) >= {"th", "de", "ru"}
    assert "quy" not in languages.pretrained_codes(["mc4", "bloom"])
    assert languages.pretrained_codes(["jp", "all"]) == {"ja", "all"}
    assert all(languages.canonical(code) == code for codes in languages.PRETRAINED.values() for code in codes)
    assert (len(languages.PRETRAINED["bloom"]), len(languages.PRETRAINED["mc4"])) == (46, 102)
