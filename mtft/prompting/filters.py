"""The filters and functions a template may use: promptsource's, each metered by the budget.

What is not listed here does not exist for a template. Every filter takes the context, which also keeps
Jinja from running it while it compiles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jinja2.filters import FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.tests import TESTS
from jinja2.utils import Namespace, pass_context

from mtft.prompting.budget import Budget, check_integer, check_length
from mtft.prompting.dice import Dice
from mtft.prompting.failures import RenderError

# Keys of the rendering's own state in a context; no template can name them, they are no identifiers.
BUDGET, DICE = "%budget", "%dice"

# Wide fields make long text out of short: "%099999d", and "*" takes the width from an argument.
_WIDE_FORMAT = re.compile(r"(?:\*|\d{4})(?:\.\d*)?[hlL]*[diouxXeEfFgGcrsa%]|\.(?:\*|\d{4})")

MAX_PRECISION = 300  # a float has about as many digits

_FROM_JINJA = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "items", "last"),
    *("length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select"),
    *("selectattr", "sort", "title", "trim", "truncate", "unique", "upper", "wordcount"),
)
# Filters that compare whole values.
_COMPARING = frozenset(
    {"dictsort", "max", "min", "reject", "rejectattr", "select", "selectattr", "sort", "unique"}
)
# Filters that make text of what they get, in strict mode not of None.
_TEXT_ONLY = frozenset({"capitalize", "lower", "title", "trim", "truncate", "upper", "wordcount"})


def budget_of(context: Context) -> Budget:
    """The meter of the rendering under way."""
    budget: Budget = context.parent[BUDGET]
    return budget


def text_of(context: Context, value: object) -> str:
    """`value` as text.

    Raises:
        RenderError: The text would be too long, or, in strict mode, the value is None or a method.
    """
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, Namespace):
        raise RenderError("failed", "A template must print values, not namespaces.")
    if context.environment.strict:  # type: ignore[attr-defined]
        _check_printable(value)
    if not isinstance(value, (int, float, Undefined)):
        budget_of(context).read_all(value)
    return str(value)


def _check_printable(value: object) -> None:
    if value is None:
        raise RenderError(
            "none_value",
            "A value printed by a template must not be None.",
            remedy="Guard it with `{% if field %}` or give it a default.",
        )
    if isinstance(value, Iterator) or (callable(value) and not isinstance(value, Undefined)):
        found = type(value).__name__
        raise RenderError("failed", "A template must print values, not methods or generators.", found=found)


@pass_context
def printed(context: Context, value: object) -> str:
    """What `{{ value }}` writes, counted."""
    text = value if type(value) is str else text_of(context, value)
    budget: Budget = context.parent[BUDGET]
    budget.characters -= len(text)  # as `write` does: this runs for every value that is printed
    if budget.characters < 0:
        budget.write(0)
    return text


def join_texts(context: Context, texts: Sequence[str], separator: str) -> str:
    """The joined texts, if the result is not too long."""
    length = sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0)
    check_length(length)
    budget_of(context).read(texts)
    return made(context, separator.join(texts))


def made(context: Context, text: str) -> str:
    """The text, counted."""
    budget_of(context).read(text)
    return text


def replaced_text(context: Context, text: str, old: str, new: str, count: int = -1) -> str:
    """`text.replace(old, new, count)`, if the result is not too long."""
    found = text.count(old) if count < 0 else min(text.count(old), count)
    check_length(len(text) + found * max(len(new) - len(old), 0))
    return made(context, text.replace(old, new, count))


def formatted(context: Context, text: str, values: Any) -> str:
    """`text % values` without wide fields, if the result is not too long."""
    if _WIDE_FORMAT.search(text):
        raise RenderError("limit", "A format's width and precision must be below 1000.", found=text[:60])
    lengths = [len(text_of(context, value)) for value in (values if isinstance(values, tuple) else (values,))]
    # A mapping's value may be named again and again.
    check_length(len(text) + (text.count("%") * sum(lengths) if isinstance(values, dict) else sum(lengths)))
    return made(context, str(text % values))


@pass_context
def concat(context: Context, values: list[Any]) -> str:
    """What `a ~ b` gives."""
    return join_texts(context, [text_of(context, value) for value in values], "")


@pass_context
def read(context: Context, value: Any) -> Any:
    """The value, counted: comparing nested lists can take long."""
    if type(value) is not int:
        budget_of(context).read_all(value)
    return value


@pass_context
def sliced(context: Context, value: Any) -> Any:
    """The value, counted as a slice of it is."""
    budget_of(context).read(value)
    return value


@pass_context
def each(context: Context, values: Any, literal: int) -> Iterable[Any]:
    """The rounds of a loop whose body holds `literal` characters of text, counted."""
    budget = budget_of(context)
    if isinstance(values, (list, tuple, str, dict)):
        budget.spend(len(values))
        budget.write(literal * len(values))
        return tuple(values)  # a copy: a loop that appends to its own list would never end
    return _counted(budget, values, literal)


def _counted(budget: Budget, values: Iterable[Any], literal: int) -> Iterator[Any]:
    for value in values:
        budget.spend(1)
        budget.write(literal)
        yield value


@pass_context
def checked_index(context: Context, index: Any) -> Any:
    """A computed index; a negative one would silently count from the end (label -1: the last choice)."""
    if isinstance(index, Undefined):
        str(index)  # fails and names what is missing
    if isinstance(index, int) and index < 0:
        raise RenderError(
            "index_range",
            "A computed index must not be negative.",
            found=index,
            remedy="Rows without a label are skipped with `{% if label != -1 %}` around the whole template.",
        )
    return index


@pass_context
def join(context: Context, values: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    """Jinja's join."""
    if attribute is not None:
        values = [context.environment.getitem(value, attribute) for value in values]
    return join_texts(context, [text_of(context, value) for value in values], text_of(context, d))


