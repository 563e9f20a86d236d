"""The error tree of mtft: every message says the rule, what was found and where, and the remedy.

```
MtftError
├── TemplateError   a prompt template, or a row it cannot render
├── StructureError  a table, triples or a meaning representation
├── TaskError       a task card, a data file or a row of it
│   └── SourceError a data folder or a Hub dataset that cannot be reached
├── MixtureError    a mixture's specification or its build
├── ConfigError     command-line arguments, recipes, settings
├── SuiteError      an evaluation suite, or a scorer
├── ModelError      a model or tokenizer folder
├── RunError        a run folder: resume, manifest, outputs
│   └── DivergedError   training that a loss or gradient ended
└── MissingExtraError   an optional dependency that is not installed
```
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MtftError(ValueError):
    """A mistake in what the user gave, told as rule, finding, place and remedy.

    Args:
        rule: What must hold, as one sentence.
        found: What was found instead.
        where: File, key and line, as far as they are known.
        remedy: How to mend it.
    """

    def __init__(
        self, rule: str, *, found: object = None, where: object = None, remedy: str | None = None
    ) -> None:
        self.rule = rule
        self.found = found
        self.where = where
        self.remedy = remedy
        super().__init__(self._message())

    def _message(self) -> str:
        place = f"{self.where}: " if self.where is not None else ""
        finding = f" Found: {self.found}." if self.found is not None else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{place}{self.rule}{finding}{remedy}"


class TemplateError(MtftError):
    """A prompt template is malformed, or a row cannot be rendered with it."""


class StructureError(MtftError):
    """A table, a set of triples or a meaning representation breaks a rule."""


class TaskError(MtftError):
    """A task card, a data file or one of its rows breaks a rule."""


class SourceError(TaskError):
    """What a task's rows are read from cannot be reached: other tasks may still be evaluated."""


class MixtureError(MtftError):
    """A mixture's specification breaks a rule, or its build cannot go on."""


class ConfigError(MtftError):
    """A command-line argument, a recipe or a settings file breaks a rule."""


class SuiteError(MtftError):
    """An evaluation suite or a scorer breaks a rule."""


class ModelError(MtftError):
    """A model or tokenizer cannot be used as asked."""


class RunError(MtftError):
    """A run folder cannot be resumed from, written to or read."""


class DivergedError(RunError):
    """A loss or gradient is not finite, or a spike ends the run where asked."""


class MissingExtraError(MtftError):
    """An optional dependency is not installed; the message names the extra that brings it.

    Args:
        package: The module that could not be imported.
        extra: The extra of mtft that installs it.
        purpose: What needs it.
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package `{package}`, which is not installed.",
            remedy=f"Install it with: pip install 'mtft[{extra}]'",
        )


def nearest(name: str, options: Iterable[str], *, limit: int = 3) -> str:
    """The remedy sentence that names the options closest to `name`.

    Example: `nearest("xcpa", ["xcopa", "xquad"])` is `"Did you mean: xcopa?"`; with nothing close,
    the options themselves are listed (at most twenty).
    """
    known = sorted(set(options))
    close = difflib.get_close_matches(name, known, n=limit, cutoff=0.5)
    if close:
        return f"Did you mean: {', '.join(close)}?"
    if not known:
        return "There are none to choose from."
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f"Known: {shown}."
