"""`mtft prompts`: listing, showing, rendering, writing, checking, counting and translating templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtft.cli import prompt_lint, prompt_new, prompt_render, prompt_stats, prompt_translate, prompt_watch
from mtft.cli.options import Json, Prompts, collection_of
from mtft.cli.output import say_json, say_table
from mtft.cli.prompt_render import facts, line

if TYPE_CHECKING:
    from mtft.prompting import DatasetTemplates, TemplateCollection

app = typer.Typer(
    help="Prompt templates: list, show, render, write, watch, check, count, translate.", no_args_is_help=True
)
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
        rows = [facts(template) for template in collection.get(dataset).values()]
    else:
        rows = [_dataset_facts(templates) for templates in _all(collection)]
    if as_json:
        say_json(rows)
        return
    columns = DATASET_COLUMNS if dataset is None else TEMPLATE_COLUMNS
    say_table(columns, ([line(row[column]) for column in columns] for row in rows), numeric=("templates",))


def _all(collection: TemplateCollection) -> Iterator[DatasetTemplates]:
    keys = collection.keys()
    return (collection.get(name, subset) for name, subset in keys)


def _dataset_facts(templates: DatasetTemplates) -> dict[str, Any]:
    name = templates.dataset if templates.subset is None else f"{templates.dataset}/{templates.subset}"
    languages = sorted({template.language for template in templates.values()})
    return {"dataset": name, "templates": len(templates), "languages": languages, "path": str(templates.path)}


app.command()(prompt_render.show)
app.command()(prompt_render.render)
app.command()(prompt_new.new)
app.command()(prompt_watch.watch)
app.command()(prompt_lint.lint)
app.command()(prompt_stats.stats)
app.add_typer(prompt_translate.app, name="translate")
