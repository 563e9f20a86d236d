"""English words that tell English from other languages, and words whose wrong sense translators pick."""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Common in prompts, and words of no other language in Latin letters that the library is likely to meet.
FUNCTION_WORDS = _words(
    """
    the of and which what this these those following that from with should does did between whether can
    could would you your they their there given how why when where who whose because about into each
    """
)
TASK_WORDS = _words(
    """
    question answer sentence sentences text passage paragraph article premise hypothesis title summary
    summarize write choose choice choices true false yes maybe never always sometimes correct wrong right
    following translate language word words meaning category topic review statement story ending if not
    is are it in on to or for options option context document positive negative possible impossible annotations
    """
)
# Choices that are English and nothing else; `No`, for one, is Spanish and Italian too.
CHOICE_WORDS = _words(
    """
    yes maybe true false neither always never sometimes right wrong correct incorrect likely unlikely both
    undecided guaranteed
    """
)

# English choice → language → words that mean something else: a translation service without context reads
# "No" as the abbreviation of number, "Right" as a direction and "May" as a month.
# Source: field notes on the machine-translated templates of xP3mt (Arabic and Telugu); the other rows are the
# same words in further languages.
_NUMBER = {
    "ar": ("رقم",), "te": ("నం", "నం.", "సంఖ్య"), "hi": ("संख्या", "नंबर"), "ur": ("نمبر",), "fa": ("شماره",),
    "bn": ("নম্বর", "সংখ্যা", "নং"), "mr": ("क्रमांक", "संख्या"), "gu": ("નંબર", "સંખ્યા", "નં"),
    "ta": ("எண்",), "kn": ("ಸಂಖ್ಯೆ",), "ml": ("നമ്പർ",), "pa": ("ਨੰਬਰ",), "ne": ("नम्बर",), "ja": ("番号",),
    "zh": ("号", "编号", "号码", "數", "數字", "数字"), "ko": ("번호",), "th": ("หมายเลข", "เลขที่"),
    "vi": ("số",), "id": ("nomor", "nomer"), "sw": ("nambari",), "tr": ("numara",), "fr": ("numéro", "n°"),
    "es": ("número", "núm", "núm."), "pt": ("número",), "ca": ("número",), "it": ("numero",),
    "de": ("nummer", "nr."), "ru": ("номер", "№"), "bg": ("номер", "№"), "el": ("αριθμός",),
    "eu": ("zenbakia",), "yo": ("nọmba",), "ig": ("nọmba",),
}  # fmt: skip
_DIRECTION = {
    "zh": ("右", "右边", "右侧"), "ja": ("右",), "ko": ("오른쪽",), "es": ("derecha",), "fr": ("droite", "à droite"),
    "pt": ("direita",), "it": ("destra",), "de": ("rechts",), "ru": ("направо", "правый"), "id": ("kanan",),
    "vi": ("bên phải",), "tr": ("sağ",), "ar": ("يمين",), "hi": ("दायां", "दाएं"), "sw": ("kulia",),
    "el": ("δεξιά",), "bg": ("дясно", "надясно"), "th": ("ขวา",),
}  # fmt: skip
_MONTH = {"es": ("mayo",), "fr": ("mai",), "pt": ("maio",), "zh": ("五月",), "ja": ("5月",), "ar": ("مايو",)}
WRONG_SENSES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "no": _NUMBER,
    "right": _DIRECTION,
    "may": _MONTH,
}
