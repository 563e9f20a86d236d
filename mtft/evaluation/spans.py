"""Entities written as text, `PER: Amina ; LOC: Kano`, or `none`."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import NamedTuple

_ENTITY = re.compile(r"([A-Za-z][A-Za-z_-]*)\s*[:：]\s*(\S.*)", re.DOTALL)
NONE = "none"


class ParsedSpans(NamedTuple):
    """What a tagging output says.

    Attributes:
        spans: (label, text) with how often it is named.
        malformed: Whether any part could not be read.
    """

    spans: Counter[tuple[str, str]]
    malformed: bool


class SpanCounts(NamedTuple):
    """Entities of one example: found, invented, missed."""

    true_positives: int
    false_positives: int
    false_negatives: int


def parse_spans(text: str) -> ParsedSpans:
    """The entities of `label: text` parts between semicolons.

    Parts that are no `label: text` make the output malformed; the others still count. Nothing at all is
    malformed too, because a model that finds no entity has to write `none`.

    Example: `"PER: Amina ; Kano"` gives one PER and malformed.
    """
    parts = [part.strip() for part in unicodedata.normalize("NFC", text).split(";")]
    parts = [part for part in parts if part]
    if len(parts) == 1 and parts[0].rstrip(".").lower() == NONE:
        return ParsedSpans(Counter(), False)
    matches = [_ENTITY.fullmatch(part) for part in parts]
    spans = Counter((m[1].upper(), " ".join(m[2].split())) for m in matches if m)
    return ParsedSpans(spans, not parts or not all(matches))


def span_counts(prediction: Counter[tuple[str, str]], gold: Counter[tuple[str, str]]) -> SpanCounts:
    """How many entities agree in label and whole text; a repeated entity has to be named as often."""
    found = sum((prediction & gold).values())
    return SpanCounts(found, sum(prediction.values()) - found, sum(gold.values()) - found)
