"""Fixes that are certain, made in the file's text: every byte outside the values they change stays."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mtft.errors import TemplateError
from mtft.prompting.files import parse_templates
from mtft.prompting.linting.finding import Finding, Fix, Key
from mtft.prompting.linting.positions import Positions, Span, positions
from mtft.prompting.template import Template, TemplateMetadata
from mtft.prompting.writing import scalar, staged

_BOM = "\ufeff"


class Fixed(NamedTuple):
    """What was mended in a file.

    Attributes:
        path: The file.
        made: How many values were changed.
        left: Fixes that the file's layout does not allow.
        diff: The lines that changed, as a unified diff.
    """

    path: Path
    made: int
    left: int
    diff: str


def fix_files(findings: Iterable[Finding]) -> list[Fixed]:
    """Makes the fixes of some findings, file by file; a file changes whole or not at all."""
    by_file: dict[Path, dict[tuple[str, Key], Fix]] = {}
    for finding in findings:
        if finding.fix is not None:
            fixes = by_file.setdefault(Path(finding.path), {})
            fixes[(finding.template_id, finding.fix.key)] = finding.fix
    return [fix_file(path, fixes) for path, fixes in by_file.items()]


def fix_file(path: Path, fixes: Mapping[tuple[str, Key], Fix]) -> Fixed:
    """Makes fixes, (template id, key) → fix, in one file.

    A fix whose value cannot be put in place so that the file reads as meant and all else as before is left.

    Raises:
        TemplateError: The file cannot be read.
    """
    text = path.read_bytes().decode("utf-8")
    before = parse_templates(text.encode(), path).templates
    made, mended = 0, text
    for (uuid, _), fix in fixes.items():
        tried = _with_fix(mended, uuid, fix)
        expected = tuple(_fixed(template, fix) if template.id == uuid else template for template in before)
        if tried is not None and _reads_as(path, tried, expected):
            mended, before, made = tried, expected, made + 1
    if mended != text:
        with staged(path, mended):
            pass
    return Fixed(path, made, len(fixes) - made, _diff(path, text, mended))


def _with_fix(text: str, uuid: str, fix: Fix) -> str | None:
    """The text with one value changed; None where the value is no scalar of its own."""
    start = len(_BOM) if text.startswith(_BOM) else 0
    found: Positions = positions(text[start:])
    span = found.values.get(("templates", uuid, *fix.key))
    if span is None:
        return None
    old = text[start + span.start : start + span.end]
    new = _written(fix.value, span, "\r\n" if "\r\n" in text else "\n")
    return text[: start + span.start] + new + old[len(old.rstrip()) :] + text[start + span.end :]


def _written(value: str | bool | None, span: Span, newline: str) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return scalar(value, span.indent + 2).replace("\n", newline)


def _fixed(template: Template, fix: Fix) -> Template:
    """The template as it should read."""
    if fix.key[0] != "metadata":
        changed: dict[str, object] = {str(fix.key[0]): fix.value}
        return replace(template, **changed)  # type: ignore[arg-type]
    return replace(template, metadata=_fixed_metadata(template.metadata, fix))


def _fixed_metadata(metadata: TemplateMetadata, fix: Fix) -> TemplateMetadata:
    _, name, *number = fix.key
    if not number:
        changed: object = fix.value
    else:
        values: Sequence[object] = getattr(metadata, str(name))
        changed = tuple(fix.value if at == number[0] else value for at, value in enumerate(values))
    return replace(metadata, **{str(name): changed})  # type: ignore[arg-type]


def _reads_as(path: Path, text: str, expected: tuple[Template, ...]) -> bool:
    """Whether a file with this text would hold these templates."""
    try:
        return parse_templates(text.encode(), path).templates == expected
    except TemplateError:
        return False


def _diff(path: Path, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), str(path), str(path), n=1
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
