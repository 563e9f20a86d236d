"""Translated templates into a dataset's files: the linter looks first, then both files change or neither."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mtft.cli.output import note
from mtft.errors import TemplateError

if TYPE_CHECKING:
    from mtft.prompting import DatasetTemplates, Template
    from mtft.prompting.translation import Translation
    from mtft.tasks import TaskCard


def add_translations(
    templates: DatasetTemplates, card: TaskCard | None, translations: Sequence[Translation]
) -> list[str]:
    """The linter's warnings about the translations, which are then in the dataset's files.

    They are appended to `templates.yaml`, and to the card that stands beside it with their origin and the
    field that may be shortened.

    Raises:
        TemplateError: A translation is there already, the linter finds an error, or a file's layout cannot be
            added to. Nothing is written.
    """
    from mtft.prompting import read_templates
    from mtft.prompting.writing import Entry, check_added, staged, with_templates

    _refuse_known(templates, translations)
    entries = [Entry(translation.template) for translation in translations]
    path = templates.path
    text = with_templates(path, templates.dataset, templates.subset, entries)
    with ExitStack() as files:
        waiting = files.enter_context(staged(path, text))
        added = check_added(waiting, read_templates(path), entries).templates
        warnings = _linted(added, card, {entry.template.name for entry in entries})
        _add_to_card(files, path, card, translations)
    return warnings


def _refuse_known(templates: DatasetTemplates, translations: Sequence[Translation]) -> None:
    known = {template.id for template in templates.values()} | set(templates)
    for translation in translations:
        made = translation.template
        if made.id in known or made.name in known:
            raise TemplateError(
                "A template is translated once into a language.",
                found=f"`{made.name}`, {made.id}",
                where=templates.path,
                remedy="Edit the translation there, or take it out first.",
            )


def _linted(templates: Sequence[Template], card: TaskCard | None, names: set[str]) -> list[str]:
    """The warnings about the templates of these names; their errors are fatal."""
    from mtft.prompting import lint

    columns = card.columns if card is not None and card.columns else None
    findings = [finding for finding in lint(templates, columns) if finding.template in names]
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        shown = "".join(f"\n  {error.rule}: template `{error.template}`: {error.message}" for error in errors)
        raise TemplateError("A translation must pass the linter.", found=shown)
    return [f"{found.rule}: template `{found.template}`: {found.message}" for found in findings]


def _add_to_card(
    files: ExitStack, path: Path, card: TaskCard | None, translations: Sequence[Translation]
) -> None:
    """The card with the translations' origins, where it is the one beside the templates."""
    from mtft.prompting.writing import staged, with_entries
    from mtft.tasks import load_card

    if card is None or card.path.resolve().parent != path.resolve().parent:
        note(f"There is no card beside {path}: the translations' origin is recorded nowhere.")
        return
    lines = [_extras_line(card, translation) for translation in translations]
    text = with_entries(card.path.read_bytes().decode("utf-8-sig"), "templates", lines)
    written = load_card(files.enter_context(staged(card.path, text)))
    if len(written.templates) != len(card.templates) + len(lines):
        rule = "A card is added to only where it keeps all else as it is."
        raise TemplateError(rule, where=card.path, remedy="Write `templates:` as a block of lines.")


def _extras_line(card: TaskCard, translation: Translation) -> str:
    from mtft.prompting.writing import scalar

    extras = card.templates.get(translation.source.id)
    kept = {
        "truncatable": extras.truncatable if extras else None,
        "origin": translation.origin,
        "licence": extras.licence if extras else None,
    }
    values = ", ".join(f"{key}: {scalar(value)}" for key, value in kept.items() if value is not None)
    return f"  {translation.template.id}: {{{values}}}"
