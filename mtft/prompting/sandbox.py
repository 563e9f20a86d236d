"""The Jinja environments of templates: an allow-list of attributes, methods, filters and functions.

Stricter than `jinja2.sandbox`: a template reaches nothing but the values it was given and the plain
methods of text, lists and dicts. Lists may be changed (`append` is common in public templates); the rows
they come from are copied first, see `mtft.prompting.program`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import BuiltinMethodType, MethodType
from typing import Any, cast

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateRuntimeError, UndefinedError
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, StrictUndefined, Undefined
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace, missing

from mtft.prompting.budget import check_integer, check_length
from mtft.prompting.filters import (
    INTERNAL_FILTERS,
    TEMPLATE_FILTERS,
    TEMPLATE_FUNCTIONS,
    TEMPLATE_TESTS,
    budget_of,
    formatted,
    join_texts,
    printed,
    replaced_text,
    text_of,
)
from mtft.prompting.rewrite import rewrite

# The methods a template may call, and those of them that change their object.
_STRING = frozenset(
    {
        *("capitalize", "casefold", "count", "endswith", "find", "index", "isalpha", "isdigit", "islower"),
        *("isnumeric", "isspace", "istitle", "isupper", "join", "lower", "lstrip", "partition"),
        *("removeprefix", "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip"),
        *("split", "splitlines", "startswith", "strip", "swapcase", "title", "upper"),
    }
)
_DICT = frozenset(
    {
        *("clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"),
    }
)
_LIST = frozenset(
    {
        *("append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse"),
        "sort",
    }
)
_LOOP = frozenset(
    {
        *("changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length", "nextitem"),
        *("previtem", "revindex", "revindex0"),
    }
)
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _STRING),
    (dict, _DICT),
    (list, _LIST),
    (tuple, frozenset({"count", "index"})),
    (LoopContext, _LOOP),
)
_COMPARING = frozenset({"count", "index", "remove", "sort"})
MUTATORS = (_DICT | _LIST) - {"copy", "count", "get", "index", "items", "keys", "values"}


class MissingValueError(UndefinedError):
    """A value that a template uses and the row does not have.

    Attributes:
        owner: What was asked for it: a container, or `missing` for the row itself.
        name: The column, key or index.
    """

    def __init__(self, message: str | None = None, *, owner: object = missing, name: object = None) -> None:
        self.owner = owner
        self.name = name
        super().__init__(message)


class RowUndefined(StrictUndefined):
    """An undefined value that remembers what it should have been."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, exc)
        if exc is UndefinedError:
            fault = partial(MissingValueError, owner=obj, name=name)
            self._undefined_exception = cast("type[TemplateRuntimeError]", fault)


