"""Findings as SARIF, which code hosts show beside the lines.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0, sections 3.13 to 3.28.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mtft.prompting.linting.finding import RULES, Finding

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_BASE = "SRCROOT"  # resolved by who reads the log


def sarif(findings: Sequence[Finding], base: Path, version: str) -> dict[str, Any]:
    """The log of one run, as plain data.

    Args:
        findings: Those to report.
        base: The folder that file names are relative to.
        version: Of the linter.
    """
    names = list(RULES)
    driver = {
        "name": "mtft prompts lint",
        "semanticVersion": version,
        "rules": [_rule(name) for name in names],
    }
    results = [_result(finding, names.index(finding.rule), base) for finding in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": RULES[name].what},
        "defaultConfiguration": {"level": RULES[name].severity},
    }


def _result(finding: Finding, index: int, base: Path) -> dict[str, Any]:
    about = f"Template `{finding.template}`: " if finding.template else ""
    place = {
        "artifactLocation": {"uri": _uri(finding.path, base), "uriBaseId": _BASE},
        "region": {"startLine": finding.line_number},
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": f"{about}{finding.message}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"template/v1": f"{finding.rule}:{finding.template_id or finding.path}"},
        "properties": {"template": finding.template, "fixable": finding.fix is not None},
    }


def _uri(path: str, base: Path) -> str:
    """The file's place relative to the base, as a URI reference."""
    return quote(os.path.relpath(path or ".", base).replace(os.sep, "/"))
