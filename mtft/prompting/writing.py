"""Templates into `templates.yaml`: new entries are added as text, so what stands in the file stays as it is."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mtft.errors import TemplateError
from mtft.prompting.files import read_templates
from mtft.prompting.parsed import TemplateFile
from mtft.prompting.template import Template

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INDENT = 2
# What needs no quotes, but for the words that YAML reads as something else: `no` is Norwegian.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/]*(?: [A-Za-z0-9_]+)*")
_WORDS = frozenset({"no", "on", "yes", "off", "true", "false", "null", "y", "n"})


class Entry(NamedTuple):
    """A template to write, with comments for people.

    Attributes:
        template: The template.
        comments: Key of the template → comment lines before it; "" for those before the template.
    """

    template: Template
    comments: Mapping[str, Sequence[str]] = {}


def scalar(text: str, indent: int = 0) -> str:
    """Text as a YAML value, in a block where it has several lines and a block keeps it exactly.

    Args:
        text: The text.
        indent: Columns that the lines of a block begin at.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    lines = text.split("\n")
    if len(lines) > 1 and _fits_block(lines):
        space = " " * indent
        return "\n".join(["|-", *(f"{space}{line}" if line else "" for line in lines)])
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=2**31 - 1)
    return quoted.removesuffix("\n")


def _fits_block(lines: Sequence[str]) -> bool:
    readable = all(line.isprintable() and line == line.rstrip() for line in lines)
    return readable and bool(lines[0]) and bool(lines[-1]) and not lines[0].startswith(" ")


def comment(text: str) -> str:
    """Text as a comment of one line; what could end the line is shown as its escape."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return f"# {shown}".rstrip()


def entry_lines(entry: Entry, indent: int = _INDENT) -> list[str]:
    """The lines of one entry below `templates:`."""
    template, metadata = entry.template, entry.template.metadata
    inner = indent + _INDENT
    values = {
        "answer_choices": _or_null(template.answer_choices, inner + _INDENT),
        "id": template.id,
        "jinja": scalar(template.jinja, inner + _INDENT),
        "metadata": "!TemplateMetadata",
        "name": scalar(template.name),
        "reference": scalar(template.reference),
    }
    inside = {
        "choices_in_prompt": _flag(metadata.choices_in_prompt),
        "languages": _list(metadata.languages),
        "metrics": _list(metadata.metrics),
        "original_task": _flag(metadata.original_task),
    }
    lines = [*_comments(entry, "", indent), f"{' ' * indent}{template.id}: !Template"]
    for key, value in values.items():
        lines += [*_comments(entry, key, inner), f"{' ' * inner}{key}: {value}"]
        for name, inner_value in inside.items() if key == "metadata" else ():
            deeper = inner + _INDENT
            lines += [*_comments(entry, name, deeper), f"{' ' * deeper}{name}: {inner_value}"]
    return "\n".join(lines).split("\n")


def _or_null(text: str | None, indent: int) -> str:
    return "null" if text is None else scalar(text, indent)


def _comments(entry: Entry, key: str, indent: int) -> list[str]:
    return [" " * indent + comment(line) for line in entry.comments.get(key, ())]


def _flag(value: bool | None) -> str:
    return "null" if value is None else str(value).lower()


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(scalar, values))}]"


def with_entries(text: str, key: str, lines: Sequence[str]) -> str:
    """The YAML text with more lines at the end of the mapping under its top-level key.

    Args:
        text: A YAML mapping.
        key: The key; added where it is missing.
        lines: The lines, indented by two.

    Raises:
        TemplateError: The mapping is written in braces, or is none.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    old = text.removesuffix("\n").replace("\r\n", "\n").split("\n")
    place, indent = _place(text, key, old)
    if place is None:
        old += [f"{key}:"]
        place = len(old)
    shifted = [" " * (indent - _INDENT) + line if line else line for line in lines]
    return newline.join([*old[:place], *shifted, *old[place:]]) + newline


def _place(text: str, key: str, lines: list[str]) -> tuple[int | None, int]:
    """The line after the mapping's last one and the indent of its keys; changes `key: {}` to `key:`."""
    root = yaml.compose(text, Loader=_Loader)
    if not isinstance(root, yaml.MappingNode):
        raise TemplateError("A file must hold a mapping to be added to.", found=type(root).__name__)
    found = next(((k, v) for k, v in root.value if k.value == key), None)
    if found is None:
        return None, _INDENT
    name, node = found
    if not node.value:  # `key:`, `key: {}` or `key: null`
        lines[name.start_mark.line] = f"{key}:"
        return name.start_mark.line + 1, _INDENT
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        rule = f"`{key}` must be a mapping written in lines of its own, not in braces, to be added to."
        raise TemplateError(rule, found=f"line {node.start_mark.line + 1}")
    indent = node.value[0][0].start_mark.column
    return _end(lines, node.end_mark.line, indent), indent


def _end(lines: Sequence[str], end: int, indent: int) -> int:
    """The line after the mapping's text, before the comments and blank lines that lead to what follows."""
    if end >= len(lines):
        return len(lines)
    while end and _leads_on(lines[end - 1], indent):
        end -= 1
    return end


def _leads_on(line: str, indent: int) -> bool:
    bare = line.lstrip()
    return not bare or (bare.startswith("#") and len(line) - len(bare) < indent)


@contextmanager
def staged(path: Path, text: str) -> Iterator[Path]:
    """A file with the text beside `path`, which takes its place when the block ends without an error."""
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    waiting = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        waiting.write_text(text, encoding="utf-8", newline="")
        if target.exists():
            shutil.copymode(target, waiting)
        yield waiting
        waiting.replace(target)
    finally:
        waiting.unlink(missing_ok=True)


def with_templates(path: Path, dataset: str, subset: str | None, entries: Sequence[Entry]) -> str:
    """The text of a template file, old or new, with more templates.

    Raises:
        TemplateError: The file is malformed, is of another dataset, or its layout cannot be added to.
    """
    lines = [line for entry in entries for line in entry_lines(entry)]
    if not path.exists():
        head = [f"dataset: {scalar(dataset)}", *([f"subset: {scalar(subset)}"] if subset else [])]
        return "\n".join([*head, "templates:", *lines, ""])
    file = read_templates(path)
    if (file.dataset, file.subset) != (dataset, subset):
        rule = "A template file must be of the dataset that is added to."
        raise TemplateError(rule, found=f"`{file.dataset}`, subset `{file.subset}`", where=path)
    return with_entries(path.read_bytes().decode("utf-8-sig"), "templates", lines)


def check_added(waiting: Path, before: TemplateFile | None, entries: Sequence[Entry]) -> TemplateFile:
    """The templates of a file that entries were added to: the old ones unchanged, then the new ones.

    Raises:
        TemplateError: The file does not load, or holds anything else.
    """
    file = read_templates(waiting, cached=False)
    old = () if before is None else before.templates
    if file.templates != (*old, *(entry.template for entry in entries)):
        rule = "Templates are added only where the file keeps all others as they are."
        remedy = "Write the templates as a block of lines, `templates:` last in the file."
        raise TemplateError(rule, found="another layout", where=waiting, remedy=remedy)
    return file


def append_templates(path: Path, dataset: str, subset: str | None, entries: Sequence[Entry]) -> None:
    """Adds templates to a file, which is made where it is missing; it changes whole or not at all.

    Raises:
        TemplateError: A name or id stands there already, or the file's layout cannot be added to.
    """
    text = with_templates(path, dataset, subset, entries)
    before = read_templates(path) if path.exists() else None
    with staged(path, text) as waiting:
        check_added(waiting, before, entries)