class TemplateEnvironment(SandboxedEnvironment):
    """Jinja for prompt templates.

    Args:
        strict: Missing fields, None and negative indices are errors, and `|||` is told from the data's by
            the template's syntax. Without it, promptsource's behaviour.
    """

    intercepted_binops = frozenset({"*", "**", "+", "%", "//"})

    def __init__(self, *, strict: bool) -> None:
        super().__init__(
            undefined=RowUndefined if strict else Undefined, finalize=printed, cache_size=0, auto_reload=False
        )
        self.strict = strict
        self.filters = {**TEMPLATE_FILTERS, **INTERNAL_FILTERS}
        self.tests = TEMPLATE_TESTS
        # The functions come with each rendering, so that a column may bear the name of one.
        self.globals = {}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        # Jinja's hook between parsing and code generation.
        return rewrite(Parser(self, source, name, filename).parse(), strict=self.strict)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An allowed method or attribute of `obj`, else its item of that name."""
        for kind, allowed in _METHODS:
            if isinstance(obj, kind) and attribute in allowed:
                return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            obj._fail_with_undefined_error()
        if isinstance(obj, Namespace):
            return self._namespace_value(obj, attribute)
        if isinstance(obj, (str, Sequence, type)):
            return self._no_attribute(obj, attribute)
        try:
            return obj[attribute]
        except (TypeError, LookupError, AttributeError):
            return self._no_attribute(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The item of `obj`, else an allowed method of that name."""
        if isinstance(obj, type):
            return self._no_attribute(obj, str(argument))
        try:
            return obj[argument]
        except (TypeError, LookupError, AttributeError):
            if isinstance(argument, str) and not isinstance(obj, Mapping):
                return self.getattr(obj, argument)
            return self.undefined(obj=obj, name=argument)

    def _namespace_value(self, namespace: Namespace, attribute: str) -> Any:
        if attribute.startswith("_"):
            return self._no_attribute(namespace, attribute)
        try:
            return getattr(namespace, attribute)
        except AttributeError:
            return self.undefined(obj=namespace, name=attribute)

    def _no_attribute(self, obj: Any, attribute: str) -> Undefined:
        if hasattr(type(obj), attribute):
            return self.undefined(
                f"The attribute `{attribute}` of {type(obj).__name__} is not allowed.",
                obj=obj,
                name=attribute,
                exc=SecurityError,
            )
        return self.undefined(obj=obj, name=attribute)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a template's call of an allowed function or method."""
        if isinstance(obj, Undefined):
            return obj(*args, **kwargs)
        if any(obj is function for function in TEMPLATE_FUNCTIONS.values()):
            return context.call(obj, *args, **kwargs)
        # Jinja's compiled loops pass their variables along for functions that take the context.
        kwargs.pop("_loop_vars", None)
        kwargs.pop("_block_vars", None)
        if not isinstance(obj, (BuiltinMethodType, MethodType)):
            raise SecurityError(f"{type(obj).__name__} cannot be called by a template")
        budget = budget_of(context)
        (budget.read_all if obj.__name__ in _COMPARING else budget.read)(obj.__self__)
        for argument in args:
            budget.read(argument)
        guarded = _GUARDED.get((type(obj.__self__), obj.__name__))
        return guarded(context, obj.__self__, *args) if guarded else obj(*args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The result of `+`, `*`, `**` or `%`, if it is not too large."""
        if operator == "%" and isinstance(left, str):
            return formatted(context, left, right)
        _BINOP_CHECKS[operator](left, right)
        result = self.binop_table[operator](left, right)
        if isinstance(result, (str, list, tuple)):
            budget_of(context).read(result)
        return result


def _guarded_join(context: Context, separator: str, values: Any) -> str:
    return join_texts(context, [text_of(context, value) for value in values], separator)


def _guarded_replace(context: Context, text: str, old: Any, new: Any, count: int = -1) -> str:
    return replaced_text(context, text, text_of(context, old), text_of(context, new), count)


def _guarded_extend(context: Context, items: list[Any], more: Any) -> None:
    more = list(more)
    check_length(len(items) + len(more))
    budget_of(context).read(more)
    items.extend(more)


_GUARDED: dict[tuple[type, str], Callable[..., Any]] = {
    (str, "join"): _guarded_join,
    (str, "replace"): _guarded_replace,
    (list, "extend"): _guarded_extend,
}


def _check_sum(left: Any, right: Any) -> None:
    if isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
        check_length(len(left) + len(right))


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        check_integer(left.bit_length() + right.bit_length())
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, (str, bytes, list, tuple)) and isinstance(times, int):
            check_length(len(sequence) * max(times, 0))


def _check_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and right > 0:
        check_integer(left.bit_length() * right)


def _check_division(left: Any, right: Any) -> None:
    for number in (left, right):
        if isinstance(number, int):
            check_integer(number.bit_length())


_BINOP_CHECKS: dict[str, Callable[[Any, Any], None]] = {
    "+": _check_sum,
    "*": _check_product,
    "**": _check_power,
    "%": _check_division,
    "//": _check_division,
}

STRICT = TemplateEnvironment(strict=True)
COMPATIBLE = TemplateEnvironment(strict=False)
