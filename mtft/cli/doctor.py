"""`mtft doctor`: versions, devices, compilers, settings, and what would break."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from mtft.cli.checks import BREAKS, Finding, all_checks
from mtft.cli.options import DataRoot, Json
from mtft.cli.output import console, say_json

STYLES = {"ok": "green", "note": "cyan", BREAKS: "bold red"}
MARKS = {"ok": "✓", "note": "·", BREAKS: "✗"}


def doctor(
    data_root: DataRoot = None,
    strict: Annotated[bool, typer.Option(help="Exit code 1 if something would break.")] = False,
    as_json: Json = False,
) -> None:
    """Check the installation: versions, devices, DeepSpeed, compilers, Accelerate's settings, data."""
    findings = list(all_checks(data_root))
    if as_json:
        say_json([vars(finding) for finding in findings])
    else:
        _print(findings)
    if strict and any(finding.level == BREAKS for finding in findings):
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    out = console()
    for finding in findings:
        style = STYLES[finding.level]
        out.print(
            Text.assemble((MARKS[finding.level], style), f" {finding.what}: ", (finding.found, style)),
            soft_wrap=True,
        )
        if finding.remedy:
            out.print(Text(f"    {finding.remedy}"), soft_wrap=True)
    broken = sum(finding.level == BREAKS for finding in findings)
    out.print(Text("Nothing would break." if not broken else f"{broken} of these would break a run."))