@pass_context
def replace(context: Context, value: Any, old: str, new: str, count: int | None = None) -> str:
    """Jinja's replace."""
    budget_of(context).read(value)
    old, new = text_of(context, old), text_of(context, new)
    return replaced_text(context, text_of(context, value), old, new, -1 if count is None else count)


@pass_context
def format_(context: Context, value: Any, *args: Any, **kwargs: Any) -> str:
    """Jinja's format: `"%s of %s" | format(a, b)`."""
    return formatted(context, text_of(context, value), kwargs or args)


@pass_context
def string(context: Context, value: Any) -> str:
    """The value as text."""
    return text_of(context, value)


@pass_context
def total(
    context: Context, values: Iterable[Any], attribute: str | int | None = None, start: float = 0
) -> Any:
    """Jinja's sum, of numbers."""
    if attribute is not None:
        values = [context.environment.getitem(value, attribute) for value in values]
    if not isinstance(start, (int, float)):
        raise RenderError("failed", "`sum` adds numbers.", found=type(start).__name__)
    budget_of(context).read(values)
    return sum(values, start)


@pass_context
def choice(context: Context, values: Sequence[Any]) -> Any:
    """One of the values, drawn by the rendering's dice."""
    if not values:
        raise RenderError("failed", "A random choice needs at least one value.")
    dice: Dice = context.parent[DICE]
    return values[dice.below(len(values))]


@pass_context
def most_frequent(context: Context, values: Sequence[Any]) -> list[Any] | None:
    """The values that occur most often, in the order of their first occurrence; None for none."""
    budget_of(context).read_all(values)
    counts = Counter(values)
    top = max(counts.values(), default=0)
    return [value for value, count in counts.items() if count == top] or None


@pass_context
def highlight(context: Context, value: Any) -> str:
    """The value in an HTML span."""
    return f"<span style='color: #F08080'>{text_of(context, value)}</span>"


@pass_context
def bounded_range(context: Context, *args: int) -> range:
    """`range`, whose length counts as steps."""
    numbers = range(*args)
    budget_of(context).spend(len(numbers))
    return numbers


@pass_context
def whole(context: Context, value: Any, default: int = 0, base: int = 10) -> Any:
    """Jinja's int, of numbers that arithmetic may go on with."""
    budget_of(context).read(value)
    number = FILTERS["int"](value, default, base)
    check_integer(number.bit_length() if isinstance(number, int) else 0)
    return number


@pass_context
def rounded(context: Context, value: Any, precision: int = 0, method: Any = "common") -> Any:
    """Jinja's round, to a precision that numbers have."""
    if not isinstance(precision, int) or abs(precision) > MAX_PRECISION:
        raise RenderError(
            "limit", f"`round` takes up to {MAX_PRECISION} digits.", found=type(precision).__name__
        )
    return FILTERS["round"](value, precision, method)


@pass_context
def bounded_zip(context: Context, *values: Iterable[Any]) -> Iterator[Any]:
    """`zip`, whose items count as steps."""
    return _counted(budget_of(context), zip(*values, strict=False), 0)


@pass_context
def bounded_dict(context: Context, *pairs: Any, **values: Any) -> dict[Any, Any]:
    """`dict`, whose items count as steps."""
    for each_pair in pairs:
        budget_of(context).read(each_pair)
    return dict(*pairs, **values)


def _metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja's that counts what it reads; those on text get text."""
    wants = getattr(function, "jinja_pass_arg", None)

    @pass_context
    def metered(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        budget = budget_of(context)
        (budget.read_all if name in _COMPARING else budget.read)(value)
        if name in _TEXT_ONLY:
            value = text_of(context, value)
        extra = {"context": context, "environment": context.environment, "eval_context": context.eval_ctx}
        first = () if wants is None else (extra[wants.name],)
        return function(*first, value, *args, **kwargs)

    return metered


TEMPLATE_FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _metered(name, FILTERS[name]) for name in _FROM_JINJA},
    "choice": choice,
    "random": choice,
    "format": format_,
    "highlight": highlight,
    "join": join,
    "most_frequent": most_frequent,
    "int": whole,
    "replace": replace,
    "round": rounded,
    "string": string,
    "sum": total,
}
INTERNAL_FILTERS: dict[str, Callable[..., Any]] = {
    "%concat": concat,
    "%each": each,
    "%index": checked_index,
    "%read": read,
    "%slice": sliced,
}
TEMPLATE_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "range": bounded_range,
    "zip": bounded_zip,
    "dict": bounded_dict,
    "namespace": Namespace,
}


def _metered_test(function: Any) -> Any:
    """A test of Jinja's that counts what it compares."""

    @pass_context
    def metered(context: Context, *values: Any) -> bool:
        for value in values:
            read(context, value)
        return bool(function(*values))

    return metered


_COMPARING_TESTS = (
    *("!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan"),
    *("lower", "lt", "ne", "upper"),
)
_OTHER_TESTS = (
    *(
        "boolean",
        "callable",
        "defined",
        "divisibleby",
        "even",
        "false",
        "float",
        "integer",
        "iterable",
        "lower",
    ),
    *("mapping", "none", "number", "odd", "sameas", "sequence", "string", "true", "undefined"),
)
TEMPLATE_TESTS: dict[str, Any] = {
    **{name: TESTS[name] for name in _OTHER_TESTS},
    **{name: _metered_test(TESTS[name]) for name in _COMPARING_TESTS},
}
