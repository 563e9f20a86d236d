"""Named entities out of BIO tags, and as the text that a model is to write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

NONE = "none"
SEPARATOR = " ; "


class Entity(NamedTuple):
    """A named entity: its type, `PER`, and its tokens joined by spaces."""

    type: str
    text: str


def entities_of(tokens: Sequence[str], tags: Sequence[str]) -> list[Entity]:
    """The entities of a sentence, in order.

    An `I-` tag that follows no tag of its type begins an entity.
    Source: Tjong Kim Sang and De Meulder 2003, conlleval's reading of tags.

    Example: tokens `Amina ta je Kano`, tags `B-PER O O I-LOC` → `[("PER", "Amina"), ("LOC", "Kano")]`.
    """
    found: list[tuple[str, list[str]]] = []
    before = "O"
    for token, tag in zip(tokens, tags, strict=True):
        prefix, _, kind = tag.partition("-")
        if tag != "O" and prefix == "I" and before.partition("-")[2] == kind:
            found[-1][1].append(token)
        elif tag != "O":
            found.append((kind, [token]))
        before = tag
    return [Entity(kind, " ".join(words)) for kind, words in found]


def invalid_tags(tags: Sequence[str]) -> int:
    """How many `I-` tags follow no tag of their type."""
    return sum(
        tag.startswith("I-") and before.partition("-")[2] != tag.partition("-")[2]
        for before, tag in pairwise(["O", *tags])
    )


def written(entities: Iterable[Entity]) -> str:
    """The entities as text, `PER: Amina ; LOC: Kano`; `none` where there are none."""
    return SEPARATOR.join(f"{entity.type}: {entity.text}" for entity in entities) or NONE
