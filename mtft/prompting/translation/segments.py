"""A template as segments to translate: a line of words, with numbered tags in place of its code.

    Premise: {{ premise }}          →   Premise: ⟦1⟧
    Is it true that "{{ text }}"?   →   Is it true that "⟦2⟧"?

Text is cut at line breaks and at `|||`; lines without a letter stay as they are. A tag's number is used once in
a template, so a tag that strays into another segment is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, NamedTuple

from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.template import Template
from mtft.prompting.translation.chunks import CLOSE_TAG, OPEN_TAG, Chunk, chunks
from mtft.prompting.translation.literals import Literal as CodeString
from mtft.prompting.translation.literals import written_literals

Part = Literal["input", "target", "choice", "string"]
_BREAKS = {"text": re.compile(r"(\|\|\||\n)"), "choices": re.compile(r"(\|\|\|)")}


class Tag(NamedTuple):
    """Code within a segment.

    Attributes:
        number: Of the tag, from 1.
        chunk: Number of its chunk.
        source: The code.
        block: Whether it is a statement, whose order must stay; a value may move.
    """

    number: int
    chunk: int
    source: str
    block: bool

    def __str__(self) -> str:
        return f"{OPEN_TAG}{self.number}{CLOSE_TAG}"


@dataclass(frozen=True)
class Segment:
    """What is translated as one.

    Attributes:
        part: Where it stands; a `string` stands in code.
        number: Of the line within its part; of a choice among all choices.
        source: The words, with tags.
        tags: Those in it, in order.
        string: A string's place in the code.
        in_choices: Whether it is part of the choices' text.
    """

    part: Part
    number: int
    source: str
    tags: tuple[Tag, ...] = ()
    string: CodeString | None = None
    in_choices: bool = False

    @property
    def id(self) -> str:
        """Unique in the template, `input.1`."""
        return f"{self.part}.{self.number}"


Unit = str | int | Segment  # words that stay, the number of a chunk of code, or a segment


@dataclass(frozen=True)
class Skeleton:
    """A Jinja text taken apart.

    Attributes:
        chunks: Its words and code.
        units: What it is put together from.
        strings: The segments within its code.
    """

    chunks: tuple[Chunk, ...]
    units: tuple[Unit, ...]
    strings: tuple[Segment, ...] = ()

    @property
    def segments(self) -> list[Segment]:
        """What is to be translated, lines first."""
        return [unit for unit in self.units if isinstance(unit, Segment)] + list(self.strings)


def segments_of(template: Template) -> list[Segment]:
    """What of a template is to be translated: lines of its text, its choices, strings in its code.

    Raises:
        TemplateError: Its code is not closed.
    """
    text, choices = skeletons(template)
    return text.segments + choices.segments


def skeletons(template: Template) -> tuple[Skeleton, Skeleton]:
    """The template's text and its choices, taken apart; tags and strings are numbered over both.

    Raises:
        TemplateError: Its code is not closed.
    """
    numbers, strings = count(1), count(1)
    text = _skeleton(template.jinja, "text", numbers, strings)
    return text, _skeleton(template.answer_choices or "", "choices", numbers, strings)


def _skeleton(jinja: str, kind: str, numbers: Iterator[int], strings: Iterator[int]) -> Skeleton:
    cut = chunks(jinja)
    in_choices = kind == "choices"
    units = tuple(_units(cut, kind, numbers))
    found = tuple(
        Segment("string", next(strings), literal.text, string=literal, in_choices=in_choices)
        for literal in written_literals(cut)
    )
    return Skeleton(tuple(cut), units, found)


def _units(cut: Sequence[Chunk], kind: str, numbers: Iterator[int]) -> Iterator[Unit]:
    """The units of a text; lines and choices are counted on the way."""
    part: Part = "input" if kind == "text" else "choice"
    line: list[str | int] = []
    number = 1
    for item in _items(cut, _BREAKS[kind]):
        if item not in ("\n", SEPARATOR):
            line.append(item)
            continue
        yield from _line(line, cut, part, number, numbers)
        yield item
        line, number = [], number + 1
        if item == SEPARATOR and part == "input":
            part, number = "target", 1
    yield from _line(line, cut, part, number, numbers)


def _items(cut: Sequence[Chunk], breaks: re.Pattern[str]) -> Iterator[str | int]:
    """Words, breaks, and the numbers of chunks of code."""
    for number, chunk in enumerate(cut):
        if chunk.kind == "text":
            yield from filter(None, breaks.split(chunk.source))
        else:
            yield number


def _line(
    items: list[str | int], cut: Sequence[Chunk], part: Part, number: int, numbers: Iterator[int]
) -> Iterator[Unit]:
    """The units of one line: a segment where it has words, between what may stay as it is."""
    if not any(isinstance(item, str) and any(map(str.isalpha, item)) for item in items):
        yield from items
        return
    start, end = 0, len(items)
    while _stays(items[start], cut):
        start += 1
    while _stays(items[end - 1], cut):
        end -= 1
    yield from items[:start]
    yield from _segment(items[start:end], cut, part, number, numbers)
    yield from items[end:]


def _stays(item: str | int, cut: Sequence[Chunk]) -> bool:
    """Whether something at a line's end needs no translator: white space, a statement."""
    return not item.strip() if isinstance(item, str) else cut[item].kind in ("block", "comment")


def _segment(
    items: Sequence[str | int], cut: Sequence[Chunk], part: Part, number: int, numbers: Iterator[int]
) -> Iterator[Unit]:
    """The segment of a line's middle, and the white space at its ends."""
    tags = {
        at: Tag(next(numbers), item, cut[item].source, cut[item].kind != "value")
        for at, item in enumerate(items)
        if isinstance(item, int)
    }
    whole = "".join(item if isinstance(item, str) else str(tags[at]) for at, item in enumerate(items))
    source = whole.strip()
    before = whole[: len(whole) - len(whole.lstrip())]
    if before:
        yield before
    yield Segment(part, number, source, tuple(tags.values()), in_choices=part == "choice")
    after = whole[len(before) + len(source) :]
    if after:
        yield after
