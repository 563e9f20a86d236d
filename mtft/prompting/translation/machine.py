"""Sheets filled by a translator of plain text, with every tag kept or the segment left empty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mtft.prompting.template import Template
from mtft.prompting.translation.chunks import CLOSE_TAG, OPEN_TAG
from mtft.prompting.translation.rebuild import target_problems
from mtft.prompting.translation.segments import Segment, segments_of
from mtft.prompting.translation.sheet import SheetRow, sheet_rows

# Texts into as many texts.
Translator = Callable[[Sequence[str]], Sequence[str]]
_PIECES = re.compile(f"({OPEN_TAG}[0-9]+{CLOSE_TAG})")
_EDGES = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


def filled_rows(
    dataset: str, template: Template, language: str, translate: Translator, origin: str
) -> tuple[list[SheetRow], list[str]]:
    """A template's rows with their translations, and the ids of segments that stay empty.

    Each segment is translated whole. Where its tags do not come back as they must, the words between tags are
    translated on their own and the tags put back; what still breaks a rule stays empty. Choices that come out
    alike stay empty all together, for they are a set.
    """
    segments = segments_of(template)
    whole = translate([segment.source for segment in segments])
    targets = [_usable(segment, text) for segment, text in zip(segments, whole, strict=True)]
    open_ = [at for at, target in enumerate(targets) if not target]
    for at, text in zip(open_, _piecewise([segments[at] for at in open_], translate), strict=True):
        targets[at] = _usable(segments[at], text)
    targets = _choices_apart(segments, targets)
    rows = [
        replace(row, target=target, origin=origin)
        for row, target in zip(sheet_rows(dataset, template, language), targets, strict=True)
    ]
    return rows, [row.segment for row in rows if not row.target]


def _usable(segment: Segment, text: str) -> str:
    """The translation on one line; empty where it breaks a rule."""
    target = " ".join(text.split()) if "\n" not in segment.source else text.strip()
    return "" if target_problems(segment, target) else target


def _piecewise(segments: Sequence[Segment], translate: Translator) -> list[str]:
    """The segments with the words between their tags translated one by one."""
    cut = [_PIECES.split(segment.source) for segment in segments]
    words = [piece for pieces in cut for piece in pieces[::2] if any(map(str.isalpha, piece))]
    made = iter(translate([_core(piece) for piece in words]))
    return ["".join(_with_words(pieces, made)) for pieces in cut]


def _core(piece: str) -> str:
    found = _EDGES.match(piece)
    return found.group(2) if found else piece


def _with_words(pieces: Sequence[str], made: Iterator[str]) -> list[str]:
    """Tags as they are, words from the iterator, with the punctuation that stood around them."""
    texts = []
    for piece in pieces:
        if _PIECES.fullmatch(piece) or not any(map(str.isalpha, piece)):
            texts.append(piece)
        else:
            edges = _EDGES.match(piece)
            before, after = (edges.group(1), edges.group(3)) if edges else ("", "")
            texts.append(before + " ".join(next(made).split()) + after)
    return texts


def _choices_apart(segments: Sequence[Segment], targets: Sequence[str]) -> list[str]:
    """The targets, without those of choices where two of them are alike or one is missing."""
    chosen = [
        target.casefold()
        for segment, target in zip(segments, targets, strict=True)
        if segment.part == "choice"
    ]
    if all(chosen) and len(set(chosen)) == len(chosen):
        return list(targets)
    return ["" if s.part == "choice" else t for s, t in zip(segments, targets, strict=True)]
