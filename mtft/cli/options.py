"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from mtft.errors import ConfigError, nearest
from mtft.resources import builtin_folder, data_root

if TYPE_CHECKING:
    from mtft.prompting import TemplateCollection
    from mtft.tasks import CardIndex, Sources

Prompts = Annotated[
    list[Path],
    typer.Option(
        "--prompts", help="Folder of own cards and templates, before the built-in ones; repeatable."
    ),
]
Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = get_args(Side)
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


def side_of(name: str) -> Side:
    """The side of that name.

    Raises:
        ConfigError: There is none.
    """
    found = next((side for side in SIDES if side == name), None)
    if found is None:
        raise ConfigError("A side must be a known one.", found=f"`{name}`", remedy=nearest(name, SIDES))
    return found


def sources_of(root: Path | None, *, strict: bool = False) -> Sources:
    """How rows are reached."""
    from mtft.tasks import Sources

    return Sources(data_root=data_root(root), strict=strict)
