"""`mtft prompts translate`: templates out as a sheet, translations in, or a local model in between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtft.cli.options import Prompts, collection_of
from mtft.cli.output import note, say
from mtft.cli.prompt_render import Dataset, one
from mtft.errors import ConfigError

if TYPE_CHECKING:
    from mtft.prompting import DatasetTemplates, Template
    from mtft.prompting.translation import SheetRow, Translation

app = typer.Typer(
    help="Translate templates: export a sheet, import it, or use a local model.", no_args_is_help=True
)
Language = Annotated[str, typer.Option(help="Language to translate into, such as sw.")]
SourceLanguage = Annotated[str, typer.Option(help="Language of the templates to translate.")]
Names = Annotated[list[str] | None, typer.Option("--template", help="Only this template; repeatable.")]
Format = Annotated[str | None, typer.Option("--format", help="csv or xliff; by default by the file's name.")]
ORIGIN = "translated, not reviewed by a native speaker"


@app.command("export")
def export_(
    dataset: Dataset,
    language: Language,
    output: Annotated[Path, typer.Option(help="The sheet to write.")],
    format_: Format = None,
    template: Names = None,
    source_language: SourceLanguage = "en",
    prompts: Prompts = [],  # noqa: B006  # typer copies it
) -> None:
    """Write a sheet: a row per line, choice and string, with code as tags that must be kept."""
    from mtft.prompting.translation import sheet_rows

    templates = collection_of(prompts).get(dataset)
    chosen = _chosen(templates, template, language, source_language)
    rows = [row for each in chosen for row in sheet_rows(dataset, each, language)]
    _write(rows, output, format_)
    say(
        f"{output}: {len(rows):,} rows of {len(chosen):,} templates. Fill the column `target`; keep the tags ⟦1⟧."
    )


def _write(rows: Sequence[SheetRow], output: Path, format_: str | None) -> None:
    """A sheet; one with translations in it is not overwritten.

    Raises:
        ConfigError: The file exists.
    """
    from mtft.prompting.translation import write_sheet
    from mtft.prompting.translation.sheet_files import format_of
    from mtft.prompting.writing import staged

    if output.exists():
        raise ConfigError("A sheet must be a new file.", found=output, remedy="Choose another --output.")
    with staged(output, write_sheet(rows, format_ or format_of(output))):
        pass


def _chosen(
    templates: DatasetTemplates, names: Sequence[str] | None, language: str, source_language: str
) -> list[Template]:
    """The templates in the source language that have no translation yet.

    Raises:
        ConfigError: None is left; the languages are the same or unknown.
    """
    from mtft import languages
    from mtft.prompting.translation import segments_of, translated_id

    if languages.get(language).code == languages.get(source_language).code:
        raise ConfigError("A translation must be into another language.", found=f"`{language}`")
    known = {template.id for template in templates.values()}
    listed = [one(templates, name) for name in names] if names else list(templates.values())
    found = [
        template
        for template in listed
        if template.language == source_language and translated_id(template, language) not in known
    ]
    silent = [template.name for template in found if not segments_of(template)]
    if silent:
        note(f"Left out, for they have no words: {', '.join(silent)}.")
    found = [template for template in found if template.name not in silent]
    if not found:
        rule = f"There must be a template in `{source_language}` without a translation into `{language}`."
        raise ConfigError(rule, found=f"none of {len(listed)}", where=templates.path)
    return found


@app.command("import")
def import_(
    sheet: Annotated[Path, typer.Argument(help="A sheet that `export` wrote, filled in.", exists=True)],
    format_: Format = None,
    origin: Annotated[str, typer.Option(help="Who translated, for the card.")] = ORIGIN,
    partial: Annotated[
        bool, typer.Option("--partial", help="Pass over templates that are not finished.")
    ] = False,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
) -> None:
    """Add the translations to the dataset's templates, if every tag and choice is there and the linter agrees."""
    from mtft.prompting.translation import choice_conflicts, read_sheet, translations_of

    rows = read_sheet(sheet, format_)
    templates = collection_of(prompts).get(_dataset(rows, sheet))
    by_id = {template.id: template for template in templates.values()}
    found = translations_of(rows, by_id, sheet, origin=origin, partial=partial)
    for conflict in choice_conflicts(rows):
        note(conflict)
    for names, what in ((found.empty, "not translated"), (found.unfinished, "unfinished")):
        if names:
            note(f"Passed over, {what}: {', '.join(names)}.")
    _add(templates, found.translations, prompts, sheet)


def _dataset(rows: Sequence[SheetRow], sheet: Path) -> str:
    named = sorted({row.dataset for row in rows})
    if len(named) != 1:
        rule = "A sheet must be of one dataset."
        raise ConfigError(rule, found=", ".join(named)[:200] or "no rows", where=sheet)
    return named[0]


def _add(
    templates: DatasetTemplates, translations: Sequence[Translation], prompts: Sequence[Path], sheet: Path
) -> None:
    from mtft.cli.prompt_additions import add_translations
    from mtft.cli.prompt_rows import card_of

    if not translations:
        raise ConfigError("A sheet must hold a finished translation.", found="none", where=sheet)
    dataset = templates.dataset if templates.subset is None else f"{templates.dataset}/{templates.subset}"
    for warning in add_translations(templates, card_of(dataset, prompts), translations):
        note(warning)
    say(f"{templates.path}: {len(translations):,} templates added.")
    for translation in translations:
        say(f"  {translation.template.name}  {translation.template.id}")


@app.command("machine")
def machine(
    dataset: Dataset,
    language: Language,
    model: Annotated[
        Path, typer.Option(help="Folder of a translation model (encoder-decoder, safetensors).")
    ],
    output: Annotated[
        Path | None, typer.Option(help="Write a sheet to be reviewed, instead of adding templates.")
    ] = None,
    format_: Format = None,
    source_code: Annotated[
        str | None, typer.Option(help="The tokenizer's source language: eng_Latn.")
    ] = None,
    target_code: Annotated[
        str | None, typer.Option(help="The tokenizer's target language: swh_Latn.")
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="Text before each input: `translate English to German: `.")
    ] = "",
    template: Names = None,
    source_language: SourceLanguage = "en",
    prompts: Prompts = [],  # noqa: B006  # typer copies it
) -> None:
    """Translate with a local model; segments whose tags do not survive stay empty and are listed."""
    from mtft.cli.prompt_machine import LocalTranslator
    from mtft.prompting.translation import filled_rows, translations_of

    templates = collection_of(prompts).get(dataset)
    chosen = _chosen(templates, template, language, source_language)
    translator = LocalTranslator(model, source_code=source_code, target_code=target_code, prefix=prefix)
    origin = f"machine-translated by {model.resolve().name}, not reviewed"
    rows: list[SheetRow] = []
    for each in chosen:
        made, empty = filled_rows(dataset, each, language, translator, origin)
        rows += made
        if empty:
            note(f"`{each.name}`: left empty, for a person to fill: {', '.join(empty)}.")
    if output is not None:
        _write(rows, output, format_)
        say(f"{output}: {sum(bool(row.target) for row in rows):,} of {len(rows):,} segments translated.")
        return
    by_id = {each.id: each for each in chosen}
    found = translations_of(rows, by_id, Path(dataset), origin=origin, partial=True)
    _add(templates, found.translations, prompts, Path(dataset))
