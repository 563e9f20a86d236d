"""Small expressions of a card, `nusax/{split}/{record}`: columns and the row's place, and nothing that
runs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from mtft.errors import TaskError, nearest

_FIELD = re.compile(r"\{([A-Za-z_][\w.]*)(?:\|(\w+))?\}")
_BRACES = re.compile(r"[{}]")


def normalised(text: str) -> str:
    """The text by which duplicates are found: NFKC, case folded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_hash(text: str) -> str:
    """16 hexadecimal digits of the normalised text."""
    return blake2b(normalised(text).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


FILTERS = {"hash": text_hash}


def check(expression: str, where: str) -> None:
    """Checks an expression's form.

    Raises:
        TaskError: A brace stands alone, or a filter is unknown.
    """
    for match in _FIELD.finditer(expression):
        if match[2] and match[2] not in FILTERS:
            remedy = nearest(match[2], FILTERS)
            raise TaskError("A filter must be known.", found=f"`{match[0]}`", where=where, remedy=remedy)
    if _BRACES.search(_FIELD.sub("", expression)):
        rule = "Braces must hold a column, `{id}`, `{a.b}` or `{text|hash}`."
        raise TaskError(rule, found=f"`{expression}`", where=where)


def names(expression: str) -> frozenset[str]:
    """The columns and pseudo-columns that an expression uses (of a path, the first part)."""
    return frozenset(match[1].partition(".")[0] for match in _FIELD.finditer(expression))


def evaluate(expression: str, values: Mapping[str, Any]) -> str:
    """The expression with the values put in.

    Raises:
        KeyError: A value is not there; its argument is the name.
    """

    def value(match: re.Match[str]) -> str:
        found = str(lookup(values, match[1]))
        return FILTERS[match[2]](found) if match[2] else found

    return _FIELD.sub(value, expression)


def lookup(values: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, `answers.0.text`: keys of mappings, numbers of list elements.

    Raises:
        KeyError: It is not there; the argument is the path.
    """
    value: Any = values
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(path)
    return value
