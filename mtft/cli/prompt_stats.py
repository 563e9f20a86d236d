"""`mtft prompts stats`: what a collection of templates holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtft.cli.options import Json, Prompts, folders
from mtft.cli.output import say, say_json, say_table
from mtft.errors import ConfigError

if TYPE_CHECKING:
    from mtft.reporting.tables import Table


def stats(
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    only: Annotated[bool, typer.Option("--only", help="Without the built-in templates.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page that holds everything.")] = None,
    as_json: Json = False,
) -> None:
    """Templates per dataset, language, cluster, choices, length and metric, and the datasets' sizes."""
    from mtft.cli.prompt_counts import overview
    from mtft.cli.prompt_tables import tables
    from mtft.prompting import TemplateCollection
    from mtft.tasks import CardIndex

    if only and not prompts:
        raise ConfigError(
            "`--only` needs a folder of prompts.", found="none", remedy="Give --prompts FOLDER."
        )
    chosen = list(prompts) if only else folders(prompts)
    found = overview(TemplateCollection.from_folders(chosen), CardIndex.load(chosen))
    if html is not None:
        from mtft.cli.prompt_page import page
        from mtft.prompting.writing import staged

        with staged(html, page(found)):
            pass
    if as_json:
        say_json(found.as_dict())
        return
    for table in tables(found):
        _say(table)
    if html is not None:
        say("", f"Written: {html}")


def _say(table: Table) -> None:
    say("", table.title)
    rows = ([cell.text for cell in row] for row in table.rows)
    say_table(table.columns, rows, numeric=tuple(table.numeric))
    if table.note:
        say(table.note)
