"""Translations out of a sheet's rows: every rule is checked, and every breach names its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from mtft import languages
from mtft.errors import TaskError, TemplateError
from mtft.prompting.template import Template
from mtft.prompting.translation.rebuild import Translation, target_problems, translated
from mtft.prompting.translation.segments import Segment, segments_of
from mtft.prompting.translation.sheet import SheetRow, version_of

_SHOWN = 20  # breaches that a message lists


class Incoming(NamedTuple):
    """What a sheet brings.

    Attributes:
        translations: In the sheet's order.
        empty: Names of templates that nobody has begun to translate.
        unfinished: Names of templates of which segments are empty, where that is allowed.
    """

    translations: list[Translation]
    empty: list[str]
    unfinished: list[str]


def translations_of(
    rows: Sequence[SheetRow],
    templates: Mapping[str, Template],
    path: Path,
    *,
    origin: str,
    partial: bool = False,
) -> Incoming:
    """The translated templates of a sheet.

    Args:
        rows: The sheet's.
        templates: Id → template that may be translated.
        path: The sheet, for messages.
        origin: Who translated, where a row does not say.
        partial: Pass over templates with empty segments; else they are refused.

    Raises:
        TemplateError: Tags were lost, doubled, unknown or moved out of their block; choices are missing or
            alike; a template was changed after the export. All breaches are listed, with their rows.
    """
    found = Incoming([], [], [])
    breaches: list[str] = []
    for (uuid, language), group in _by_template(rows):
        source = templates.get(uuid)
        if source is None:
            breaches.append(f"row {group[0].row}: the template {uuid!r} is not of this dataset.")
        elif not any(row.target.strip() for row in group):
            found.empty.append(source.name)
        elif partial and any(not row.target.strip() for row in group):
            found.unfinished.append(source.name)
        elif wrong := list(_breaches(source, language, group)):
            breaches += wrong
        else:
            targets = {row.segment: row.target for row in group}
            made = _made(source, language, targets, path, group[0].row)
            found.translations.append(Translation(made, source, _origin(group, origin)))
    _refuse(breaches, path)
    return found


def _by_template(rows: Sequence[SheetRow]) -> list[tuple[tuple[str, str], list[SheetRow]]]:
    """The rows of each template and language, wherever a spreadsheet's sorting put them."""
    ordered = sorted(range(len(rows)), key=lambda at: (rows[at].template, rows[at].language, at))
    groups = [
        (key, [rows[at] for at in group])
        for key, group in groupby(ordered, key=lambda at: (rows[at].template, rows[at].language))
    ]
    return sorted(groups, key=lambda group: group[1][0].row)


def _breaches(source: Template, language: str, rows: Sequence[SheetRow]) -> Iterator[str]:
    segments = {segment.id: segment for segment in segments_of(source)}
    first = rows[0].row
    if not _is_code(language):
        yield f"row {first}: {language!r} is no code of a language."
    if language == source.language:
        yield f"row {first}: `{source.name}` is in `{language}` already."
    if any(row.version != version_of(source) for row in rows):
        yield f"row {first}: `{source.name}` was changed after the export; export it again."
        return
    yield from _count_breaches(source, segments, rows)
    for row in rows:
        if row.segment in segments:
            for problem in target_problems(segments[row.segment], row.target):
                yield f"row {row.row}: {problem} {_shown(row)}"
    yield from _choice_breaches([row for row in rows if row.segment.startswith("choice.")])


def _is_code(language: str) -> bool:
    try:
        return bool(languages.get(language))
    except TaskError:
        return False


def _shown(row: SheetRow) -> str:
    return f"Found: {row.target[:120]!r}, for {row.source[:120]!r}."


def _count_breaches(
    source: Template, segments: Mapping[str, Segment], rows: Sequence[SheetRow]
) -> Iterator[str]:
    """Rows that are missing, doubled or of no segment."""
    seen: dict[str, int] = {}
    for row in rows:
        if row.segment not in segments:
            yield f"row {row.row}: `{source.name}` has no segment `{row.segment}`."
        elif row.segment in seen:
            yield f"row {row.row}: `{row.segment}` stands in row {seen[row.segment]} already."
        seen.setdefault(row.segment, row.row)
    missing = [name for name in segments if name not in seen]
    if missing:
        yield f"row {rows[0].row}: `{source.name}` misses the rows of {', '.join(missing)}."


def _choice_breaches(rows: Iterable[SheetRow]) -> Iterator[str]:
    """Choices that became the same."""
    seen: dict[str, int] = {}
    for row in rows:
        words = " ".join(row.target.casefold().split())
        if words and words in seen:
            yield f"row {row.row}: the choice {row.target!r} is that of row {seen[words]} too."
        seen.setdefault(words, row.row)


def _made(source: Template, language: str, targets: Mapping[str, str], path: Path, row: int) -> Template:
    try:
        return translated(source, language, targets)
    except TemplateError as error:
        where = f"{path}, row {row}: template `{source.name}`"
        raise TemplateError(error.rule, found=error.found, where=where, remedy=error.remedy) from error


def _origin(rows: Sequence[SheetRow], default: str) -> str:
    return next((row.origin for row in rows if row.origin.strip()), default)


def _refuse(breaches: Sequence[str], path: Path) -> None:
    if breaches:
        more = [f"and {len(breaches) - _SHOWN} more"] if len(breaches) > _SHOWN else []
        raise TemplateError(
            "A translation must keep every tag and every choice of its source.",
            found="\n  " + "\n  ".join([*breaches[:_SHOWN], *more]),
            where=path,
        )


def choice_conflicts(rows: Sequence[SheetRow]) -> list[str]:
    """Sets of choices that are the same in several templates and were translated differently."""
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in rows:
        if row.key and row.target.strip():
            found.setdefault((row.key, row.language, row.segment), {}).setdefault(row.target.strip(), row.row)
    return [
        "The same choice is translated as "
        + " and as ".join(f"{t!r} (row {r})" for t, r in targets.items())
        + "."
        for targets in found.values()
        if len(targets) > 1
    ]
