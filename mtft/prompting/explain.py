"""Errors of a rendering in the user's terms: the rule, the row's columns, the nearest name."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.utils import missing

from mtft.errors import nearest
from mtft.prompting.failures import RenderError
from mtft.prompting.sandbox import MissingValueError

MAX_NAMES = 50  # of columns or keys in a message

_SHORT = reprlib.Repr()
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxtuple, _SHORT.maxlist, _SHORT.maxdict = 80, 80, 8, 4, 20


def short(value: object) -> str:
    """About what `repr` gives, of bounded length whatever the value."""
    try:
        return _SHORT.repr(value)
    except Exception:
        return f"a {type(value).__name__}"


def preview(row: object) -> str:
    """The row's columns and the beginnings of their values, in its own order."""
    if not isinstance(row, Mapping):
        return short(row)
    shown = ", ".join(f"{_name(key)}={short(value)[:40]}" for key, value in islice(row.items(), 20))
    return f"({shown}{', …' if len(row) > 20 else ''})"


def _name(value: object) -> str:
    return value[:80] if isinstance(value, str) else short(value)


def _names(values: Iterable[Any]) -> list[str]:
    return [_name(value) for value in islice(values, MAX_NAMES)]


def explained(error: Exception, row: Mapping[str, Any]) -> RenderError:
    """The error as a `RenderError` with its code."""
    if isinstance(error, RenderError):
        return _none_value(error, row) if error.fault == "none_value" else error
    if isinstance(error, MissingValueError):
        return _missing_value(error, row)
    if isinstance(error, SecurityError):
        return RenderError("sandbox", "A template may only use text, lists and dicts.", found=_said(error))
    return RenderError(
        "failed", "A template must render without errors.", found=f"{type(error).__name__}: {_said(error)}"
    )


def _said(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= 300 else f"{text[:300]}…"


def _none_value(error: RenderError, row: Mapping[str, Any]) -> RenderError:
    """The error with the columns that are None."""
    empty = [_name(name) for name, value in islice(row.items(), MAX_NAMES) if value is None]
    found = f"None in {', '.join(empty)}" if empty else None
    return RenderError(error.fault, error.rule, found=found, remedy=error.remedy)


def _missing_value(error: MissingValueError, row: Mapping[str, Any]) -> RenderError:
    """The error for a column, key or index that is not there."""
    if error.owner is missing:
        return RenderError(
            "missing_field",
            "A template may use only the row's columns.",
            found=f"`{_name(error.name)}`; the row has {', '.join(sorted(_names(row)))}",
            remedy=nearest(_name(error.name), _names(row)),
        )
    if isinstance(error.owner, Mapping):
        return RenderError(
            "missing_field",
            "A template may use only keys that the row's value has.",
            found=f"`{_name(error.name)}`",
            remedy=nearest(_name(error.name), _names(error.owner)),
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
        found=f"`{_name(error.name)}` of a {type(error.owner).__name__}",
    )
