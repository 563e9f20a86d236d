"""One prompt template and what it makes of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any

from mtft.errors import TemplateError
from mtft.prompting.batches import rows_of
from mtft.prompting.checks import are_sound, checked
from mtft.prompting.dice import Dice
from mtft.prompting.explain import explained, preview
from mtft.prompting.extensions import RegisteredFilter, provide, registered_in
from mtft.prompting.failures import RenderError
from mtft.prompting.program import Program
from mtft.prompting.rendered import Rendered
from mtft.prompting.sandbox import COMPATIBLE, STRICT
from mtft.prompting.truncation import Fitted, Truncation, fitted, promptsource_truncated

# Part of every template's fingerprint: raise it when the same template renders differently.
ENGINE_VERSION = 1
_FILTERS = "filters of other rooms"  # a key of the pickled state that no attribute can have


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
        state = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**state, _FILTERS: self._registered} if self._registered else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        provide([each.provider for each in state.get(_FILTERS, ())])
        self.__dict__.update({name: value for name, value in state.items() if name != _FILTERS})

    @property
    def _registered(self) -> tuple[RegisteredFilter, ...]:
        """The filters of other rooms that it may use."""
        return registered_in(f"{self.jinja} {self.answer_choices}")

    @property
    def language(self) -> str:
        """Code of the prompt's language; English where none is given."""
        return self.metadata.languages[0] if self.metadata.languages else "en"

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all that decides what a row renders to."""
        versions = tuple((each.name, each.version) for each in self._registered)
        text = repr((ENGINE_VERSION, self.id, self.jinja, self.answer_choices, *versions))
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
        self,
        row: Mapping[str, Any],
        *,
        example_id: str = "",
        seed: int = 0,
        compat: bool = False,
        truncate: bool = False,
    ) -> Rendered | None:
        """Input, targets and choices for one row, or None where the template leaves the row out.

        Random choices are a function of (seed, example_id, the template's id) alone. Nothing is cut; `fit`
        shortens a named column.

        Args:
            row: Column name to value.
            example_id: The row's id.
            seed: The run's seed.
            compat: Reproduce promptsource: missing fields are empty, None is "None", -1 is the last choice,
                `|||` in nested data splits.
            truncate: With `compat`, cut printed values, targets too, to 2048 characters as promptsource does.

        Raises:
            RenderError: The row breaks a rule; its `fault` is the code to count.
            TemplateError: The template does not compile.
        """
        program = self._program(compat, truncate)
        try:
            parts, choices = program.run(row, Dice(seed, example_id, self.id))
            if not any(parts):
                return None
            if compat:
                return Rendered(parts[0], parts[1:], choices)
            return checked(parts, choices, sound=choices is self._sound_choices)
        except Exception as error:  # a template may fail in any way; it never stops the program
            raise explained(error, row).at(self._place_of(row, example_id)) from None

    def fit(
        self, row: Mapping[str, Any], truncation: Truncation, *, example_id: str = "", seed: int = 0
    ) -> Fitted:
        """The rendered row, its long column shortened where the input has too many tokens, and how many went.

        Only the named column is shortened, at a word's end (a character's, in scripts without spaces), to
        the longest beginning that fits (or ending: `Truncation.side`); targets and choices stay as they are.

        Raises:
            RenderError: The row breaks a rule; it does not fit with one word left (`too_long`); or a
                shorter column would change targets or choices (`cut_changes_target`).
        """
        try:
            return fitted(row, truncation, partial(self.render, example_id=example_id, seed=seed))
        except RenderError as error:
            raise error.at(self._place_of(row, example_id)) from None

    def render_batch(
        self,
        columns: Mapping[str, Sequence[Any]],
        *,
        example_ids: Sequence[str] | None = None,
        seed: int = 0,
    ) -> list[Rendered | RenderError | None]:
        """For each row of equally long columns, what `render` makes of it; an error stands in its row's place.

        Args:
            columns: Column name to its values, as `datasets` hands batches over.
            example_ids: The rows' ids.
            seed: The run's seed.
        """
        rows = rows_of(columns)
        ids = [""] * len(rows) if example_ids is None else example_ids
        return [self._attempt(row, name, seed) for row, name in zip(rows, ids, strict=True)]

    def _attempt(self, row: Mapping[str, Any], example_id: str, seed: int) -> Rendered | RenderError | None:
        try:
            return self.render(row, example_id=example_id, seed=seed)
        except RenderError as error:
            return error

    def _place_of(self, row: Mapping[str, Any], example_id: str) -> str:
        return f"{self.place}, {f'example {example_id}' if example_id else 'row'} {preview(row)}"

    def _program(self, compat: bool, truncate: bool) -> Program:
        if not compat and truncate:
            raise TemplateError(
                "Text is cut only in compatibility mode.",
                where=self.place,
                remedy="Use `fit`, which shortens one named column.",
            )
        return self._truncating if truncate else self._compatible if compat else self._strict

    @cached_property
    def _strict(self) -> Program:
        return Program(self.jinja, self._choices_text, STRICT, self.place)

    @cached_property
    def _compatible(self) -> Program:
        return Program(self.jinja, self.answer_choices, COMPATIBLE, self.place)

    @cached_property
    def _truncating(self) -> Program:
        return Program(promptsource_truncated(self.jinja), self.answer_choices, COMPATIBLE, self.place)

    @cached_property
    def _sound_choices(self) -> tuple[str, ...] | None:
        """The fixed choices, if every row may have them: the check is then made once."""
        choices = self._strict.fixed_choices
        return choices if choices is not None and are_sound(choices) else None

    @property
    def _choices_text(self) -> str | None:
        # Machine-translated collections write '' where they mean null.
        return self.answer_choices if self.answer_choices and self.answer_choices.strip() else None
