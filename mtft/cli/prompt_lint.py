"""`mtft prompts lint`: templates that render but mislead."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mtft.cli.options import DataRoot, Prompts, collection_of, folders
from mtft.cli.output import note, say, say_table
from mtft.errors import ConfigError, nearest

if TYPE_CHECKING:
    from mtft.prompting.linting import Finding
    from mtft.prompting.linting.files import Report
    from mtft.tasks import CardIndex

FAILED = 1
Format = Literal["text", "json", "sarif"]
COUNTS = ("file", "template", "rows", "blank", "failed", "input", "longest input", "target", "longest target")


def lint(
    what: Annotated[
        str | None,
        typer.Argument(help="A templates.yaml, a folder of them, or a dataset; without it, all templates."),
    ] = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    data_root: DataRoot = None,
    rows: Annotated[int, typer.Option(help="Real rows to render, of each language; 0 for none.", min=0)] = 25,
    format: Annotated[str, typer.Option(help="text, json, or sarif for code hosts.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as --format json.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the findings to this file.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is certain, and show the change.")] = False,
    warnings_fail: Annotated[
        bool, typer.Option("--warnings-fail", help="Exit with 1 on warnings too.")
    ] = False,
    notes: Annotated[bool, typer.Option("--notes", help="Give notes too.")] = False,
    ignore: Annotated[list[str], typer.Option(help="Leave this rule out; repeatable.")] = [],  # noqa: B006
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Print what each template makes of the rows.")
    ] = False,
) -> None:
    """Templates that render but mislead; exit code 1 if there are errors among the findings."""
    form = _form("json" if as_json else format)
    _check_rules(ignore)
    report = _report(what, prompts, data_root, rows).without(ignore, notes=notes)
    if fix and _fixed(report.findings):
        report = _report(what, prompts, data_root, rows).without(ignore, notes=notes)
    _write(_text_of(report, form), output)
    if statistics and form == "text":
        say_table(COUNTS, _counts(report), numeric=COUNTS[2:])
    if report.count("error") or (warnings_fail and report.count("warning")):
        raise typer.Exit(FAILED)


def _form(name: str) -> Format:
    forms: dict[str, Format] = {"text": "text", "json": "json", "sarif": "sarif"}
    if name not in forms:
        raise ConfigError("A format must be a known one.", found=f"`{name}`", remedy=nearest(name, forms))
    return forms[name]


def _check_rules(names: Sequence[str]) -> None:
    from mtft.prompting.linting import RULES

    for name in names:
        if name not in RULES:
            raise ConfigError("A rule must be a known one.", found=f"`{name}`", remedy=nearest(name, RULES))


def _report(what: str | None, prompts: list[Path], data_root: Path | None, rows: int) -> Report:
    """The linter's report on what was named."""
    from mtft.cli.prompt_facts import Known
    from mtft.prompting.linting.files import lint_files
    from mtft.resources import data_root as found_root

    paths, index = _files(what, prompts)
    return lint_files(paths, Known(index, found_root(data_root), rows))


def _files(what: str | None, prompts: list[Path]) -> tuple[list[Path], CardIndex]:
    """The template files that were named, and the cards that go with them.

    A path's cards are those beside its files or in the folders given: a collection that happens to share a
    dataset's name with a built-in card has columns of its own.
    """
    from mtft.prompting.collection import FILE_NAME
    from mtft.tasks import CardIndex

    if what is not None and (path := Path(what)).exists():
        found = sorted(path.rglob(FILE_NAME)) if path.is_dir() else [path]
        if not found:
            raise ConfigError(f"A folder of templates must hold a `{FILE_NAME}`.", found=path)
        return found, CardIndex.load(prompts)
    collection = collection_of(prompts)
    keys = [(what, None)] if what is not None else collection.keys()
    paths = [collection.path_of("/".join(filter(None, key))) for key in keys]
    return paths, CardIndex.load(folders(prompts))


def _fixed(findings: Sequence[Finding]) -> bool:
    """Makes the fixes; whether a file changed."""
    from mtft.prompting.linting.fixes import fix_files

    results = fix_files(findings)
    for result in results:
        sys.stderr.write(result.diff)
        if result.left:
            note(f"{result.path}: {result.left} values cannot be changed in place; mend them by hand.")
    note(f"{sum(result.made for result in results)} values were changed.")
    return any(result.made for result in results)


def _text_of(report: Report, form: Format) -> str:
    if form == "sarif":
        from mtft import __version__
        from mtft.prompting.linting.sarif import sarif

        return _json(sarif(report.findings, Path.cwd(), __version__))
    if form == "json":
        return _json(_plain(report))
    note(f"{report.templates:,} templates in {report.files:,} files were checked.")
    return "\n".join([*map(str, map(_relative, report.findings)), _summary(report)]) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _relative(finding: Finding) -> Finding:
    """The finding with its file as it is reached from here, where that is shorter."""
    shown = os.path.relpath(finding.path) if finding.path else ""
    return (
        finding.at(f"{shown}:{finding.line_number}") if shown and len(shown) < len(finding.path) else finding
    )


def _summary(report: Report) -> str:
    counts = [(report.count(severity), severity) for severity in ("error", "warning", "note")]
    said = ", ".join(f"{count:,} {severity}{'s' * (count > 1)}" for count, severity in counts if count)
    return f"{said}." if said else "No findings."


def _plain(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity,
                "template": finding.template,
                "id": finding.template_id,
                "file": finding.path,
                "line": finding.line_number,
                "message": finding.message,
                "fixable": finding.fix is not None,
            }
            for finding in report.findings
        ],
        "statistics": [
            {"file": str(path), "template": name, **outcome.as_dict()}
            for path, outcomes in report.outcomes.items()
            for name, outcome in outcomes.items()
        ],
    }


def _counts(report: Report) -> list[tuple[object, ...]]:
    found = []
    for path, outcomes in report.outcomes.items():
        for name, outcome in outcomes.items():
            told = outcome.as_dict()
            lengths = [told[side].get(key, "") for side in ("input_characters", "target_characters")
                       for key in ("median", "maximum")]  # fmt: skip
            failed = outcome.faults.total()
            found.append((os.path.relpath(path), name, outcome.rows, outcome.blank, failed, *lengths))
    return found


def _write(text: str, output: Path | None) -> None:
    if output is None:
        say(text.removesuffix("\n"))
        return
    from mtft.prompting.writing import staged

    with staged(output, text):
        pass
