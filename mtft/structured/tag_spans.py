"""Spans out of tags, whichever way their beginnings and ends are marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

OUTSIDE = "O"
_BEGINS = frozenset("BSU")
_ENDS = frozenset("ESLU")
_PREFIXES = _BEGINS | _ENDS | {"I"}


class Span(NamedTuple):
    """Words `start` up to `end`, without the last, and what they are."""

    start: int
    end: int
    type: str


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and type. Examples: `B-AM-NEG` is `("B", "AM-NEG")`, a plain `NOUN` is `("S", "NOUN")`."""
    prefix, dash, kind = tag.partition("-")
    return (prefix, kind) if dash and kind and prefix in _PREFIXES else ("S", tag)


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence's tags: IOB1, IOB2, IOBES or BILOU; every plain tag is a span of one word.

    An `I-` that follows no tag of its type begins a span, and so does an `E-` or `L-`. `O` and "" are outside.

    Example: `B-PER I-PER O I-LOC` gives `[(0, 2, "PER"), (3, 4, "LOC")]`.

    Source: Tjong Kim Sang & Buchholz 2000, "Introduction to the CoNLL-2000 shared task: chunking", the reading of
    its `conlleval`; seqeval 1.2.2 `get_entities` is the same.
    """
    found: list[Span] = []
    open_: tuple[int, str] | None = None
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = split_tag(tag) if tag not in ("", OUTSIDE) else ("", "")
        if open_ and (not kind or prefix in _BEGINS or kind != open_[1]):
            found.append(Span(open_[0], place, open_[1]))
            open_ = None
        if kind and open_ is None:
            open_ = (place, kind)
        if open_ and prefix in _ENDS:
            found.append(Span(open_[0], place + 1, open_[1]))
            open_ = None
    return found


def bio_tags(spans: Sequence[Span], length: int) -> tuple[str, ...]:
    """The tags of a sentence of so many words in IOB2: every span begins with `B-`."""
    tags = [OUTSIDE] * length
    for start, end, kind in spans:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tuple(tags)
