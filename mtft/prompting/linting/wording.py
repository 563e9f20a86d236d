"""Rules on the language that a prompt's words and choices are in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mtft.prompting.linting.case import Case
from mtft.prompting.linting.english import CHOICE_WORDS, FUNCTION_WORDS, TASK_WORDS
from mtft.prompting.linting.finding import CHOICES, LANGUAGES, Found, rule
from mtft.prompting.linting.scripts import is_latin, scripts, share
from mtft.prompting.linting.view import words

_FEW_LETTERS = 6
_MANY_WORDS = 8
_HALF = 0.5
_RUN = re.compile(r"[A-Za-z][A-Za-z'’]*(?:[ \t]+[A-Za-z][A-Za-z'’]*)+")
_ENOUGH_ENGLISH = 3  # distinct words, in one line


@rule("script", "error", "Most letters are of the language's script.")
def script(case: Case) -> Iterator[Found]:
    """A language tag that the text belies, or a text that was never translated."""
    text = " ".join([*case.view.written(), *(case.view.choices or ())])
    found = scripts(text)
    if case.language is None or found.total() < _FEW_LETTERS:
        return
    ratio = share(text, case.language)
    if ratio is not None and ratio < _HALF:
        most = found.most_common(1)[0][0].lower()
        yield Found(
            f"is said to be in `{case.language}`; {1 - ratio:.0%} of its letters are not"
            f" of that language's script, most are {most}.",
            LANGUAGES,
        )


@rule("english-expected", "warning", "A prompt tagged `en` has English words.")
def english_expected(case: Case) -> Iterator[Found]:
    """Text in Latin letters without one of the commonest English words."""
    found = words(" ".join(case.view.written()))
    if case.language == "en" and len(found) >= _MANY_WORDS:
        known = {word.casefold() for word in found} & (FUNCTION_WORDS | TASK_WORDS)
        if not known:
            yield Found(
                f"is said to be in `en`; none of its {len(found)} words is a common English one.", LANGUAGES
            )


@rule("leftover-english", "warning", "A prompt in another language holds no English phrases.")
def leftover_english(case: Case) -> Iterator[Found]:
    """Words that the translation passed over."""
    if case.language in (None, "en", "pcm", "zxx"):
        return
    find = _common_words if is_latin(str(case.language)) else _latin_phrase
    for item in case.view.texts():
        for number, line in enumerate(item.text.split("\n")):
            if (phrase := find(line)) is not None:
                yield Found(f"shows English words: {phrase!r}.", line=item.line + number)
    for text, place in case.view.literals():
        if is_english(text, str(case.language)):
            yield Found(f"writes an English string: {text!r}.", line=place)


def is_english(text: str, language: str) -> bool:
    """Whether a text holds words that are English and cannot be of the language too."""
    found = {word.casefold() for word in words(text)}
    return bool(found & (FUNCTION_WORDS | CHOICE_WORDS | (frozenset() if is_latin(language) else TASK_WORDS)))


def _latin_phrase(line: str) -> str | None:
    """Latin words side by side, one of them common English."""
    for run in _RUN.finditer(line):
        if {word.casefold() for word in run.group().split()} & (FUNCTION_WORDS | TASK_WORDS):
            return run.group()
    return None


def _common_words(line: str) -> str | None:
    """A line with several English words that no other language in Latin letters shares."""
    found = [word for word in words(line) if word.casefold() in FUNCTION_WORDS]
    return " ".join(found) if len({word.casefold() for word in found}) >= _ENOUGH_ENGLISH else None


@rule("choices-script", "error", "The choices are all in the prompt's script, or none is.")
def choices_script(case: Case) -> Iterator[Found]:
    """Choices of which some were translated."""
    if case.language is None:
        return
    shares = {choice: share(choice, case.language) for choice in case.view.choices or ()}
    foreign = [choice for choice, value in shares.items() if value is not None and value < _HALF]
    own = [choice for choice, value in shares.items() if value is not None and value >= _HALF]
    if foreign and own:
        shown = ", ".join(foreign[:5])
        yield Found(
            f"has choices in the script of `{case.language}` and others that are not: {shown}.", CHOICES
        )
    elif foreign and not is_latin(case.language) and any(_is_english(choice) for choice in foreign):
        shown = ", ".join(foreign[:5])
        yield Found(f"has English choices: {shown}.", CHOICES, severity="warning")


def _is_english(choice: str) -> bool:
    return any(word.casefold() in FUNCTION_WORDS | TASK_WORDS for word in words(choice))
