"""Filters that rooms above this one hand to every template, with versions that decide fingerprints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from jinja2.runtime import Context, Undefined
from jinja2.utils import pass_context

from mtft.errors import MtftError, TemplateError
from mtft.prompting.budget import check_length
from mtft.prompting.failures import RenderError
from mtft.prompting.filters import INTERNAL_FILTERS, TEMPLATE_FILTERS, budget_of, made
from mtft.prompting.sandbox import COMPATIBLE, STRICT

_CHARACTERS_PER_STEP = 16  # such text is composed piece by piece, not copied


@dataclass(frozen=True)
class RegisteredFilter:
    """A filter from elsewhere.

    Attributes:
        name: What templates call it.
        version: Part of the fingerprint of every template that names it.
        provider: The module whose import registers it, so that a worker process can do the same.
    """

    name: str
    version: str
    provider: str


_REGISTERED: dict[str, RegisteredFilter] = {}


def register_filter(name: str, function: Callable[..., str], *, version: str, provider: str) -> None:
    """Let templates use `value | name(…)`; what it reads and writes is metered like any other filter's.

    The filter gets the value and the template's arguments and returns text. Registering the same name again by the
    same provider replaces it.

    Args:
        name: A name that no filter has.
        function: Value and arguments to text; an `MtftError` of it is told as the row's.
        version: Changes whenever the function gives other text.
        provider: The module that calls this when it is imported.

    Raises:
        TemplateError: The name is no identifier, or is that of another filter.
    """
    known = _REGISTERED.get(name)
    taken = known.provider != provider if known else name in TEMPLATE_FILTERS or name in INTERNAL_FILTERS
    if taken or not name.isidentifier():
        raise TemplateError("A filter must have an identifier of its own as its name.", found=f"`{name}`")
    _REGISTERED[name] = RegisteredFilter(name, version, provider)
    _named_in.cache_clear()
    metered = _metered(function)
    for filters in (TEMPLATE_FILTERS, STRICT.filters, COMPATIBLE.filters):
        filters[name] = metered


def registered_in(text: str | None) -> tuple[RegisteredFilter, ...]:
    """The registered filters that a template's text may use, by name."""
    return _named_in(text) if text and _REGISTERED else ()


def provide(providers: Iterable[str]) -> None:
    """Import the modules that register filters, as a process must that was only handed a template."""
    for provider in providers:
        import_module(provider)


@lru_cache(maxsize=1024)
def _named_in(text: str) -> tuple[RegisteredFilter, ...]:
    words = set(re.findall(r"\w+", text))
    return tuple(_REGISTERED[name] for name in sorted(words & _REGISTERED.keys()))


def _metered(function: Callable[..., str]) -> Callable[..., Any]:
    @pass_context
    def metered(context: Context, value: Any, *args: Any, **kwargs: Any) -> str:
        if isinstance(value, Undefined):
            return str(value)  # fails and names what is missing; empty in compatibility mode
        budget = budget_of(context)
        for part in (value, *args, *kwargs.values()):
            budget.read_all(part)
        try:
            text = function(value, *args, **kwargs)
        except MtftError as error:
            raise RenderError("failed", error.rule, found=error.found, remedy=error.remedy) from None
        check_length(len(text))
        budget.spend(len(text) // _CHARACTERS_PER_STEP)
        return made(context, text)

    return metered
