"""What a rule finds, and the table that rules enter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from mtft.prompting.linting.case import Case

Severity = Literal["error", "warning", "note"]
Key = tuple[str | int, ...]  # of a value within a template: ("jinja",), ("metadata", "metrics", 0)
JINJA: Key = ("jinja",)
CHOICES: Key = ("answer_choices",)
IN_PROMPT: Key = ("metadata", "choices_in_prompt")
LANGUAGES: Key = ("metadata", "languages")
METRICS_KEY: Key = ("metadata", "metrics")


class Fix(NamedTuple):
    """A value that is certain to be meant.

    Attributes:
        key: Where it goes.
        value: It; None for null.
    """

    key: Key
    value: str | bool | None


class Found(NamedTuple):
    """What a rule says of one template.

    Attributes:
        message: What was found and how to mend it.
        key: The value it is about.
        line: The line within that value's text, from 1.
        fix: The value that is meant, where that is certain.
        severity: In place of the rule's.
    """

    message: str
    key: Key = JINJA
    line: int = 1
    fix: Fix | None = None
    severity: Severity | None = None


@dataclass(frozen=True)
class Finding:
    """One thing to mend in a template.

    Attributes:
        rule: The rule's name.
        severity: "error" for what trains on wrong text, "warning" for what likely does, "note" for what is
            worth a look.
        template: The template's name; empty for findings about a whole file.
        where: File and line.
        message: What was found and how to mend it.
        template_id: The template's uuid.
        key: The value it is about.
        line: The line within that value's text, from 1.
        fix: The value that is meant, where that is certain.
    """

    rule: str
    severity: Severity
    template: str
    where: str
    message: str
    template_id: str = ""
    key: Key = ()
    line: int = 1
    fix: Fix | None = None

    def __str__(self) -> str:
        about = f"template `{self.template}`: " if self.template else ""
        mend = " [--fix mends it]" if self.fix else ""
        return f"{self.where}: {self.severity} {self.rule}: {about}{self.message}{mend}"

    @property
    def path(self) -> str:
        """The file; empty where the template comes from none."""
        path, colon, line = self.where.rpartition(":")
        return path if colon and line.isdigit() else self.where

    @property
    def line_number(self) -> int:
        """The line in the file, 1 where none is known."""
        line = self.where.rpartition(":")[2]
        return int(line) if line.isdigit() else 1

    def at(self, where: str) -> Finding:
        """The finding at another place."""
        return replace(self, where=where)


Check = Callable[["Case"], Iterator[Found]]


class Rule(NamedTuple):
    """One rule.

    Attributes:
        name: What findings and options call it.
        severity: Of its findings, unless one says otherwise.
        what: What it finds, for tables of rules.
        check: The findings on one template; None for rules over whole files.
    """

    name: str
    severity: Severity
    what: str
    check: Check | None = None


RULES: dict[str, Rule] = {}


def rule(name: str, severity: Severity, what: str) -> Callable[[Check], Check]:
    """Enters a check in the table of rules, under this name."""

    def enter(check: Check) -> Check:
        RULES[name] = Rule(name, severity, what, check)
        return check

    return enter


def file_rule(name: str, severity: Severity, what: str) -> Rule:
    """Enters a rule whose findings need more than one template."""
    RULES[name] = Rule(name, severity, what)
    return RULES[name]
