"""Tagged sentences as text, four styles of one codec, and back; malformed text is read as far as it goes.

    sentinel   <extra_id_0>He <extra_id_1>said              <extra_id_0>O <extra_id_1>O
    index      [0] He [1] said                              [0] O [1] O
    spans      Amina lives in Kano                          <PER> Amina </PER> lives in <LOC> Kano </LOC>
    words      He said                                      <PRON> He </PRON> <VERB> said </VERB>

On the left what a model reads, on the right what it writes.

Source: `sentinel` is the sentinel + tag format of Raman et al. 2022, "Transforming Sequence Tagging Into A Seq2Seq
Task", EMNLP, arXiv 2203.08378; inline tags as in TANL, Paolini et al. 2021, arXiv 2101.05779. Vocabularies without
sentinels take `index`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple, get_args

from mtft.errors import StructureError, nearest
from mtft.structured.escaping import escaped, unescaped
from mtft.structured.tag_spans import OUTSIDE, spans_of

TagStyle = Literal["sentinel", "index", "spans", "words"]
TAG_STYLES: tuple[TagStyle, ...] = get_args(TagStyle)
VERSION = "tagged-1"
SENTINELS = tuple(f"<extra_id_{number}>" for number in range(100))  # as many as mT5's vocabulary has
_MARKED = {"sentinel": ("<extra_id_{}>", ""), "index": ("[{}]", " ")}
_MARKS = {"sentinel": re.compile(r"<extra_id_(\d{1,6})>"), "index": re.compile(r"\[(\d{1,6})\]")}
_TAG = re.compile(r"[^\s<>\[\]\\/][^\s<>\[\]\\]*")
_ELEMENT = re.compile(r"<(/?)([^\s<>\[\]\\/][^\s<>\[\]\\]*)>")
_SENTINEL_TAG = re.compile(r"extra_id_\d+")


class TagItem(NamedTuple):
    """What an output says of one word: which (its number, or itself), and its tag; "" where it says none."""

    key: str
    tag: str


class ParsedTags(NamedTuple):
    """An output as read.

    Attributes:
        items: In the order of the text.
        malformed: Whether any part could not be read.
    """

    items: tuple[TagItem, ...]
    malformed: bool


class TagReading(NamedTuple):
    """An output laid beside the words that it should tag.

    Attributes:
        tags: One for each of these words, "" where the output gives none.
        malformed: Whether any part could not be read.
        copy_mismatch: Whether other words, or numbers, stand in it than should.
    """

    tags: tuple[str, ...]
    malformed: bool
    copy_mismatch: bool


def written_words(words: Sequence[str], style: str = "spans") -> str:
    """The sentence as a model reads it.

    Raises:
        StructureError: The style is unknown, or a word is empty or no text.
    """
    _check(words, None, style)
    if style not in _MARKED:
        return " ".join(map(escaped, words))
    mark, apart = _MARKED[style]
    return " ".join(f"{mark.format(number)}{apart}{escaped(word)}" for number, word in enumerate(words))


def written_tags(words: Sequence[str], tags: Sequence[str], style: str = "spans") -> str:
    r"""The tagged sentence as a model writes it.

    Args:
        words: The words, any text but an empty one.
        tags: One for each. For `spans` in BIO or a like scheme; they come back as IOB2.
        style: One of `TAG_STYLES`.

    Raises:
        StructureError: The style is unknown, a word is empty, a tag holds white space or one of `<>[]\`, begins
            with `/` or is like a sentinel, or there are not as many tags as words.
    """
    _check(words, tags, style)
    if style in _MARKED:
        mark, apart = _MARKED[style]
        return " ".join(f"{mark.format(number)}{apart}{tag}" for number, tag in enumerate(tags))
    if style == "words":
        return " ".join(f"<{tag}> {escaped(word)} </{tag}>" for word, tag in zip(words, tags, strict=True))
    parts = [escaped(word) for word in words]
    for start, end, kind in spans_of(tags):
        parts[start] = f"<{kind}> {parts[start]}"
        parts[end - 1] = f"{parts[end - 1]} </{kind}>"
    return " ".join(parts)


def style_of(target: str) -> TagStyle:
    """The style of a text that `written_tags` made; `spans` stands for both inline styles."""
    marked: tuple[TagStyle, TagStyle] = ("sentinel", "index")
    return next((style for style in marked if _MARKS[style].match(target)), "spans")


def parse_tags(text: str, style: str) -> ParsedTags:
    """What a text in a style says; in `words` an element must hold one word, whose tag is its name.

    Raises:
        StructureError: The style is unknown.
    """
    _known(style)
    if style in _MARKED:
        return _parse_marked(text, _MARKS[style])
    parsed = _parse_inline(text)
    if style == "spans":
        return parsed
    items = tuple(TagItem(key, tag[2:] if tag.startswith("B-") else "") for key, tag in parsed.items)
    return ParsedTags(items, parsed.malformed or any(not item.tag for item in items))


def read_tags(text: str, style: str, words: Sequence[str]) -> TagReading:
    """The tags that an output gives these words.

    Where the output's words differ, those in common are found by the longest matching blocks, and only they have
    tags; of a number that stands twice the first counts.

    Raises:
        StructureError: The style is unknown.
    """
    parsed = parse_tags(text, style)
    keys = [str(number) for number in range(len(words))] if style in _MARKED else list(words)
    return aligned(parsed, keys, by_number=style in _MARKED)


def aligned(parsed: ParsedTags, keys: Sequence[str], *, by_number: bool) -> TagReading:
    """The tags of the words with these keys (see `read_tags`)."""
    got = [item.key for item in parsed.items]
    tags = [""] * len(keys)
    if by_number:
        first = {item.key: item.tag for item in reversed(parsed.items)}
        tags = [first.get(key, "") for key in keys]
    else:
        for ours, wanted, size in _blocks(got, list(keys)):
            tags[wanted : wanted + size] = [item.tag for item in parsed.items[ours : ours + size]]
    return TagReading(tuple(tags), parsed.malformed, got != list(keys))


def _blocks(got: list[str], wanted: list[str]) -> list[tuple[int, int, int]]:
    if got == wanted:
        return [(0, 0, len(got))]
    matcher = SequenceMatcher(None, got, wanted, autojunk=False)
    return [(block.a, block.b, block.size) for block in matcher.get_matching_blocks()]


def _parse_marked(text: str, mark: re.Pattern[str]) -> ParsedTags:
    """`mark tag` pairs; what stands before the first mark, and what is no tag, is malformed."""
    head, *rest = mark.split(text)
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    tags = [part.strip() if _TAG.fullmatch(part.strip()) else "" for _, part in pairs]
    items = [TagItem(str(int(number)), tag) for (number, _), tag in zip(pairs, tags, strict=True)]
    return ParsedTags(tuple(items), bool(head.strip()) or not items or not all(tags))


def _parse_inline(text: str) -> ParsedTags:
    """Words and elements, as IOB2; an element that is not closed, or closed by another name, still counts."""
    items: list[TagItem] = []
    open_, first, malformed = "", True, False
    for part in _ELEMENT.sub(r" \g<0> ", text).split():
        found = _ELEMENT.fullmatch(part)
        if found is None:
            malformed |= "<" in part or "[" in part
            tag = f"{'B' if first else 'I'}-{open_}" if open_ else OUTSIDE
            items.append(TagItem(unescaped(part), tag))
            first = False
        elif found[1]:
            malformed |= found[2] != open_ or first
            open_ = ""
        else:
            malformed |= bool(open_)
            open_, first = found[2], True
    return ParsedTags(tuple(items), malformed or bool(open_) or not items)


def _known(style: str) -> None:
    if style not in TAG_STYLES:
        rule = "A style of tagged text must be a known one."
        raise StructureError(rule, found=f"{style!r:.60}", remedy=nearest(str(style), TAG_STYLES))


def _check(words: Sequence[str], tags: Sequence[str] | None, style: str) -> None:
    _known(style)
    if not words:
        raise StructureError("A sentence must have at least one word.", found="none")
    for number, word in enumerate(words):
        if not isinstance(word, str) or not word:
            raise StructureError("A word must be text, and not empty.", found=f"{word!r:.40}", where=number)
    if tags is None:
        return
    if len(tags) != len(words):
        rule = "A sentence must have a tag for every word."
        raise StructureError(rule, found=f"{len(tags)} tags of {len(words)} words")
    for number, tag in enumerate(tags):
        if not isinstance(tag, str) or not _TAG.fullmatch(tag) or _SENTINEL_TAG.fullmatch(tag):
            rule = r"A tag must be text without white space or `<>[]\`, not begin with `/`, and be no sentinel's name."
            raise StructureError(rule, found=f"{tag!r:.40}", where=f"word {number}")


def tagged_text(words: Sequence[str], tags: Sequence[str] | None = None, style: str = "spans") -> str:
    """What the filter `tagged_text` of templates gives: with tags `written_tags`, without `written_words`."""
    return written_words(words, style) if tags is None else written_tags(words, tags, style)


__all__ = [
    *("SENTINELS", "TAG_STYLES", "VERSION", "ParsedTags", "TagItem", "TagReading", "TagStyle", "aligned"),
    *("parse_tags", "read_tags", "spans_of", "style_of", "tagged_text", "written_tags"),
    "written_words",
]
