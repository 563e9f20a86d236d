"""HTML as escaped strings: text becomes markup only through `el`, so nothing unescaped can slip in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_OVERRIDE = re.compile("[\u202d\u202e]")
_DRAWN = frozenset({"line", "circle", "rect", "path", "polyline"})
_VOID = frozenset({"meta", "br", "hr", "input", "wbr", "col"})


class Html(str):
    """A string that is markup already."""

    __slots__ = ()


Child = str | int | float | None


def text(value: object) -> Html:
    """`value` escaped, with characters that no document may hold shown as U+FFFD.

    Bidirectional overrides, which make a reader see another text than there is, are named instead.
    """
    if isinstance(value, Html):
        return value
    named = _OVERRIDE.sub(lambda found: f"[U+{ord(found.group()):04X}]", str(value))
    return Html(escape(_CONTROL.sub("\ufffd", named), quote=True))


def join(children: Iterable[Child], separator: str = "") -> Html:
    """The children one after another; None is left out, plain text is escaped."""
    return Html(separator.join(text(child) for child in children if child is not None))


def el(tag: str, *children: Child, **attributes: object) -> Html:
    """One element.

    Attribute names lose a trailing underscore and take hyphens (`class_`, `data_value`); True writes the
    bare attribute; None and False leave it out.

    Example: `el("td", "a < b", class_="num")` is `<td class="num">a &lt; b</td>`.
    """
    opening = tag + "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in _VOID and not children:
        return Html(f"<{opening}>")
    if tag in _DRAWN and not children:
        return Html(f"<{opening}/>")
    return Html(f"<{opening}>{join(children)}</{tag}>")


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{text(str(value))}"'


def exact(value: float | None) -> str:
    """A value for `data-value`: six digits, which no reader can tell from all."""
    return "" if value is None else f"{value:.6g}"


def breakable(name: str) -> Html:
    """A long identifier that may wrap after `/`, `_` and `-`."""
    parts = [part for part in re.split(r"(?<=[/_-])", name) if part]
    return join((text(part) for part in parts), separator="<wbr>")


def identifier(*parts: str) -> str:
    """An element id made of the parts, safe in a fragment and different for different parts."""
    return "-".join(re.sub(r"[^a-z0-9]", lambda found: f"_{ord(found.group()):x}", p.lower()) for p in parts)
