"""One prompt template and what it makes of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import blake2b
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.utils import missing

from mtft.errors import nearest
from mtft.prompting.dice import Dice
from mtft.prompting.failures import RenderError
from mtft.prompting.program import Program
from mtft.prompting.rendered import Rendered
from mtft.prompting.sandbox import COMPATIBLE, STRICT, MissingValueError

# Part of every template's fingerprint: raise it when the same template renders differently.
ENGINE_VERSION = 1


@dataclass(frozen=True)
class TemplateMetadata:
    """What a template says of itself.

    Attributes:
        choices_in_prompt: Whether the input shows the answer choices; None for not said.
        languages: Codes of the languages the prompt is written in (not the data's).
        metrics: Names of the metrics that fit, promptsource's vocabulary.
        original_task: Whether it asks what the dataset was made for.
    """

    choices_in_prompt: bool | None = None
    languages: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    original_task: bool | None = None


@dataclass(frozen=True)
class Template:
    """A prompt: Jinja text that turns a row into an input and its targets.

    Attributes:
        id: A uuid, fixed for ever.
        name: Unique within the file.
        jinja: Input and target(s), separated by `|||`.
        answer_choices: Jinja text that renders to the choices, separated by `|||`; None for free answers.
        reference: Where the prompt comes from.
        metadata: What it says of itself.
        where: File and line, for messages.
    """

    id: str
    name: str
    jinja: str
    answer_choices: str | None = None
    reference: str = ""
    metadata: TemplateMetadata = field(default_factory=TemplateMetadata)
    where: str = field(default="", compare=False)

    def __getstate__(self) -> dict[str, Any]:
        # Compiled code does not pickle; a worker compiles its own.
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def language(self) -> str:
        """Code of the prompt's language; English where none is given."""
        return self.metadata.languages[0] if self.metadata.languages else "en"

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that decides what a row renders to."""
        text = repr((ENGINE_VERSION, self.id, self.jinja, self.answer_choices))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @property
    def place(self) -> str:
        """File, line and name, for messages."""
        return f"{self.where}: template `{self.name}`" if self.where else f"template `{self.name}`"

    def fields(self) -> frozenset[str]:
        """The columns of a row that the text and the choices use.

        Raises:
            TemplateError: The template does not compile.
        """
        return self._strict.fields

    def fixed_choices(self) -> tuple[str, ...] | None:
        """The answer choices where they are the same for all rows, else None."""
        return self._strict.fixed_choices

    def render(
        self, row: Mapping[str, Any], *, example_id: str = "", seed: int = 0, compat: bool = False
    ) -> Rendered | None:
        """Input, targets and choices for one row, or None where the template leaves the row out.

        Random choices are a function of (seed, example_id, the template's id) alone. Nothing is ever cut.

        Args:
            row: Column name to value.
            example_id: The row's id.
            seed: The run's seed.
            compat: Reproduce promptsource: missing fields are empty, None is "None", -1 is the last choice,
                `|||` in nested data splits.

        Raises:
            RenderError: The row breaks a rule; its `fault` is the code to count.
            TemplateError: The template does not compile.
        """
        program = self._compatible if compat else self._strict
        try:
            parts, choices = program.run(row, Dice(seed, example_id, self.id))
            if not any(parts):
                return None
            return Rendered(parts[0], parts[1:], choices) if compat else _checked(parts, choices)
        except Exception as error:  # a template may fail in any way; it never stops the program
            place = f"{self.place}, example {example_id}" if example_id else self.place
            raise _explained(error, row).at(place) from None

    @cached_property
    def _strict(self) -> Program:
        return Program(self.jinja, self._choices_text, STRICT, self.place)

    @cached_property
    def _compatible(self) -> Program:
        return Program(self.jinja, self.answer_choices, COMPATIBLE, self.place)

    @property
    def _choices_text(self) -> str | None:
        # Machine-translated collections write '' where they mean null.
        return self.answer_choices if self.answer_choices and self.answer_choices.strip() else None


def _checked(parts: Sequence[str], choices: tuple[str, ...] | None) -> Rendered:
    """The rendered row, if it has an input, a target, and choices that hold the target."""
    inputs, targets = parts[0], tuple(part for part in parts[1:] if part)
    if len(parts) < 2:
        rule = "A template must write an input, `|||` and a target."
        raise RenderError("no_target", rule, found=f"only {inputs[:80]!r}")
    if not inputs:
        raise RenderError("empty_input", "The input must not be empty.", found=f"target {targets[0]!r}")
    if not targets:
        raise RenderError("empty_target", "The target must not be empty.", found=f"input {inputs[:80]!r}")
    if choices is not None:
        _check_choices(targets, choices)
    return Rendered(inputs, targets, choices)


def _check_choices(targets: tuple[str, ...], choices: tuple[str, ...]) -> None:
    if not all(choices):
        raise RenderError("empty_choice", "No answer choice may be empty.", found=choices)
    if len(set(choices)) < len(choices):
        raise RenderError("duplicate_choices", "The answer choices must differ.", found=choices)
    for target in targets:
        if target not in choices:
            raise RenderError(
                "target_not_in_choices",
                "The target must be one of the answer choices.",
                found=f"target {target!r}, choices {choices}",
            )


def _explained(error: Exception, row: Mapping[str, Any]) -> RenderError:
    """The error as a `RenderError` with its code."""
    if isinstance(error, RenderError):
        return error
    if isinstance(error, MissingValueError):
        return _missing_value(error, row)
    if isinstance(error, SecurityError):
        return RenderError("sandbox", "A template may only use text, lists and dicts.", found=error)
    return RenderError(
        "failed", "A template must render without errors.", found=f"{type(error).__name__}: {error}"
    )


def _missing_value(error: MissingValueError, row: Mapping[str, Any]) -> RenderError:
    """The error for a column, key or index that is not there."""
    if error.owner is missing:
        return RenderError(
            "missing_field",
            "A template may use only the row's columns.",
            found=f"`{error.name}`; the row has {', '.join(sorted(map(str, row)))}",
            remedy=nearest(str(error.name), map(str, row)),
        )
    if isinstance(error.owner, Mapping):
        return RenderError(
            "missing_field",
            "A template may use only keys that the row's value has.",
            found=f"`{error.name}`",
            remedy=nearest(str(error.name), map(str, error.owner)),
        )
    if isinstance(error.owner, Sequence) and isinstance(error.name, int):
        return RenderError(
            "index_range",
            "An index must lie within its list.",
            found=f"index {error.name} of {len(error.owner)} elements",
        )
    return RenderError(
        "missing_field",
        "A template may use only what the row's values have.",
        found=f"`{error.name}` of a {type(error.owner).__name__}",
    )
