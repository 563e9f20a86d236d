"""Rules on languages: the words of a prompt, and a translation beside its source."""

from __future__ import annotations

import pytest

from mtft.prompting import Template
from mtft.prompting.linting.pairing import language_of, named_language, paired
from mtft.prompting.linting.scripts import is_latin, letter_script, share
from tests.prompting.linting.seeds import TARGET, found, free, rules, template

COLUMNS = {"columns": ["premise", "hypothesis", "label"]}
SOURCE = template(
    "infer",
    f"Premise: {{{{ premise }}}}\nHypothesis: {{{{ hypothesis }}}}\nDoes it follow? Yes, Maybe or No? {TARGET}",
    "Yes ||| Maybe ||| No",
)
SPANISH = "Premisa: {{ premise }}\nHipótesis: {{ hypothesis }}\n¿Se deduce? ¿Sí, Tal vez o No? " + TARGET
ARABIC = "المقدمة: {{ premise }}\nالفرضية: {{ hypothesis }}\nهل ينتج ذلك؟ نعم أم ربما أم لا؟ " + TARGET
TELUGU = "ఆధారం: {{ premise }}\nపరికల్పన: {{ hypothesis }}\nఇది నిజమా? అవును, బహుశా లేదా కాదు? " + TARGET


def spanish(
    jinja: str = SPANISH, choices: str | None = "Sí ||| Tal vez ||| No", **changes: object
) -> Template:
    return template("infer_es", jinja, choices, **{"languages": ("es",), **changes})


def arabic(jinja: str = ARABIC, choices: str = "نعم ||| ربما ||| لا", **changes: object) -> Template:
    return template("infer_ar", jinja, choices, **{"languages": ("ar",), **changes})


def of(translation: Template, source: Template = SOURCE) -> set[str]:
    """The rules that find something in the translation."""
    findings = found([source, translation], hidden_labels=False, **COLUMNS)
    assert [f for f in findings if f.template == source.name] == []
    return {finding.rule for finding in findings}


def test_sound_translations_have_no_findings() -> None:
    telugu = template("infer_te", TELUGU, "అవును ||| బహుశా ||| కాదు", languages=("te",))
    assert of(spanish()) == of(arabic()) == of(telugu) == set()


