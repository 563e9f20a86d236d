"""The library as Markdown: every dataset by cluster, with its languages, templates, licence and sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtft.prompting import TemplateCollection
    from mtft.tasks.index import CardIndex, TaskCard

_HEAD = ("task", "languages", "templates", "licence", "rows from", "id · columns · sizes")
_MOST_CODES = 10


def library_tables(index: CardIndex, collection: TemplateCollection) -> str:
    """A heading and a table per cluster; the generated micro-world is left out."""
    parts = []
    for cluster, names in index.clusters().items():
        cards = [index[name] for name in names if index[name].source.kind != "synthetic"]
        if cards:
            parts.append("\n".join([f"### {cluster}", "", *_table(cards, collection)]))
    return "\n\n".join(parts)


def _table(cards: list[TaskCard], collection: TemplateCollection) -> Iterator[str]:
    yield _line(_HEAD)
    yield _line(["---"] * len(_HEAD))
    for card in cards:
        templates = Counter(
            template.language for template in collection.get(card.dataset, card.subset).values()
        )
        counts = ", ".join(f"{code} {templates[code]}" for code in sorted(templates, key=_english_first))
        yield _line((f"`{card.name}`", _languages(card), counts, card.licence, _source(card), _status(card)))


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _english_first(code: str) -> tuple[bool, str]:
    return code != "en", code


def _languages(card: TaskCard) -> str:
    codes = sorted({code for v in card.variants.values() for code in (v.language, v.source) if code})
    shown = " ".join(codes[:_MOST_CODES]) + (f" … ({len(codes)})" if len(codes) > _MOST_CODES else "")
    directions = sum(variant.source is not None for variant in card.variants.values())
    return f"{directions:,} directions: {shown}" if directions else shown


def _source(card: TaskCard) -> str:
    return "files (docs/data.md)" if card.source.id is None else f"`{card.source.id}`"


def _status(card: TaskCard) -> str:
    """What of the declaration a source confirms; files at hand are read instead."""
    if card.source.id is None:
        return "real rows"
    stated = card.declared
    sizes = f"{len(stated.sizes.rows)} sizes" if stated.sizes.rows else "unknown until downloaded"
    words = ("confirmed" if fact.verified else "unverified" for fact in (stated.id, stated.columns))
    return " · ".join([*words, sizes])
