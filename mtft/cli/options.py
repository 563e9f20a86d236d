"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtft.resources import builtin_folder

if TYPE_CHECKING:
    from mtft.prompting import TemplateCollection
    from mtft.tasks import CardIndex

Prompts = Annotated[
    list[Path],
    typer.Option(
        "--prompts", help="Folder of own cards and templates, before the built-in ones; repeatable."
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", envvar="MTFT_DATA_ROOT", help="Folder of the local datasets (docs/data.md)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first malformed row instead of counting it.")
]


def folders(own: Sequence[Path]) -> list[Path]:
    """The user's folders, then the built-in one."""
    return [*own, builtin_folder("prompts")]


def collection_of(own: Sequence[Path]) -> TemplateCollection:
    """The templates under the user's folders and the built-in one."""
    from mtft.prompting import TemplateCollection

    return TemplateCollection.from_folders(folders(own))


def index_of(own: Sequence[Path]) -> CardIndex:
    """The task cards under the user's folders and the built-in one."""
    from mtft.tasks import CardIndex

    return CardIndex.load(folders(own))
