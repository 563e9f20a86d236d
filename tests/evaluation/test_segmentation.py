"""Tokens of scripts without spaces, and what follows for exact match, F1 and ROUGE."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.evaluation.answers import answer_tokens, exact_match, normalised, token_f1
from mtft.evaluation.metrics.rouge import UnicodeTokens, rouge
from mtft.evaluation.segmentation import segmented, stands_alone


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("在1990年 ok", ["在", "1990", "年", "ok"]),
        ("人々〇", ["人", "々", "〇"]),  # IDEOGRAPHIC in Unicode's names, not CJK
        ("ﾃﾚﾋﾞ", ["ﾃ", "ﾚ", "ﾋ", "ﾞ"]),
        ("กินข้าว", ["กิ", "น", "ข้", "า", "ว"]),
        ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("ພາສາລາວ", ["ພ", "າ", "ສ", "າ", "ລ", "າ", "ວ"]),
        ("한국어 문장", ["한국어", "문장"]),  # Korean has spaces
        ("می\u200cخواهم", ["میخواهم"]),
        ("ភាសា\u200bខ្មែរ", ["ភា", "សា", "ខ្", "មែ", "រ"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
    ],
)
def test_one_token_per_character_only_where_words_have_no_spaces(text: str, tokens: list[str]) -> None:
    assert segmented(text) == tokens


def test_signs_and_punctuation_never_stand_alone() -> None:
    assert stands_alone("年")
    assert stands_alone("ไ")
    assert not any(stands_alone(c) for c in "\u0e34。、éا한a1 ")


@given(st.text(alphabet=st.sampled_from("在年กิ้aé 1ー"), max_size=12))
def test_nothing_is_lost(text: str) -> None:
    assert "".join(segmented(text)) == "".join(text.split())


def test_a_space_within_chinese_is_no_difference() -> None:
    """MLQA compares the segmented answers: so does exact match here."""
    assert exact_match("1990 年", ["1990年"], "zh") == 1.0
    assert exact_match("北 京。", ["北京"], "zh") == 1.0
    assert exact_match("New York", ["NewYork"], "en") == 0.0


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("los gatos", "es", "gatos"),
        ("einem Haus", "de", "haus"),
        ("the theory", "en", "theory"),  # an article is a whole word
        ("la casa", "en", "la casa"),
        ("le chat", "fr", "le chat"),  # MLQA has no articles of languages that are not its own
        ("của tôi", "vi", "tôi"),
        ("والكتاب", "ar", "و كتاب"),  # within a word, as MLQA does
        ("“Nile”—river…", "en", "nileriver"),  # every punctuation of Unicode, not ASCII's alone
        ("x^2 + y", "en", "x2 y"),
    ],
)
def test_articles_and_punctuation(text: str, language: str, expected: str) -> None:
    assert normalised(text, language) == expected


def test_f1_of_thai_is_of_characters_not_of_the_whole_answer() -> None:
    """SQuAD's own script splits at spaces: a Thai answer would be one token, right or wrong."""
    assert token_f1("กรุงเทพ", ["กรุงเทพมหานคร"], "th") == pytest.approx(
        2 * 6 / (6 + len(answer_tokens("กรุงเทพมหานคร", "th")))
    )
    assert 0 < token_f1("東京都", ["東京"], "ja") < 1


def test_the_best_reference_counts_and_tokens_are_counted_as_often_as_they_stand() -> None:
    assert token_f1("mto mto", ["bahari", "mto"], "sw") == pytest.approx(2 * 1 / 3)
    assert exact_match("mto", ["bahari", "mto"], "sw") == 1.0


@pytest.mark.parametrize("language", ["zh", "ja", "th", "my", "km", "lo"])
def test_rouge_of_unsegmented_scripts(language: str) -> None:
    texts = {
        "zh": ("河很宽", "河很深"), "ja": ("川は広い", "川は深い"), "th": ("น้ำลึก", "น้ำใส"),
        "my": ("မြစ်ကျယ်", "မြစ်နက်"), "km": ("ទន្លេធំ", "ទន្លេតូច"), "lo": ("ນ້ຳເລິກ", "ນ້ຳໃສ"),
    }  # fmt: skip
    made, wanted = texts[language]
    found = rouge(made, (wanted,), language)
    assert 0 < found.rouge_2.f < found.rouge_1.f < 1
    assert 0 < found.rouge_l.f <= found.rouge_1.f
    assert UnicodeTokens().tokenize(made + "。") == UnicodeTokens().tokenize(made)


def test_rouge_1_and_2_by_hand() -> None:
    found = rouge("mto ni mpana sana", ("mto ni mkubwa",), "sw")
    assert found.rouge_1 == pytest.approx((2 / 4, 2 / 3, 4 / 7))
    assert found.rouge_2 == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    # Each kind has its own best reference.
    both = rouge("a b c d", ("a b x y z", "d c b a"), "sw")
    assert both.rouge_1.f == 1.0
    assert both.rouge_2.f == pytest.approx(2 * 1 / (3 + 4))


# --- MLQA's rules, said once more in another way

ARTICLES = {
    "en": "a an the", "es": "un una unos unas el la los las",
    "de": "ein eine einen einem eines einer der die das den dem des", "vi": "của là cái chiếc những", "hi": "",
}  # fmt: skip
WORDS = [w for words in ARTICLES.values() for w in words.split()] + [
    "Nil",
    "nil.",
    "río",
    "नदी",
    "x-y",
    "$5",
    "«an»",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


def by_mlqa(text: str, language: str) -> list[str]:
    """Tokens of a language with spaces: lower case, no punctuation, no articles."""
    kept = "".join(
        c for c in text.lower() if not unicodedata.category(c).startswith("P") and c not in string.punctuation
    )
    return [word for word in kept.split() if word not in ARTICLES[language].split()]


@given(TEXTS, TEXTS, st.sampled_from(sorted(ARTICLES)))
def test_languages_with_spaces_follow_mlqa(made: str, wanted: str, language: str) -> None:
    one, two = by_mlqa(made, language), by_mlqa(wanted, language)
    assert answer_tokens(made, language) == one
    assert exact_match(made, [wanted], language) == float(one == two)
    shared = sum((Counter(one) & Counter(two)).values())
    if one and two:
        precision, recall = shared / len(one), shared / len(two)
        expected = 2 * precision * recall / (precision + recall) if shared else 0.0
        assert token_f1(made, [wanted], language) == pytest.approx(expected)


@given(st.text(alphabet=st.sampled_from("在年北京1 a，9b"), max_size=10))
def test_chinese_is_segmented_as_in_mlqa(text: str) -> None:
    kept = "".join(c for c in text.lower() if not unicodedata.category(c).startswith("P"))
    assert answer_tokens(text, "zh") == re.findall(r"[\u4e00-\u9fa5]|[^\s\u4e00-\u9fa5]+", kept)
