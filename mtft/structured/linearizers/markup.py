"""Tags and separators, and how data that looks like one of them is kept from being one."""

from __future__ import annotations

import re

# Titles that have a tag of their own; any other is `<title> text <role> name`.
TITLE_ROLES = ("page_title", "section_title", "section_text", "caption", "dialogue_act", "title")
NO_VALUE = "<no_value>"

_NAMES = (
    *TITLE_ROLES,
    *("role", "cell", "header", "group", "line", "no_value"),
    *("table", "row", "highlighted_cell", "col_header", "row_header", "highlighted"),
    *("H", "R", "T"),
)
_TAG = re.compile(rf"<(\\*)(?=/?(?:{'|'.join(_NAMES)})>)")
_ESCAPED_TAG = re.compile(rf"<\\(\\*)(?=/?(?:{'|'.join(_NAMES)})>)")
_SEPARATOR = re.compile(r"(?<!\S)(?=\\*[|:/](?!\S))")
_ESCAPED_SEPARATOR = re.compile(r"(?<!\S)\\(?=\\*[|:/](?!\S))")


def tag(name: str) -> str:
    """The tag of this name.

    Raises:
        KeyError: No style has it, so that `escaped` would not know it.
    """
    if name.removeprefix("/") not in _NAMES:
        raise KeyError(name)
    return f"<{name}>"


def escaped(text: str) -> str:
    r"""The text with a backslash in whatever looks like a tag of any style, nothing else changed.

    Example: `<cell>` is `<\cell>`, and `<\cell>` is `<\\cell>`; `a < b` and `<br>` stay.
    """
    return _TAG.sub(r"<\\\1", text) if "<" in text else text


def unescaped(text: str) -> str:
    """The text that `escaped` was given."""
    return _ESCAPED_TAG.sub(r"<\1", text) if "<\\" in text else text


def separated(text: str) -> str:
    r"""The text with tags escaped, and a backslash before each `|`, `:` and `/` that stands alone.

    Example: `a | b` is `a \| b`, and `a \| b` is `a \\| b`; `10:30`, `km/h` and `a|b` stay.
    """
    return escaped(_SEPARATOR.sub(r"\\", text))


def unseparated(text: str) -> str:
    """The text that `separated` was given."""
    return _ESCAPED_SEPARATOR.sub("", unescaped(text))
