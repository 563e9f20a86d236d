"""Pages of the micro-world: words with the boxes that they stand in, and forms with labelled fields."""

from __future__ import annotations

import random
from typing import Any

from mtft.synthetic.grammar import Grammar
from mtft.synthetic.scenes import Scene

# A glyph's advance and a line's height, in the page's unit.
GLYPH, LINE = 12, 24
COLUMNS = 3
LABELS = ("person", "number", "quality", "thing")

Placed = dict[str, Any]


def _page(draw: random.Random) -> dict[str, int]:
    return {"width": draw.randrange(600, 1201, 10), "height": draw.randrange(300, 901, 10)}


def _placed(draw: random.Random, texts: list[str], page: dict[str, int], columns: int) -> list[Placed]:
    """Every text in a cell of a grid of so many columns, at a random place within it; no two boxes touch."""
    lines = -(-len(texts) // columns)
    width, height = page["width"] / columns, page["height"] / lines
    found = []
    for number, text in enumerate(texts):
        wide, high = min(GLYPH * len(text), width - 4), min(LINE, height - 4)
        left = number % columns * width + draw.uniform(1, width - wide - 1)
        top = number // columns * height + draw.uniform(1, height - high - 1)
        box = [round(value, 1) for value in (left, top, left + wide, top + high)]
        found.append({"text": text, "box": box})
    return found


def _words(scene: Scene, grammar: Grammar) -> tuple[dict[str, int], list[Placed], int]:
    """A page, six different words on it, and the number of the one that is asked for."""
    draw = random.Random(f"mini_xp3 page {scene.number}")
    concepts: list[str | int] = [part for fact in scene.facts for part in (fact.person, fact.verb, fact.noun)]
    draw.shuffle(concepts)
    asked, page = draw.randrange(len(concepts)), _page(draw)
    return page, _placed(draw, [grammar.word(concept) for concept in concepts], page, COLUMNS), asked


def locate(scene: Scene, grammar: Grammar) -> dict[str, Any]:
    """Six words on a page, and the box of one of them."""
    page, words, asked = _words(scene, grammar)
    return {"page": page, "words": words, "word": words[asked]["text"], "box": words[asked]["box"]}


def read_box(scene: Scene, grammar: Grammar) -> dict[str, Any]:
    """Six words on a page, and the one that stands in a box."""
    return locate(scene, grammar)


def form(scene: Scene, grammar: Grammar) -> dict[str, Any]:
    """A form of four labelled fields in a random order; the value of one of them, and its box."""
    draw = random.Random(f"mini_xp3 form {scene.number}")
    fact = draw.choice(scene.facts)
    values: tuple[str | int, ...] = (fact.person, str(fact.number), fact.quality, fact.noun)
    fields = [(label, grammar.word(value)) for label, value in zip(LABELS, values, strict=True)]
    draw.shuffle(fields)
    asked, page = draw.randrange(len(fields)), _page(draw)
    placed = _placed(draw, [text for field in fields for text in field], page, columns=2)
    return {"page": page, "words": placed, "label": fields[asked][0], "value": placed[2 * asked + 1]}
