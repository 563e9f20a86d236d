"""`mtft prompts`: listing, showing, rendering and checking templates."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtft.cli.options import DataRoot, Json, Prompts, collection_of, index_of, side_of, sources_of
from mtft.cli.output import say, say_json, say_table
from mtft.errors import ConfigError, TemplateError

if TYPE_CHECKING:
    from mtft.prompting import DatasetTemplates, Template, TemplateCollection

app = typer.Typer(help="Prompt templates: list, show, render, check.", no_args_is_help=True)
Dataset = Annotated[str, typer.Argument(help="`dataset` or `dataset/subset`.")]
LINT_FAILED = 1
DATASET_COLUMNS = ("dataset", "templates", "languages")
TEMPLATE_COLUMNS = ("name", "language", "choices", "metrics", "id")


@app.command("list")
def list_(
    dataset: Annotated[
        str | None, typer.Argument(help="List this dataset's templates; else all datasets.")
    ] = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    as_json: Json = False,
) -> None:
    """The datasets that have templates, or one dataset's templates."""
    collection = collection_of(prompts)
    if dataset is not None:
        rows = [_facts(template) for template in collection.get(dataset).values()]
    else:
        rows = [_dataset_facts(templates) for templates in _all(collection)]
    if as_json:
        say_json(rows)
        return
    columns = DATASET_COLUMNS if dataset is None else TEMPLATE_COLUMNS
    say_table(columns, ([_shown(row[column]) for column in columns] for row in rows), numeric=("templates",))


def _all(collection: TemplateCollection) -> Iterator[DatasetTemplates]:
    keys = collection.keys()
    return (collection.get(name, subset) for name, subset in keys)


def _shown(value: Any) -> str:
    return (
        ", ".join(map(str, value))
        if isinstance(value, (list, tuple))
        else str(value if value is not None else "")
    )


def _dataset_facts(templates: DatasetTemplates) -> dict[str, Any]:
    name = templates.dataset if templates.subset is None else f"{templates.dataset}/{templates.subset}"
    languages = sorted({template.language for template in templates.values()})
    return {"dataset": name, "templates": len(templates), "languages": languages, "path": str(templates.path)}


def _facts(template: Template) -> dict[str, Any]:
    return {
        "name": template.name,
        "language": template.language,
        "choices": template.answer_choices,
        "metrics": list(template.metadata.metrics),
        "id": template.id,
    }


@app.command()
def show(
    dataset: Dataset,
    template: Annotated[str, typer.Argument(help="Name or id of the template.")],
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    as_json: Json = False,
) -> None:
    """One template: its Jinja text, answer choices and metadata."""
    found = _one(collection_of(prompts).get(dataset), template)
    facts = _facts(found) | {
        "columns": sorted(found.fields()),
        "choices_in_prompt": found.metadata.choices_in_prompt,
        "original_task": found.metadata.original_task,
        "reference": found.reference,
        "where": found.where,
    }
    if as_json:
        say_json(facts | {"jinja": found.jinja})
        return
    say(*(f"{name}: {_shown(value)}" for name, value in facts.items()), "", found.jinja)


def _one(templates: DatasetTemplates, name: str) -> Template:
    """The template of that name or id."""
    by_id = {template.id: template for template in templates.values()}
    return by_id[name] if name in by_id else templates[name]


@app.command()
def render(
    dataset: Dataset,
    template: Annotated[str | None, typer.Argument(help="Name or id; all templates if left out.")] = None,
    row: Annotated[
        str | None, typer.Option(help="One row as JSON; `-` reads JSON Lines from standard input.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Take rows of this language from the task's data.")
    ] = None,
    side: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    limit: Annotated[int, typer.Option(help="So many rows.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of random choices.")] = 0,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    as_json: Json = False,
) -> None:
    """What templates make of rows: given as JSON, or taken from the task's data."""
    templates = collection_of(prompts).get(dataset)
    chosen = [_one(templates, template)] if template is not None else list(templates.values())
    rows = _given_rows(row) if row is not None else _task_rows(dataset, language, side, data_root, prompts)
    rendered = [_rendered(t, key, fields, seed) for key, fields in islice(rows, limit) for t in chosen]
    if not rendered:
        raise ConfigError("There must be a row to render.", found=f"none of `{dataset}` on side `{side}`")
    if as_json:
        say_json(rendered)
        return
    for item in rendered:
        say(*_lines(item), "")


def _given_rows(row: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(sys.stdin if row == "-" else [row], start=1):
        if line.strip():
            yield str(number), _row(line, number)


def _row(line: str, number: int) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise ConfigError("A row must be JSON.", found=error, where=f"row {number}") from error
    if not isinstance(fields, dict):
        raise ConfigError("A row must be a JSON object.", found=type(fields).__name__, where=f"row {number}")
    return fields


def _task_rows(
    name: str, language: str | None, side: str, data_root: Path | None, prompts: list[Path]
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Rows of the task's first language, or of the one asked for."""
    from mtft.tasks import Problems

    card = index_of(prompts).get(name)
    tasks = card.tasks(languages=None if language is None else [language], collection=collection_of(prompts))
    for row in tasks[0].rows(side_of(side), sources_of(data_root), Problems()):
        yield row.row_id, row.fields


def _rendered(template: Template, row_id: str, fields: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """One rendering; a row that the template cannot render says why."""
    item: dict[str, Any] = {"template": template.name, "row": row_id}
    try:
        made = template.render(fields, example_id=row_id, seed=seed)
    except TemplateError as error:
        return item | {"error": str(error)}
    if made is None:
        return item | {"skipped": "blank"}
    return item | {
        "inputs": made.inputs,
        "targets": list(made.targets),
        "answer_choices": None if made.answer_choices is None else list(made.answer_choices),
    }


def _lines(item: Mapping[str, Any]) -> list[str]:
    head = f"── {item['template']} · row {item['row']}"
    if "inputs" not in item:
        return [head, item.get("error") or "The template leaves this row out."]
    choices = [f"choices: {' | '.join(item['answer_choices'])}"] if item["answer_choices"] else []
    return [head, item["inputs"], f"→ {' | '.join(item['targets'])}", *choices]


@app.command()
def lint(
    dataset: Annotated[str | None, typer.Argument(help="Check this dataset's templates; else all.")] = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    as_json: Json = False,
) -> None:
    """Templates that render but mislead; exit code 1 if there are errors among the findings."""
    from mtft.prompting import lint as check

    collection = collection_of(prompts)
    chosen = _all(collection) if dataset is None else [collection.get(dataset)]
    findings = [finding for templates in chosen for finding in check(templates.values())]
    if as_json:
        say_json([vars(finding) for finding in findings])
    else:
        say(*map(str, findings) if findings else ["No findings."])
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(LINT_FAILED)
