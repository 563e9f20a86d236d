"""The tasks of older systems in the micro-world: tagging, ranking, and text with its place on a page.

They came after the nine of the mixture `mini_xp3`, which they leave as it is: each draws from randomness of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mtft.synthetic import pages, relevance, tagging
from mtft.synthetic.grammar import Grammar
from mtft.synthetic.rows import Fields, RowDict
from mtft.synthetic.scenes import Scene

ONE_ROW: dict[str, Callable[[Scene, Grammar], Fields]] = {
    "pos": tagging.pos,
    "chunks": tagging.chunks,
    "roles": tagging.roles,
    "locate": pages.locate,
    "read_box": pages.read_box,
    "form": pages.form,
}
SEVERAL_ROWS: dict[str, Callable[[Scene, Grammar], Iterator[Fields]]] = {
    "ranking": relevance.ranking,
    "domain": relevance.domain,
}
OLDER_TASKS = (*ONE_ROW, *SEVERAL_ROWS)


def older_rows(task: str, scenes: list[Scene], grammar: Grammar) -> Iterator[RowDict]:
    """The rows that a task makes of the scenes in a language; of a question all have its scene's item group."""
    for scene in scenes:
        if task in ONE_ROW:
            made = {"": ONE_ROW[task](scene, grammar)}
        else:
            made = {f"-{place}": fields for place, fields in enumerate(SEVERAL_ROWS[task](scene, grammar))}
        for suffix, fields in made.items():
            yield {"fields": fields, "row_id": f"{scene.number}{suffix}", "item_group": scene.item_group}
