"""Templates compiled to code: once per template and mode, then run per row."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from jinja2 import meta, nodes
from jinja2.environment import Template as JinjaTemplate
from jinja2.exceptions import TemplateSyntaxError
from jinja2.runtime import Context

from mtft.errors import TemplateError, nearest
from mtft.prompting.budget import Budget
from mtft.prompting.dice import Dice
from mtft.prompting.failures import RenderError
from mtft.prompting.filters import BUDGET, DICE, TEMPLATE_FILTERS, TEMPLATE_FUNCTIONS
from mtft.prompting.rewrite import MARK, SEPARATOR
from mtft.prompting.sandbox import MUTATORS, TemplateEnvironment

MAX_SOURCE_CHARACTERS = 2**17
_DRAWING = frozenset({"choice", "random"})
# promptsource hides a row's own separators behind this while it renders. Source: promptsource/templates.py
_PIPE_PROTECTOR = "3ed2dface8203c4c9dfb1a5dc58e41e0"


class CompiledText:
    """One Jinja text, compiled.

    Attributes:
        fields: The variables it takes from the row, `answer_choices` not among them.
        shows_choices: Whether it uses `answer_choices`.
        functions: The functions it calls, by name.
        draws: Whether it draws random numbers.
        mutates: Whether it calls methods that change a list or dict.

    Raises:
        TemplateError: The text is not valid, too long, or uses what is not allowed.
    """

    def __init__(self, source: str, environment: TemplateEnvironment, where: str) -> None:
        try:
            if len(source) > MAX_SOURCE_CHARACTERS:
                raise TemplateSyntaxError(f"longer than {MAX_SOURCE_CHARACTERS} characters", 1)
            tree = environment.parse(source)
            names = meta.find_undeclared_variables(tree)
            code = environment.compile(tree)
        except TemplateSyntaxError as error:
            raise _syntax_error(error, where) from None
        except (RecursionError, MemoryError, SyntaxError):  # the last two come from Python's own compiler
            raise TemplateError("A template must not be nested so deeply.", where=where) from None
        called = {call.node.name for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name)}
        self.functions = {name: TEMPLATE_FUNCTIONS[name] for name in called & TEMPLATE_FUNCTIONS.keys()}
        self.fields = frozenset(names - self.functions.keys() - {"answer_choices"})
        self.shows_choices = "answer_choices" in names
        self.draws = any(node.name in _DRAWING for node in tree.find_all(nodes.Filter))
        self.mutates = any(node.attr in MUTATORS for node in tree.find_all(nodes.Getattr))
        self._write = JinjaTemplate.from_code(environment, code, environment.globals).root_render_func
        self._environment = environment
        self._settings = nodes.EvalContext(environment)

    def render(self, names: dict[str, Any]) -> str:
        """The text made of `names`: columns, functions, and the rendering's budget and dice."""
        return "".join(self._write(RowContext(self._environment, self._settings, names)))


class RowContext(Context):
    """The names of one rendering; Jinja's own context, without what inheritance and modules need."""

    def __init__(
        self, environment: TemplateEnvironment, settings: nodes.EvalContext, names: dict[str, Any]
    ) -> None:
        self.parent = names
        self.vars = {}
        self.environment = environment
        self.eval_ctx = settings
        self.exported_vars = set()
        self.name = None
        self.blocks = {}
        self.globals_keys = set()


def _syntax_error(error: TemplateSyntaxError, where: str) -> TemplateError:
    message = error.message or ""
    unknown = message.removeprefix("No filter named '").removesuffix("'.")
    remedy = nearest(unknown, TEMPLATE_FILTERS) if unknown != message else None
    return TemplateError(
        "A template must be valid Jinja of the allowed kind.",
        found=message.rstrip("."),
        where=f"{where}, line {error.lineno} of the text",
        remedy=remedy,
    )


