"""`mtft prompts new`: a commented first template from a dataset's real columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtft.cli.options import DataRoot, Prompts
from mtft.cli.output import note, say
from mtft.cli.prompt_rows import card_of, row_of
from mtft.errors import ConfigError, MtftError
from mtft.resources import builtin_folder

if TYPE_CHECKING:
    from mtft.prompting.writing import Entry
    from mtft.tasks import TaskCard

TEMPLATES = "templates.yaml"


def new(
    dataset: Annotated[str, typer.Argument(help="`dataset` or `dataset/subset`.")],
    name: Annotated[str, typer.Option(help="Of the template; a number is added if it is taken.")] = "draft",
    language: Annotated[str, typer.Option(help="That the prompt is written in.")] = "en",
    columns: Annotated[
        str | None, typer.Option(help="Column names, such as text,label, where there is no card.")
    ] = None,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
) -> None:
    """Write a commented template from the dataset's columns, to be edited; nothing is overwritten."""
    from mtft import languages
    from mtft.prompting.draft import draft
    from mtft.prompting.writing import append_templates

    card = card_of(dataset, prompts)
    row = _row(card, columns, data_root)
    path, (name_of, subset) = _path(dataset, card, prompts), _names(dataset, card)
    entry = draft(
        row,
        labels=card.labels if card else (),
        metrics=card.metrics if card else (),
        language=languages.get(language).code,
        name=_free_name(name, path),
    )
    append_templates(path, name_of, subset, [entry])
    say(f"{path}: template `{entry.template.name}`, id {entry.template.id}")
    _try(entry, row, known=columns is None)
    note(f"Edit it, and look at it with: mtft prompts watch {dataset}{_option(prompts)}")


def _row(card: TaskCard | None, columns: str | None, data_root: Path | None) -> Mapping[str, Any]:
    """One row: of the data, the card's sample, or made up of column names.

    Raises:
        ConfigError: None of these is there.
    """
    if columns is not None:
        return {column.strip(): "…" for column in columns.split(",") if column.strip()}
    row = row_of(card, data_root=data_root) if card is not None else None
    if row is None:
        raise ConfigError(
            "A new template needs the dataset's columns.",
            found="no card" if card is None else "neither data nor a `sample` in the card",
            where=card.path if card is not None else None,
            remedy="Give --columns text,label, or --data_root, or add a `sample` to the card.",
        )
    return row


def _names(dataset: str, card: TaskCard | None) -> tuple[str, str | None]:
    if card is not None:
        return card.dataset, card.subset
    return dataset, None


def _path(dataset: str, card: TaskCard | None, prompts: Sequence[Path]) -> Path:
    """Where the dataset's templates are written: the first own folder, else beside the card.

    Raises:
        ConfigError: There is neither; or only the installed package's own folder; or the name leaves it.
    """
    builtin = builtin_folder("prompts").resolve()
    if prompts:
        folder = prompts[0].resolve()
        path = folder / dataset / TEMPLATES
        if not path.resolve().is_relative_to(folder):
            raise ConfigError("A dataset's folder must lie in the folder of prompts.", found=f"`{dataset}`")
        if not path.exists() and (builtin / dataset / TEMPLATES).exists():
            note(f"With --prompts, {prompts[0] / dataset} replaces the built-in templates of `{dataset}`.")
        return prompts[0] / dataset / TEMPLATES
    if card is None or "site-packages" in builtin.parts:
        rule = "A template must be written to a folder of your own."
        raise ConfigError(rule, found=f"`{dataset}` without one", remedy="Give --prompts FOLDER.")
    return card.path.parent / TEMPLATES


def _free_name(name: str, path: Path) -> str:
    """The name, or the name with the first number that makes it unique in the file."""
    from mtft.prompting import read_templates

    taken = {template.name for template in read_templates(path).templates} if path.exists() else set()
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _try(entry: Entry, row: Mapping[str, Any], *, known: bool) -> None:
    """Render the draft on the row, where its values are real; a draft that does not fit is noted."""
    try:
        if known:
            entry.template.render(row, example_id="new")
    except MtftError as error:
        note(f"The draft does not render on the first row yet: {error}")


def _option(prompts: Sequence[Path]) -> str:
    return "".join(f" --prompts {folder}" for folder in prompts)
