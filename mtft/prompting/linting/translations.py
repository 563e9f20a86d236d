"""Rules on a translation beside its source (`pairing.py` says which is which)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mtft.prompting.linting.case import Case
from mtft.prompting.linting.choices import absent_choices
from mtft.prompting.linting.english import CHOICE_WORDS, WRONG_SENSES
from mtft.prompting.linting.finding import CHOICES, IN_PROMPT, Found, rule
from mtft.prompting.linting.labelled import labelled
from mtft.prompting.linting.view import View, words
from mtft.prompting.linting.wording import is_english

_FEW_WORDS = 2


@rule("translation-placeholders", "error", "A translation has the columns and code of its source, as often.")
def placeholders(case: Case) -> Iterator[Found]:
    """Code that a translation lost, doubled, changed or moved to the other side of the separator."""
    if case.source is None:
        return
    for target, side in ((False, "input"), (True, "target")):
        own, source = _code(case.view, target), _code(case.source, target)
        lost, added = source - own, own - source
        if lost or added:
            parts = [*_listed("lacks", lost), *_listed("adds", added)]
            yield Found(
                f"is a translation of `{case.source.template.name}` and in the {side} {', '.join(parts)}."
            )


def _code(view: View, target: bool) -> Counter[str]:
    return Counter(item.text for item in view.code(target=target) if item.text != "…")


def _listed(verb: str, found: Counter[str]) -> list[str]:
    return [f"{verb} {', '.join(f'`{name}`' for name in sorted(found.elements()))}"] if found else []


@rule(
    "swapped-placeholders",
    "warning",
    "The same word introduces the same column in all templates of a language.",
)
def swapped(case: Case) -> Iterator[Found]:
    """Labels that changed places and columns that did not, as when code is put back by position."""
    own = labelled(case.view)
    if (pair := _crossed(own, case.labels.get(case.language or "", Counter()))) is not None:
        (label, column), other = pair
        message = (
            f"introduces `{column}` by {label!r}, which introduces `{other}` in the other templates"
            f" in `{case.language}`."
        )
        yield Found(message, severity="error" if case.source is not None else "warning")
        return
    if case.source is not None:
        order, source = [name for _, name in own], [name for _, name in labelled(case.source)]
        if order != source and sorted(order) == sorted(source):
            yield Found(
                f"shows {', '.join(f'`{n}`' for n in order)} under labels, in another order than"
                f" `{case.source.template.name}`: see that no two were swapped."
            )


def _crossed(
    own: list[tuple[str, str]], known: Counter[tuple[str, str]]
) -> tuple[tuple[str, str], str] | None:
    """A label and column whose label belongs to another column here, which does not keep its own either."""
    for label, column in own:
        other = _usual_column(label, column, known)
        theirs = [text for text, name in own if name == other]
        single = sum(text == label for text, _ in own) == 1
        if other is not None and theirs and single and all(known[(text, other)] <= 1 for text in theirs):
            return (label, column), other
    return None


def _usual_column(label: str, column: str, known: Counter[tuple[str, str]]) -> str | None:
    """The column that a label introduces elsewhere, where no other template agrees with this one."""
    if known[(label, column)] > 1:
        return None
    elsewhere = Counter(
        {name: count for (text, name), count in known.items() if text == label and name != column}
    )
    return elsewhere.most_common(1)[0][0] if elsewhere else None


@rule("translation-choices", "error", "A translation has as many choices as its source.")
def choices(case: Case) -> Iterator[Found]:
    """Choices that were lost, or that became free text."""
    if case.source is None:
        return
    own, source = case.view, case.source
    if own.has_choices != source.has_choices:
        have = ("has choices", "has none") if own.has_choices else ("has no choices", "has some")
        yield Found(f"{have[0]}; its source `{source.template.name}` {have[1]}.", CHOICES)
    elif (own.choices is None) != (source.choices is None):
        yield Found(
            f"has choices that {'depend' if own.choices is None else 'do not depend'} on the row;"
            f" those of its source `{source.template.name}` do the opposite.",
            CHOICES,
        )
    elif own.choices is not None and len(own.choices) != len(source.choices or ()):
        yield Found(
            f"has {len(own.choices)} choices; its source `{source.template.name}` has"
            f" {len(source.choices or ())}.",
            CHOICES,
        )


@rule("translation-choices-in-prompt", "error", "A translation shows its choices where its source does.")
def choices_in_prompt(case: Case) -> Iterator[Found]:
    """Choices that were translated one by one, into other words than the prompt uses for them."""
    source = case.source
    if source is None or case.view.choices is None or not source.choices or absent_choices(source):
        return
    if case.template.metadata.choices_in_prompt is not True and (absent := absent_choices(case.view)):
        yield Found(
            f"does not show the choices {', '.join(absent)}; its source `{source.template.name}` shows all"
            " of its.",
            IN_PROMPT,
        )


@rule("choice-sense", "error", "A choice has the sense that the source means.")
def choice_sense(case: Case) -> Iterator[Found]:
    """`No` translated as the abbreviation of number, `Right` as a direction."""
    source = (case.source.choices if case.source is not None else None) or ()
    language = (case.language or "").partition("_")[0]
    for number, choice in enumerate(case.view.choices or ()):
        if source and number >= len(source):
            return
        english = source[number].casefold() if source else "no"  # the one trap that shows without a source
        if choice.casefold() in WRONG_SENSES.get(english, {}).get(language, ()) and (source or number):
            yield Found(
                f"has the choice {choice!r}, which is `{english.capitalize()}` in another sense.", CHOICES
            )


@rule("untranslated", "error", "Every line and string of the source was translated.")
def untranslated(case: Case) -> Iterator[Found]:
    """Lines, strings in code and choices that are still those of the source."""
    if case.source is None or case.language in (None, case.source.template.language):
        return
    lines = _lines(case.source)
    for item in case.view.texts():
        for number, line in enumerate(item.text.split("\n")):
            if " ".join(line.split()) in lines:
                yield Found(f"shows a line of its source: {line.strip()!r}.", line=item.line + number)
    strings = {text for text, _ in case.source.literals() if is_english(text, str(case.language))}
    for text, place in case.view.literals():
        if text in strings:
            yield Found(f"writes a string of its source: {text!r}.", line=place)
    yield from _untranslated_choices(case)


def _lines(view: View) -> set[str]:
    """Lines with enough words to tell a language."""
    found = (" ".join(line.split()) for item in view.texts() for line in item.text.split("\n"))
    return {line for line in found if len(words(line)) > _FEW_WORDS}


def _untranslated_choices(case: Case) -> Iterator[Found]:
    source = (case.source.choices if case.source is not None else None) or ()
    kept = [choice for choice, other in zip(case.view.choices or (), source, strict=False) if choice == other]
    english = [choice for choice in kept if choice.casefold() in CHOICE_WORDS]
    if english:
        yield Found(f"has choices of its source: {', '.join(english)}.", CHOICES)


@rule("translation-extra-text", "error", "A target has words of its own only where the source's has.")
def extra_text(case: Case) -> Iterator[Found]:
    """Words in the target that are code in the source, such as a translated `if`."""
    if case.source is None:
        return
    if not _has_words(case.source) and _has_words(case.view):
        text = " ".join(" ".join(item.text for item in case.view.texts(target=True)).split())
        yield Found(
            f"writes {text!r} in the target; its source `{case.source.template.name}` has no words there."
        )


def _has_words(view: View) -> bool:
    return any(any(map(str.isalpha, item.text)) for item in view.texts(target=True))
