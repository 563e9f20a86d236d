"""`mtft prompts show` and `mtft prompts render`: templates, and rows next to what templates make of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtft.cli.options import DataRoot, Json, Prompts, collection_of
from mtft.cli.output import say, say_json
from mtft.errors import MtftError

if TYPE_CHECKING:
    from mtft.cli.prompt_rows import RowChoice
    from mtft.prompting import DatasetTemplates, Template

Dataset = Annotated[str, typer.Argument(help="`dataset` or `dataset/subset`.")]
Name = Annotated[str | None, typer.Argument(help="Name or id of a template; all if left out.")]
Row = Annotated[str | None, typer.Option(help="One row as JSON; `-` reads JSON Lines from standard input.")]
Languages = Annotated[
    str | None, typer.Option("--languages", "--language", help="Rows in these languages, such as sw,zh.")
]
PromptLanguages = Annotated[
    str | None,
    typer.Option(help="Templates in these languages, `own` for the row's; by default English and own."),
]
RowSide = Annotated[
    str | None, typer.Option(help="train, validation or test; by default the first with rows.")
]
Limit = Annotated[int, typer.Option(help="So many rows of each language.", min=1)]
Seed = Annotated[int, typer.Option(help="Seed of random choices.")]
Sample = Annotated[bool, typer.Option("--sample", help="Render the card's sample, not the data.")]


def codes(text: str | None) -> tuple[str, ...]:
    """The codes of a list with commas."""
    return tuple(code.strip() for code in (text or "").split(",") if code.strip())


def render(
    dataset: Dataset,
    template: Name = None,
    row: Row = None,
    languages: Languages = None,
    prompt_languages: PromptLanguages = None,
    side: RowSide = None,
    limit: Limit = 1,
    seed: Seed = 0,
    sample: Sample = False,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    as_json: Json = False,
) -> None:
    """Rows next to what templates make of them: rows given as JSON, of the data, or the card's sample."""
    from mtft.cli import prompt_layout
    from mtft.cli.prompt_rows import RowChoice

    choice = RowChoice(row, codes(languages), side, limit, sample, data_root)
    items = renderings(
        collection_of(prompts).get(dataset), template, choice, codes(prompt_languages), seed, prompts
    )
    if as_json:
        say_json([prompt_layout.as_json(item) for item in items])
    else:
        prompt_layout.say_shown(items)


def renderings(
    templates: DatasetTemplates,
    name: str | None,
    choice: RowChoice,
    prompt_languages: Sequence[str],
    seed: int,
    prompts: Sequence[Path],
) -> list[Any]:
    """Every chosen row under every template that fits it, as `prompt_layout.Shown`.

    Raises:
        MtftError: There is no such template, or no row.
    """
    from mtft.cli.prompt_layout import shown
    from mtft.cli.prompt_rows import fitting

    dataset = templates.dataset if templates.subset is None else f"{templates.dataset}/{templates.subset}"
    named = [one(templates, name)] if name is not None else None
    return [
        shown(template, row, seed)
        for row in choice.rows(dataset, prompts)
        for template in named or fitting(list(templates.values()), row.language, prompt_languages)
    ]


def one(templates: DatasetTemplates, name: str) -> Template:
    """The template of that name or id."""
    by_id = {template.id: template for template in templates.values()}
    return by_id[name] if name in by_id else templates[name]


def show(
    dataset: Dataset,
    template: Name = None,
    languages: Languages = None,
    side: RowSide = None,
    limit: Limit = 1,
    seed: Seed = 0,
    sample: Sample = False,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    as_json: Json = False,
) -> None:
    """Templates in full: text, choices and metadata, and rows next to what they make of them."""
    from mtft.cli.prompt_rows import RowChoice

    templates = collection_of(prompts).get(dataset)
    chosen = [one(templates, template)] if template is not None else list(templates.values())
    choice = RowChoice(None, codes(languages), side, limit, sample, data_root)
    if as_json:
        facts = [_facts(each) | {"jinja": each.jinja} for each in chosen]
        say_json(facts if template is None else facts[0])
        return
    for each in chosen:
        say(*(f"{name}: {line(value)}" for name, value in _facts(each).items()), "", each.jinja)
        _say_renderings(templates, each, choice, seed, prompts)


def _say_renderings(
    templates: DatasetTemplates, template: Template, choice: RowChoice, seed: int, prompts: Sequence[Path]
) -> None:
    """Rows under one template; nothing where the dataset has no card or no row."""
    from mtft.cli.prompt_layout import say_shown
    from mtft.cli.prompt_rows import card_of

    dataset = templates.dataset if templates.subset is None else f"{templates.dataset}/{templates.subset}"
    if card_of(dataset, prompts) is None:
        return
    try:
        items = renderings(templates, template.id, choice, (), seed, prompts)
    except MtftError as error:
        if choice.languages or choice.side:
            raise
        say("", f"Nothing to render: {error}")
        return
    say("")
    say_shown(items)


def facts(template: Template) -> dict[str, Any]:
    """What a listing shows of a template."""
    return {
        "name": template.name,
        "language": template.language,
        "choices": template.answer_choices,
        "metrics": list(template.metadata.metrics),
        "id": template.id,
    }


def _facts(template: Template) -> dict[str, Any]:
    """What `show` prints of it besides its text."""
    return facts(template) | {
        "columns": sorted(template.fields()),
        "choices_in_prompt": template.metadata.choices_in_prompt,
        "original_task": template.metadata.original_task,
        "reference": template.reference,
        "where": template.where,
    }


def line(value: Any) -> str:
    """A value of those facts on one line."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
