"""A template put together again from translated segments, after every rule about tags was checked."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from mtft.errors import TemplateError
from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.template import Template
from mtft.prompting.translation.chunks import CLOSE_TAG, OPEN_TAG, Chunk, chunks
from mtft.prompting.translation.literals import quoted
from mtft.prompting.translation.segments import Segment, Skeleton, Tag, skeletons

TAG = re.compile(f"{OPEN_TAG}([0-9]{{1,6}}){CLOSE_TAG}")
_STRAY = re.compile(f"[{OPEN_TAG}{CLOSE_TAG}]")
_CODE = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True)
class Translation:
    """A translated template.

    Attributes:
        template: It.
        source: What it was translated from.
        origin: Who translated it.
    """

    template: Template
    source: Template
    origin: str


def translated_id(source: Template, language: str) -> str:
    """The id of a template's translation, the same whoever makes it."""
    return str(uuid5(UUID(source.id), language))


def target_problems(segment: Segment, target: str) -> list[str]:
    """What is wrong with a translation of one segment, as sentences; none if it can be used."""
    words = TAG.sub("", target)
    problems = [*_tag_problems(segment, target), *_word_problems(segment, words)]
    if not words.strip() and not target.strip():
        return ["The translation is empty."]
    return problems


def _tag_problems(segment: Segment, target: str) -> Iterator[str]:
    expected = {tag.number: tag for tag in segment.tags}
    found = [int(tag.group(1)) for tag in TAG.finditer(target)]
    for number, times in Counter(found).items():
        if number not in expected:
            yield f"The tag {OPEN_TAG}{number}{CLOSE_TAG} is not of this segment."
        elif times > 1:
            yield f"The tag {expected[number]} stands there {times} times."
    lost = [str(tag) for number, tag in expected.items() if number not in found]
    if lost:
        yield f"Lost: {', '.join(lost)}."
    if _STRAY.search(TAG.sub("", target)):
        yield f"A bracket {OPEN_TAG} or {CLOSE_TAG} is no part of a tag."
    if sorted(found) == sorted(expected) and _regions([expected[n] for n in found]) != _regions(segment.tags):
        yield "A tag crossed the border of a block: statements keep their order, values stay between them."


def _regions(tags: Sequence[Tag]) -> list[frozenset[int] | int]:
    """The statements in order, and between them the sets of values, whose order is free."""
    found: list[frozenset[int] | int] = [frozenset()]
    for tag in tags:
        last = found[-1]
        if tag.block:
            found += [tag.number, frozenset()]
        elif isinstance(last, frozenset):
            found[-1] = last | {tag.number}
    return found


def _word_problems(segment: Segment, words: str) -> Iterator[str]:
    if _CODE.search(words):
        yield "A translation must hold no Jinja code."
    allowed = segment.source.count(SEPARATOR) if segment.part == "string" else 0
    if words.count(SEPARATOR) != allowed:
        yield f"A translation must hold as many `{SEPARATOR}` as its source, {allowed}."
    if words.count("\n") != segment.source.count("\n"):
        yield "A translation must have as many lines as its source."
    unusable = sorted({f"U+{ord(c):04X}" for c in words if _unusable(c)})
    if unusable:
        yield f"Characters that are no text: {', '.join(unusable[:5])}."


def _unusable(character: str) -> bool:
    """Control characters, halves of surrogate pairs, characters that Unicode does not assign."""
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs", "Cn")


def translated(
    source: Template, language: str, targets: Mapping[str, str], *, name: str | None = None
) -> Template:
    """The template with its segments replaced.

    Args:
        source: The template.
        language: Code of the language translated into.
        targets: Segment id → translation, for every segment; their problems were looked for before.
        name: Of the new template; by default the source's with the language.

    Raises:
        TemplateError: Put together, words became code, or the template does not compile as its source does.
    """
    text, choices = skeletons(source)
    made = replace(
        source,
        id=translated_id(source, language),
        name=name or f"{source.name}_{language}",
        jinja=_assembled(text, targets, source),
        answer_choices=_assembled(choices, targets, source) if source.answer_choices is not None else None,
        reference=f"translation of {source.id}",
        metadata=replace(source.metadata, languages=(language,)),
        where="",
    )
    if made.fields() != source.fields():
        rule = "A translation must use the columns of its source."
        raise TemplateError(rule, found=sorted(made.fields() ^ source.fields()), where=source.place)
    return made


def _assembled(skeleton: Skeleton, targets: Mapping[str, str], source: Template) -> str:
    code = _translated_code(skeleton, targets)
    text = "".join(_unit_text(unit, code, targets) for unit in skeleton.units)
    expected = [code[number] for number, chunk in enumerate(skeleton.chunks) if chunk.kind != "text"]
    # Words next to code could make other code: "{" before "{{ x }}", "|" before "|||".
    if not _has_code(text, expected, _separators(skeleton.chunks)):
        rule = "Words of a translation must not become code beside a tag."
        raise TemplateError(rule, where=source.place, remedy="Put a space between braces, bars and tags.")
    return text


def _has_code(text: str, expected: Sequence[str], separators: int) -> bool:
    """Whether a text holds just this code, in any order, and so many separators."""
    try:
        cut = chunks(text)
    except TemplateError:
        return False
    code = [chunk.source for chunk in cut if chunk.kind != "text"]
    return Counter(code) == Counter(expected) and _separators(cut) == separators


def _separators(cut: Sequence[Chunk]) -> int:
    return sum(chunk.source.count(SEPARATOR) for chunk in cut if chunk.kind == "text")


def _unit_text(unit: str | int | Segment, code: Sequence[str], targets: Mapping[str, str]) -> str:
    if isinstance(unit, str):
        return unit
    if isinstance(unit, int):
        return code[unit]
    return _filled(unit, targets[unit.id], code)


def _filled(segment: Segment, target: str, code: Sequence[str]) -> str:
    """A translation with its tags' code."""
    chunk_of = {str(tag.number): tag.chunk for tag in segment.tags}
    fill: Callable[[re.Match[str]], str] = lambda found: code[chunk_of[found.group(1)]]  # noqa: E731
    return TAG.sub(fill, target.strip())


def _translated_code(skeleton: Skeleton, targets: Mapping[str, str]) -> list[str]:
    """The source of every chunk, with translated strings in code."""
    sources = [chunk.source for chunk in skeleton.chunks]
    strings = [s.string for s in skeleton.strings if s.string is not None]
    for segment, string in sorted(
        zip(skeleton.strings, strings, strict=True), key=lambda p: p[1], reverse=True
    ):
        if targets[segment.id] != segment.source:  # an unchanged string keeps its quotes
            source = sources[string.chunk]
            sources[string.chunk] = (
                source[: string.start] + quoted(targets[segment.id]) + source[string.end :]
            )
    return sources