class Program:
    """A template's text and its answer choices, compiled for one mode.

    Args:
        jinja: The template's text.
        answer_choices: The expression of its choices, or None.
        environment: `STRICT` or `COMPATIBLE`.
        where: The template's place, for messages.
    """

    def __init__(
        self, jinja: str, answer_choices: str | None, environment: TemplateEnvironment, where: str
    ) -> None:
        self._strict = environment.strict
        self._separator = MARK if environment.strict else SEPARATOR
        self._text = CompiledText(jinja, environment, where)
        self._choices = CompiledText(answer_choices, environment, where) if answer_choices else None
        if self._strict and SEPARATOR not in jinja:
            raise TemplateError(f"A template must separate input and target by `{SEPARATOR}`.", where=where)

    @cached_property
    def fields(self) -> frozenset[str]:
        """The columns of the row it uses."""
        return self._text.fields | (self._choices.fields if self._choices else frozenset())

    @cached_property
    def fixed_choices(self) -> tuple[str, ...] | None:
        """The choices where they are the same for all rows, else None."""
        if self._choices is None or self._choices.fields or self._choices.draws:
            return None
        return self._split(self._choices.render({**self._functions, BUDGET: Budget(), DICE: Dice(0, "", "")}))

    @cached_property
    def _functions(self) -> dict[str, Any]:
        return {**self._text.functions, **(self._choices.functions if self._choices else {})}

    @cached_property
    def _fixed_list(self) -> list[str] | None:
        """The fixed choices as templates see them, shared where no template can change them."""
        return None if self.fixed_choices is None or self._mutates else list(self.fixed_choices)

    @cached_property
    def _mutates(self) -> bool:
        return self._text.mutates or (self._choices is not None and self._choices.mutates)

    def run(self, row: Mapping[str, Any], dice: Dice) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
        """The stripped parts between the separators, and the answer choices."""
        if "answer_choices" in row:
            raise RenderError("reserved_text", "A row must not have a column named `answer_choices`.")
        values = self._strict_values(row) if self._strict else _protected(row)
        if self._mutates:
            values = copy.deepcopy(values)
        # A column may bear the name of a function.
        names = {**self._functions, **values, BUDGET: Budget(), DICE: dice}
        choices = self.fixed_choices
        if choices is None and self._choices is not None:
            choices = self._split(self._choices.render(names))
        if self._text.shows_choices:
            shared = self._fixed_list
            names["answer_choices"] = shared if shared or choices is None else list(choices)
        return self._split(self._text.render(names)), choices

    def _split(self, text: str) -> tuple[str, ...]:
        if self._strict:
            return tuple([part.strip() for part in text.split(MARK)])
        return tuple([part.strip().replace(_PIPE_PROTECTOR, SEPARATOR) for part in text.split(SEPARATOR)])

    def _strict_values(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields the template uses, where the row has them."""
        values = {name: row[name] for name in self.fields if name in row}
        if len(values) < len(self.fields):
            # A column `a-b` is no Jinja name: templates write `a_b`.
            hyphened = {name.replace("-", "_"): name for name in row if "-" in name}
            missing = self.fields - values.keys()
            values.update({name: row[hyphened[name]] for name in missing if name in hyphened})
        for name, value in values.items():
            if _holds_mark(value):
                raise RenderError(
                    "reserved_text",
                    "A row must not hold the noncharacters U+FDD0 and U+FDD1.",
                    found=f"they stand in column `{name}`",
                )
        return values


def _protected(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as promptsource renders it: separators hidden in top-level text only."""
    return {
        name: value.replace(SEPARATOR, _PIPE_PROTECTOR) if isinstance(value, str) else value
        for name, value in row.items()
    }


def _holds_mark(value: object) -> bool:
    """Whether a string in `value`, at any depth, holds a character of the mark."""
    if isinstance(value, str):
        return not value.isascii() and ("\ufdd0" in value or "\ufdd1" in value)
    if isinstance(value, (int, float)) or value is None:
        return False
    if isinstance(value, (list, tuple)):
        return any(map(_holds_mark, value))
    return isinstance(value, Mapping) and (
        any(map(_holds_mark, value.values())) or any(map(_holds_mark, value))
    )
