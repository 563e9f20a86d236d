"""Where the values of a template file stand in its text, and which rules its comments silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from yaml.events import AliasEvent, CollectionEndEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SILENCED = re.compile(r"^\s*#\s*lint: ignore ([\w ,-]+?)\s*$")
Path = tuple[str | int, ...]


class Span(NamedTuple):
    """A scalar in the text.

    Attributes:
        start: Index of its first character.
        end: Index after its last.
        line: Its first line, from 1.
        style: `|` and `>` for blocks, quotes, or empty.
        indent: Column of the key or dash that it belongs to.
        text: Its value.
    """

    start: int
    end: int
    line: int
    style: str
    indent: int
    text: str


class Positions(NamedTuple):
    """A file's text by place.

    Attributes:
        values: Keys and numbers from the top, ("templates", id, "jinja") → the scalar there.
        lines: Likewise → the line of the key.
        repeated: Keys that stood there before, with their lines.
    """

    values: dict[Path, Span]
    lines: dict[Path, int]
    repeated: list[tuple[Path, int]]

    def line_of(self, path: Path, offset: int = 1) -> int | None:
        """The file's line for a line within a value's text; as near as it is known, None for nothing."""
        span = self.values.get(path)
        if span is None:
            return next(
                (self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None
            )
        return span.line + offset if span.style == "|" else span.line


class _Frame:
    """An open mapping or list."""

    __slots__ = ("indent", "is_map", "key", "number", "path")

    def __init__(self, path: Path, is_map: bool, indent: int) -> None:
        self.path = path
        self.is_map = is_map
        self.indent = indent
        self.key: str | None = None
        self.number = -1


def positions(text: str) -> Positions:
    """Where everything below `templates:` stands.

    Raises:
        yaml.YAMLError: The text is no YAML.
    """
    found = Positions({}, {}, [])
    stack = [_Frame((), False, 0)]
    for event in _events(text):
        if isinstance(event, CollectionEndEvent):
            stack.pop()
            stack[-1].key = None
        elif isinstance(event, ScalarEvent) and stack[-1].is_map and stack[-1].key is None:
            _enter_key(stack[-1], event, found)
        elif isinstance(event, (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent)):
            _value(stack, event, found)
    return found


def _events(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _enter_key(frame: _Frame, event: Any, found: Positions) -> None:
    frame.key, frame.indent = event.value, event.start_mark.column
    path, line = (*frame.path, event.value), event.start_mark.line + 1
    if path in found.lines:
        found.repeated.append((path, line))
    else:
        found.lines[path] = line


def _value(stack: list[_Frame], event: Any, found: Positions) -> None:
    is_scalar, is_alias = isinstance(event, ScalarEvent), isinstance(event, AliasEvent)
    frame = stack[-1]
    frame.number += 1
    step = frame.key if frame.is_map and frame.key is not None else frame.number
    path: Path = () if len(stack) == 1 else (*frame.path, step)
    if is_scalar:
        mark, end = event.start_mark, event.end_mark
        span = Span(mark.index, end.index, mark.line + 1, event.style or "", frame.indent, event.value)
        found.values.setdefault(path, span)
    elif not is_alias:
        stack.append(_Frame(path, isinstance(event, MappingStartEvent), event.start_mark.column))
        return
    frame.key = None


def silenced(text: str, ids: Mapping[str, int]) -> dict[str, frozenset[str]]:
    """Template id → the rules that a comment within the template silences; "" for those of the whole file.

    A comment is a line of its own, `# lint: ignore RULE, RULE`; before the first template it counts for all.

    Args:
        text: The file's.
        ids: Template id → the line of its key.
    """
    starts = sorted((line, uuid) for uuid, line in ids.items())
    found: dict[str, frozenset[str]] = {}
    for number, line in enumerate(text.split("\n") if "# lint:" in text else (), start=1):
        match = _SILENCED.match(line)
        if match is not None:
            owner = next((uuid for start, uuid in reversed(starts) if start <= number), "")
            rules = frozenset(match.group(1).replace(",", " ").split())
            found[owner] = found.get(owner, frozenset()) | rules
    return found
