"""Row values that remember their column: text that carries marks wherever it is copied to.

A mark is a noncharacter before and after the text (Unicode 16.0, section 23.7: never interchanged), the first
followed by the column's number in other noncharacters. Python code that looks at a marked value sees the
plain one: its length, parts, comparisons and methods. Only what copies text whole, such as joining and
printing, copies the marks along.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

OPEN, OPENED, CLOSE = "\ufdd2", "\ufdd3", "\ufdd4"
_DIGITS = "".join(map(chr, range(0xFDD5, 0xFDE5)))  # sixteen
_MARK = re.compile(f"{OPEN}[^{OPENED}]*{OPENED}|{CLOSE}")
MARKS = frozenset((OPEN, OPENED, CLOSE, *_DIGITS))


def opening(column: int) -> str:
    """The mark before text of the column with this number."""
    return OPEN + "".join(_DIGITS[int(digit, 16)] for digit in f"{column:x}") + OPENED


def column_of(digits: str) -> int:
    """The column's number of what stands between `OPEN` and `OPENED`."""
    return int("".join(f"{_DIGITS.index(digit):x}" for digit in digits), 16)


def marked_text(text: str, column: int) -> str:
    """The text between marks; white space at its ends stays outside, where stripping finds it."""
    core = text.strip()
    if not core:
        return text
    start = text.index(core)
    return f"{text[:start]}{opening(column)}{core}{CLOSE}{text[start + len(core) :]}"


class MarkedText(str):
    """Text of a row: plain to all that reads it, between marks to all that copies it.

    Args:
        text: The plain text.
        column: The number of its column.
    """

    plain: str
    column: int

    def __new__(cls, text: str, column: int) -> MarkedText:
        """The text with its marks."""
        made = super().__new__(cls, marked_text(text, column))
        made.plain, made.column = text, column
        return made

    def __hash__(self) -> int:
        return hash(self.plain)

    def __eq__(self, other: object) -> bool:
        return bool(self.plain == plain_of(other))

    def __ne__(self, other: object) -> bool:
        return bool(self.plain != plain_of(other))

    def __lt__(self, other: str) -> bool:
        return bool(self.plain < plain_of(other))

    def __le__(self, other: str) -> bool:
        return bool(self.plain <= plain_of(other))

    def __gt__(self, other: str) -> bool:
        return bool(self.plain > plain_of(other))

    def __ge__(self, other: str) -> bool:
        return bool(self.plain >= plain_of(other))

    def __len__(self) -> int:
        return len(self.plain)

    def __contains__(self, part: object) -> bool:
        return plain_of(part) in self.plain

    def __getitem__(self, index: Any) -> MarkedText:
        return MarkedText(self.plain[index], self.column)

    def __iter__(self) -> Iterator[str]:
        return iter([MarkedText(character, self.column) for character in self.plain])

    def __float__(self) -> float:
        return float(self.plain)

    def __repr__(self) -> str:
        return marked_text(repr(self.plain), self.column)

    def __deepcopy__(self, memo: object) -> MarkedText:
        return self  # as text itself, it never changes


class MarkedInteger(int):
    """A whole number of a row, printed between marks; sums of it are plain."""

    column: int

    def __new__(cls, number: int, column: int) -> MarkedInteger:
        """The number with its column."""
        made = super().__new__(cls, number)
        made.column = column
        return made

    def __str__(self) -> str:
        return marked_text(int.__repr__(self), self.column)

    def __deepcopy__(self, memo: object) -> MarkedInteger:
        return self


class MarkedFloat(float):
    """A decimal number of a row, printed between marks; sums of it are plain."""

    column: int

    def __new__(cls, number: float, column: int) -> MarkedFloat:
        """The number with its column."""
        made = super().__new__(cls, number)
        made.column = column
        return made

    def __str__(self) -> str:
        return marked_text(float.__repr__(self), self.column)

    def __deepcopy__(self, memo: object) -> MarkedFloat:
        return self


def _method(name: str) -> Callable[..., Any]:
    """The method of text, called on the plain text; text in its result is marked again."""
    plain_method = getattr(str, name)

    def method(self: MarkedText, *args: Any, **kwargs: Any) -> Any:
        made = plain_method(self.plain, *map(plain_of, args), **{k: plain_of(v) for k, v in kwargs.items()})
        return marked(made, self.column)

    method.__name__ = name
    return method


# `join` is text's own: it copies the parts, each with the marks it has.
for _name in (
    *("capitalize", "casefold", "count", "endswith", "find", "index", "isalpha", "isdigit", "islower"),
    *("isnumeric", "isspace", "istitle", "isupper", "lower", "lstrip", "partition", "removeprefix"),
    *("removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines"),
    *("startswith", "strip", "swapcase", "title", "upper"),
):
    setattr(MarkedText, _name, _method(_name))


def plain_of(value: Any) -> Any:
    """The value without marks; what has none comes back as it is."""
    if isinstance(value, MarkedText):
        return value.plain
    if isinstance(value, str):  # joined of marked texts, and cut again
        return _MARK.sub("", value) if OPEN in value else value
    return tuple(map(plain_of, value)) if isinstance(value, tuple) else value


def marked(value: Any, column: int) -> Any:
    """The value, with every text and number in it marked, at any depth."""
    if isinstance(value, str):
        return MarkedText(value, column)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return MarkedInteger(value, column)
    if isinstance(value, float):
        return MarkedFloat(value, column)
    if isinstance(value, Mapping):
        return {key: marked(item, column) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(marked(item, column) for item in value)
    return value
