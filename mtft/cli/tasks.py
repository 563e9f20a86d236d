"""`mtft tasks`: the datasets there are cards for, and one card in full with its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtft.cli.options import (
    SIDES,
    DataRoot,
    Json,
    Prompts,
    Strict,
    collection_of,
    index_of,
    side_of,
    sources_of,
)
from mtft.cli.output import note, say, say_json, say_table

if TYPE_CHECKING:
    from mtft.tasks import Problems, Task, TaskCard

MOST_CELLS = 60  # of a card with thousands of directions; JSON holds all
app = typer.Typer(help="Task cards: list, show, count and print rows.", no_args_is_help=True)


@app.command("list")
def list_(
    cluster: Annotated[str | None, typer.Option(help="Only tasks of this cluster.")] = None,
    language: Annotated[str | None, typer.Option(help="Only tasks that have this language.")] = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print the tables of docs/library.md: templates and sources too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """The tasks, with cluster, languages, licence and source."""
    from mtft.tasks.library import library_tables

    index = index_of(prompts)
    if markdown:
        say(library_tables(index, collection_of(prompts)))
        return
    cards = [index.get(name) for name in index.names()]
    rows = [
        _summary(card)
        for card in cards
        if cluster in (None, card.cluster) and (language is None or language in languages_of(card))
    ]
    if as_json:
        say_json(rows)
        return
    columns = ("task", "cluster", "languages", "source", "licence")
    shown = ([len(row[c]) if c == "languages" else row[c] for c in columns] for row in rows)
    say_table(columns, shown, numeric=("languages",))


def languages_of(card: TaskCard) -> list[str]:
    """The codes of all of a card's configurations."""
    return sorted({card.language_of(config) for config in card.variants})


def _summary(card: TaskCard) -> dict[str, Any]:
    return {
        "task": card.name,
        "title": card.title,
        "cluster": card.cluster,
        "languages": languages_of(card),
        "source": card.source.kind,
        "licence": card.licence,
    }


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="`dataset` or `dataset/subset`.")],
    language: Annotated[list[str] | None, typer.Option(help="Only this language; repeatable.")] = None,
    count: Annotated[bool, typer.Option(help="Count the rows of every side (reads the data).")] = False,
    rows: Annotated[int, typer.Option(min=0, help="Print so many rows of each language.")] = 0,
    side: Annotated[str, typer.Option(help="The side of those rows.")] = "train",
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """One task's card, its templates, and on demand its rows."""
    from mtft.tasks import Problems

    chosen_side = side_of(side)
    card = index_of(prompts).get(task)
    collection = collection_of(prompts)
    # A new card may have no templates yet.
    templates: list[str] | None = None if (card.dataset, card.subset) in collection.keys() else []  # noqa: SIM118
    chosen = card.tasks(languages=language or None, templates=templates, collection=collection)
    problems, sources = Problems(strict=strict), sources_of(data_root, strict=strict)
    facts = _card_facts(card, chosen)
    if count:
        facts["rows"] = [_counts(each, sources, problems) for each in chosen]
    if rows:
        facts["examples"] = [
            {"language": each.language, "config": each.config, "row_id": row.row_id, **row.fields}
            for each in chosen
            for row in islice(each.rows(chosen_side, sources, problems), rows)
        ]
    if len(problems):
        facts["problems"] = problems.as_dict()
    if as_json:
        say_json(facts)
    else:
        _print(facts)


def _card_facts(card: TaskCard, tasks: Iterable[Task]) -> dict[str, Any]:
    """The card's keys that are set, its cells, and its templates."""
    given = {f.name: _plain(getattr(card, f.name)) for f in dataclasses.fields(card)}
    cells = list(tasks)
    templates = {template.id: template for cell in cells for template in cell.templates}
    given["declared"] = _declared(card)
    return {
        **{name: value for name, value in given.items() if value not in (None, "", [], {}, ())},
        "cells": [{"config": cell.config, "language": cell.language} for cell in cells],
        "templates": [{"name": t.name, "language": t.language, "id": t.id} for t in templates.values()],
    }


def _declared(card: TaskCard) -> list[dict[str, str]]:
    """What the card states without the data, each with its source; nothing for files at hand."""
    stated = card.declared
    rows = ", ".join(f"{split} {number:,}" for split, number in stated.sizes.rows.items())
    facts = (
        ("id", card.source.id or "", stated.id),
        ("columns", ", ".join(card.columns), stated.columns),
        ("rows", rows or "unknown until downloaded", stated.sizes),
    )
    at_hand = card.source.id is None
    return [
        {"what": what, "declared": known, "known_from": fact.source}
        for what, known, fact in facts
        if fact.verified or not at_hand
    ]


def _plain(value: Any) -> Any:
    """Dataclasses as mappings without what is not set; paths as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = [f.name for f in dataclasses.fields(value) if not f.metadata.get("own")]
        inner = {name: _plain(getattr(value, name)) for name in given}
        return {name: item for name, item in inner.items() if item not in (None, "", [], {})}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _counts(task: Task, sources: Any, problems: Problems) -> dict[str, Any]:
    """Rows of one cell per side."""
    counts: dict[str, int] = {side: sum(1 for _ in task.rows(side, sources, problems)) for side in SIDES}
    return {"language": task.language, "config": task.config, **counts}


def _print(facts: Mapping[str, Any]) -> None:
    tables = {"declared", "cells", "templates", "rows", "examples"}
    for name, value in facts.items():
        if name not in tables and name != "problems":
            say(f"{name}: {_line(value)}")
    for name in ("declared", "cells", "templates", "rows"):
        if facts.get(name) and not (name == "cells" and facts.get("rows")):
            say("", f"{name}:")
            columns = list(facts[name][0])
            shown = facts[name][:MOST_CELLS] if name == "cells" else facts[name]
            say_table(columns, ([row[c] for c in columns] for row in shown), numeric=SIDES)
            if len(shown) < len(facts[name]):
                say(f"… and {len(facts[name]) - len(shown):,} more")
    for example in facts.get("examples", ()):
        say("", *(f"{name}: {_line(value)}" for name, value in example.items()))
    for message in facts.get("problems", {}).get("samples", ()):
        note(message)


def _line(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_line, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_nested(item)}" for key, item in value.items())
    return str(value)


def _nested(value: Any) -> str:
    """A value inside a mapping, in braces or brackets where it holds several."""
    if isinstance(value, dict):
        return f"{{{_line(value)}}}"
    return f"[{_line(value)}]" if isinstance(value, list) else str(value)
