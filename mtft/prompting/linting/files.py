"""The linter over template files: findings with the line they are about, and what goes on between files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from mtft.errors import TemplateError
from mtft.prompting.files import read_templates
from mtft.prompting.linting.copies import copies_between
from mtft.prompting.linting.facts import Facts
from mtft.prompting.linting.finding import Finding, file_rule
from mtft.prompting.linting.linter import linted
from mtft.prompting.linting.outcomes import Outcomes
from mtft.prompting.linting.positions import Positions, positions, silenced
from mtft.prompting.parsed import TemplateFile
from mtft.prompting.template import Template

_FORMAT = file_rule("file-format", "error", "The file is YAML of the template format.")
_LEGACY = file_rule("legacy-key", "warning", "No key stands there that has lost its meaning.")
_CLUSTER = file_rule("cluster", "warning", "The card's cluster is one of the list.")
_CARD = file_rule("card-template", "error", "A template that the card speaks of is there.")
_PLACE = re.compile(r"^(?P<path>.*):(?P<line>\d+)$", re.DOTALL)
FactsOf = Callable[[Path, TemplateFile], Facts]


@dataclass
class Report:
    """What the linter says of some files.

    Attributes:
        findings: By file, then in the order of its templates.
        outcomes: File → template name → what it makes of rows.
        files: How many were read.
        templates: How many they hold.
    """

    findings: list[Finding] = field(default_factory=list)
    outcomes: dict[Path, dict[str, Outcomes]] = field(default_factory=dict)
    files: int = 0
    templates: int = 0

    def without(self, ignored: Collection[str], *, notes: bool) -> Report:
        """The report without some rules, and without notes where they are not wanted."""
        kept = [f for f in self.findings if f.rule not in ignored and (notes or f.severity != "note")]
        return replace(self, findings=kept)

    def count(self, severity: str) -> int:
        """How many findings of a severity there are."""
        return sum(finding.severity == severity for finding in self.findings)


def lint_files(paths: Sequence[Path], facts_of: FactsOf) -> Report:
    """The findings over some template files; a file that cannot be read is a finding too.

    Args:
        paths: The files.
        facts_of: What is known of a file's dataset.
    """
    report, files = Report(files=len(paths)), dict[Path, TemplateFile]()
    found: dict[Path, list[Finding]] = {path: [] for path in paths}
    for path in paths:
        file = _read(path, found[path])
        if file is not None:
            files[path] = file
    for path, file in files.items():
        others = [t for other, theirs in files.items() if other != path and theirs.dataset == file.dataset
                  for t in theirs.templates]  # fmt: skip
        found[path] += _of_file(file, facts_of(path, file), others, report, path)
    for finding in copies_between([(file.dataset, file.templates) for file in files.values()]):
        found[Path(finding.path)].append(finding)
    report.findings = [finding for path in paths for finding in _placed(path, found[path])]
    report.templates = sum(len(file.templates) for file in files.values())
    return report


def _read(path: Path, found: list[Finding]) -> TemplateFile | None:
    """The file's templates; what keeps them from being read is found instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the legacy keys are findings
        try:
            file = read_templates(path)
        except TemplateError as error:
            found += _unreadable(path, error)
            return None
    for name, line in file.legacy:
        message = f"the key `{name}` has no meaning any more; take it out."
        found.append(Finding(_LEGACY.name, _LEGACY.severity, "", f"{path}:{line}", message))
    return file


def _unreadable(path: Path, error: TemplateError) -> list[Finding]:
    """The error as a finding; ids and names that stand there twice are findings of their own."""
    repeated = list(_repeated(path))
    if repeated:
        return repeated
    place = _PLACE.match(str(error.where)) or _PLACE.match(f"{error.where}:1")
    line = place["line"] if place else "1"
    message = f"{error.rule} Found: {error.found}." + (f" {error.remedy}" if error.remedy else "")
    return [Finding(_FORMAT.name, _FORMAT.severity, "", f"{path}:{line}", message)]


def _repeated(path: Path) -> Iterator[Finding]:
    try:
        at = positions(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    for key, line in at.repeated:
        if len(key) == 2 and key[0] == "templates":
            message = f"the id {str(key[1])[:80]} stands in line {at.lines[key]} already."
            yield Finding("duplicate-id", "error", "", f"{path}:{line}", message)
    names: dict[str, int] = {}
    for key, span in at.values.items():
        if len(key) == 3 and key[0] == "templates" and key[2] == "name":
            first = names.setdefault(span.text, span.line)
            if first != span.line:
                message = f"its name is that of the template in line {first}."
                yield Finding("duplicate-name", "error", span.text[:80], f"{path}:{span.line}", message)


def _of_file(
    file: TemplateFile, facts: Facts, others: Sequence[Template], report: Report, path: Path
) -> Iterator[Finding]:
    checked = linted(file.templates, facts, others)
    names = {template.id: template.name for template in file.templates}
    if checked.outcomes:
        report.outcomes[path] = {names[uuid]: outcome for uuid, outcome in checked.outcomes.items()}
    yield from checked.findings
    yield from _of_card(facts, names)


def _of_card(facts: Facts, names: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the card where it speaks of templates and of the task's cluster."""
    if facts.cluster is not None and facts.clusters and facts.cluster not in facts.clusters:
        message = f"the cluster `{facts.cluster}` is none of {', '.join(facts.clusters)}."
        yield Finding(_CLUSTER.name, _CLUSTER.severity, "", f"{facts.card}:1", message)
    for uuid in sorted({*facts.truncatable, *facts.translation_of} - set(names)):
        message = f"the card speaks of the template {uuid}, which is not in the file."
        yield Finding(_CARD.name, _CARD.severity, "", f"{facts.card}:1", message)


def _placed(path: Path, found: Sequence[Finding]) -> Iterator[Finding]:
    """The findings that no comment silences, each at the line it is about."""
    if not found:
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
        at = positions(text)
    except (OSError, ValueError, yaml.YAMLError):
        yield from found
        return
    ids = {str(key[1]): line for key, line in at.lines.items() if len(key) == 2 and key[0] == "templates"}
    quiet = silenced(text, ids)
    for finding in found:
        if finding.rule not in quiet.get("", frozenset()) | quiet.get(finding.template_id, frozenset()):
            yield _at_its_line(finding, path, at)


def _at_its_line(finding: Finding, path: Path, at: Positions) -> Finding:
    if not finding.template_id:
        return finding
    line = at.line_of(("templates", finding.template_id, *finding.key), finding.line)
    return finding if line is None else finding.at(f"{path}:{line}")