@pytest.mark.parametrize(
    ("rule", "translation"),
    [
        ("translation-placeholders", spanish(SPANISH.replace("{{ hypothesis }}", "..."))),
        ("translation-placeholders", spanish(SPANISH.replace("{{ hypothesis }}", "{{ premise }}"))),
        ("translation-placeholders", spanish(SPANISH.replace("{{ premise }}", "{{ premise | upper }}"))),
        ("translation-placeholders", spanish(SPANISH.replace("[label]", "[0]"))),
        ("translation-choices", spanish(choices="Sí ||| No", choices_in_prompt=False)),
        ("translation-choices", spanish(choices="Sí ||| {{ premise }} ||| No")),
        ("translation-choices", spanish(SPANISH.replace(TARGET, "||| {{ label }}"), None, choices_in_prompt=False)),
        ("translation-choices-in-prompt", spanish(choices="Sí ||| Quizás ||| No", choices_in_prompt=None)),
        ("choices-in-prompt", spanish(choices="Sí ||| Quizás ||| No")),
        ("choice-sense", arabic(ARABIC.replace(" لا؟", " رقم؟"), "نعم ||| ربما ||| رقم")),
        (
            "choice-sense",
            template("infer_te", TELUGU.replace("కాదు", "నం"), "అవును ||| బహుశా ||| నం", languages=("te",)),
        ),
        (
            "choice-sense",
            template("infer_te", TELUGU.replace("కాదు", "సంఖ్య"), "అవును ||| బహుశా ||| సంఖ్య", languages=("te",)),
        ),
        ("untranslated", spanish(SPANISH.replace("¿Se deduce?", "\nDoes it follow? Yes, Maybe or No?\n"))),
        ("untranslated", spanish(SPANISH.replace("Sí", "Yes"), "Yes ||| Tal vez ||| No")),
        ("script", arabic(SOURCE.jinja, "Yes ||| Maybe ||| No")),
        ("choices-script", arabic(ARABIC.replace("نعم", "Yes"), "Yes ||| ربما ||| لا")),
        ("choices-script", arabic(ARABIC + "Yes Maybe No", "Yes ||| Maybe ||| No", choices_in_prompt=False)),
        ("leftover-english", spanish(SPANISH.replace("¿Se", "Answer the following question from what is given. ¿Se"))),
        ("leftover-english", arabic(ARABIC.replace("هل", "if the question هل"))),
        ("translation-extra-text", spanish(SPANISH.replace("||| ", "||| respuesta: "))),
        ("language", spanish(languages=("fr",), reference=f"translation of {SOURCE.id}")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_defect_of_a_translation_is_found(rule: str, translation: Template) -> None:
    assert rule in of(translation)


def test_the_order_of_words_may_change() -> None:
    source = free("Does {{ premise }} mean {{ hypothesis }}? ||| {{ label }}", name="mean")
    turned = free(
        "¿Significa {{ hypothesis }} que {{ premise }}? ||| {{ label }}", name="mean_es", languages=("es",)
    )
    assert of(turned, source) == set()


def test_labelled_columns_in_another_order_are_looked_at() -> None:
    turned = "Hipótesis: {{ hypothesis }}\nPremisa: {{ premise }}\n¿Se deduce? ¿Sí, Tal vez o No? " + TARGET
    (finding,) = found([SOURCE, spanish(turned)], hidden_labels=False)
    assert (finding.rule, finding.severity) == ("swapped-placeholders", "warning")


def test_labels_that_changed_places_are_an_error() -> None:
    """The machine moved the words and put the code back by position: only the other templates tell."""
    other = template("other", SOURCE.jinja.replace("Does it follow", "Is it so"), SOURCE.answer_choices)
    sound = template(
        "other_es", SPANISH.replace("deduce", "sigue"), "Sí ||| Tal vez ||| No", languages=("es",)
    )
    swapped = spanish(
        SPANISH.replace("Premisa", "@").replace("Hipótesis", "Premisa").replace("@", "Hipótesis")
    )
    findings = found([SOURCE, other, sound, swapped], hidden_labels=False)
    assert {(f.rule, f.severity) for f in findings if f.template == "infer_es"} == {
        ("swapped-placeholders", "error")
    }


def test_strings_in_code_must_be_translated() -> None:
    source = free('{{ premise }} Is it so? ||| {{ "Yes" if label else "No" }}', name="s")
    kept = free('{{ premise }} ¿Es así? ||| {{ "Yes" if label else "No" }}', name="s_es", languages=("es",))
    done = free('{{ premise }} ¿Es así? ||| {{ "Sí" if label else "No" }}', name="s_es", languages=("es",))
    assert of(kept, source) == {"untranslated", "leftover-english"}
    assert of(done, source) == set()


def test_a_string_that_is_compared_stays() -> None:
    source = free('{{ premise }} {% if label == "cause" %}Why so?{% endif %} ||| {{ hypothesis }}', name="s")
    done = source.jinja.replace("Why so?", "¿Por qué?")
    assert of(free(done, name="s_es", languages=("es",)), source) == set()
    changed = free(done.replace('"cause"', '"causa"'), name="s_es", languages=("es",))
    assert "translation-placeholders" in of(changed, source)


@pytest.mark.parametrize(
    ("language", "text", "wrong"),
    [
        ("en", "ما هو الجواب على هذا السؤال؟", True),
        ("zh", "这个问题的答案是什么？", False),
        ("ja", "この質問の答えは何ですか？", False),
        ("ru", "Каков ответ на этот вопрос?", False),
        ("sr", "What is the answer?", True),
        ("hi", "इस प्रश्न का उत्तर क्या है? ABC", False),
        ("zxx", "What is the answer?", False),
        ("ko", "이 질문의 답은?", False),
    ],
)
def test_script_against_the_tag(language: str, text: str, wrong: bool) -> None:
    made = free(f"{text} {{{{ premise }}}} ||| {{{{ label }}}}", languages=(language,))
    assert ("script" in rules(made)) is wrong


def test_english_that_is_none() -> None:
    text = (
        "¿Cuál es la respuesta a esta pregunta según el pasaje? Elija una opción y escriba solo una palabra"
    )
    assert rules(free(f"{text}: {{{{ premise }}}} ||| {{{{ label }}}}")) == {"english-expected"}
    assert rules(free(f"{text}: {{{{ premise }}}} ||| {{{{ label }}}}", languages=("es",))) == set()


# --- pairs


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("how_certain_sw", ("how_certain", "sw", False)),
        ("how_certain_zh_hant", ("how_certain", "zh_Hant", False)),
        ("GPT-3 style_esmt", ("GPT-3 style", "es", True)),
        ("GPT-3 style_zhht", ("GPT-3 style", "zh", True)),
        ("fill_the_gap", None),
        ("draft", None),
    ],
)
def test_the_language_in_a_name(name: str, says: tuple[str, str, bool] | None) -> None:
    named = named_language(name)
    assert (tuple(named) if named else None) == says


def test_the_four_ways_of_naming_a_source() -> None:
    source = free("{{ a }} ||| b", name="stem")
    by_card, by_reference = (
        free("{{ a }} ||| c", name="x"),
        free("y", name="y", reference=f"translation of {source.id}"),
    )
    by_name, namesake = (
        free("z", name="stem_frmt", languages=()),
        free("w", name="stem", id="w", languages=("fr",)),
    )
    pairs = paired([by_card, by_reference, by_name, namesake], [source], {by_card.id: source.id})
    assert {uuid: pair.name for uuid, pair in pairs.items()} == dict.fromkeys(
        [by_card.id, by_reference.id, by_name.id, "w"], "stem"
    )
    assert language_of(by_name) == "fr"


def test_a_name_that_happens_to_end_like_a_language_is_no_translation() -> None:
    listed = [free("{{ a }} ||| b", name="fill"), free("{{ b }} ||| c", name="fill_it")]
    assert paired(listed, [], {}) == {}


def test_scripts_of_letters() -> None:
    assert [letter_script(c) for c in "aЖ字ａ1 ー"] == [
        "LATIN",
        "CYRILLIC",
        "CJK",
        "LATIN",
        None,
        None,
        "KATAKANA-HIRAGANA",
    ]
    assert share("абв xyz", "ru") == 0.5
    assert share("123", "ru") is None
    assert is_latin("sw")
    assert not is_latin("xx")
