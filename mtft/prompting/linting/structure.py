"""Rules on a template's form: what it writes, and what stands in its text that was meant as something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2 import nodes

from mtft.errors import TemplateError
from mtft.prompting.linting.case import Case
from mtft.prompting.linting.expressions import written_strings
from mtft.prompting.linting.finding import JINJA, Fix, Found, file_rule, rule
from mtft.prompting.linting.view import Item
from mtft.prompting.linting.ways import ways
from mtft.prompting.rewrite import SEPARATOR
from mtft.prompting.translation.chunks import chunks

COMPILES = file_rule("compiles", "error", "The text and the choices are Jinja of the allowed kind.")
NO_SEPARATOR = file_rule("separator", "error", "`|||` stands between input and target.")
# A backslash and an n that begin no word of TeX, as in `\nabla`.
_ESCAPED = re.compile(r"\\n(?!abla|eq?\b|u\b|ot\b|oindent|ewline|ewcommand|orm\b|olimits)")
_BROKEN_CODE = re.compile(r"\}\}|%\}|\{ +\{|\} +\}|\{ +%|#\}")
_BRACED = re.compile(r"\{\s*(\w+)\s*\}")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,5}|quot|amp|lt|gt|apos|nbsp);")


@rule("target", "error", "Some way through the conditions writes a target.")
def no_target(case: Case) -> Iterator[Found]:
    """A template that never writes anything behind the separator."""
    found = ways(case.view.tree)
    if found is not None and not any(way.target for way in found):
        yield Found("never writes a target: nothing stands behind `|||`.")


@rule("target-may-lack", "warning", "No way through the conditions writes an input and no target.")
def target_may_lack(case: Case) -> Iterator[Found]:
    """A condition around the target alone: rows that fail it have a prompt and no answer."""
    found = ways(case.view.tree) or set()
    lacking = [way for way in found if way.input and not way.target]
    if lacking and any(way.target for way in found):
        bare = any(not way.separators for way in lacking)
        what = "an input without `|||`" if bare else "an input and nothing behind `|||`"
        yield Found(f"some conditions lead to {what}; put the condition around the whole text.")


@rule("input-may-lack", "warning", "No way through the conditions writes a target and no input.")
def input_may_lack(case: Case) -> Iterator[Found]:
    """A condition around the input alone."""
    found = ways(case.view.tree) or set()
    if any(way.target and not way.input for way in found):
        yield Found("some conditions lead to a target without an input; put the condition around all of it.")


@rule("separator-in-code", "warning", "`|||` stands in the text, not in a string of the code.")
def separator_in_code(case: Case) -> Iterator[Found]:
    """A separator that other readers of the format find by cutting the source; behind the first one, it parts
    references.
    """
    for item in case.view.code(target=False):
        strings = [item.node] if isinstance(item.node, nodes.Const) else item.node.find_all(nodes.Const)
        for string in strings:
            if SEPARATOR in str(string.value):
                message = "holds `|||` in the code before the target: other readers of the format cut there."
                yield Found(message, line=string.lineno)


@rule("backslash-n", "error", "Line breaks are line breaks, not a backslash and an n.")
def backslash_n(case: Case) -> Iterator[Found]:
    """An escaped newline that the model is shown as two characters; `--fix` breaks the line."""
    for item in case.view.texts():
        for match in _ESCAPED.finditer(item.text):
            yield Found(
                "shows a backslash and an n; a line break in YAML stands in double quotes or in a block.",
                line=item.line + item.text.count("\n", 0, match.start()),
                fix=_with_line_breaks(case.template.jinja),
            )


def _with_line_breaks(jinja: str) -> Fix | None:
    """The text with line breaks outside its code; None where it cannot be told what is code."""
    try:
        cut = chunks(jinja)
    except TemplateError:
        return None
    parts = (_ESCAPED.sub("\n", part.source) if part.kind == "text" else part.source for part in cut)
    return Fix(JINJA, "".join(parts))


@rule("mustache", "error", "No remains of code stand in the text.")
def mustache(case: Case) -> Iterator[Found]:
    """Braces that are no code, or a column in single braces."""
    columns = {*(case.facts.columns or ()), *case.template.fields()}
    for item in case.view.texts():
        matches = [*_BROKEN_CODE.finditer(item.text)]
        matches += [m for m in _BRACED.finditer(item.text) if m.group(1) in columns]
        for match in matches:
            line = item.line + item.text.count("\n", 0, match.start())
            yield Found(
                f"shows `{match.group()}`: remains of code, or braces that should be double.", line=line
            )


@rule("html-entity", "warning", "No HTML entities stand in the text.")
def html_entity(case: Case) -> Iterator[Found]:
    """What translation services leave behind, such as `&quot;`."""
    for item in case.view.texts():
        for match in _ENTITY.finditer(item.text):
            line = item.line + item.text.count("\n", 0, match.start())
            yield Found(f"shows the HTML entity `{match.group()}`; write the character.", line=line)


@rule("unused-loop-variable", "warning", "A loop uses its variable.")
def unused_loop_variable(case: Case) -> Iterator[Found]:
    """A loop that writes the same each time."""
    for loop in case.view.tree.find_all(nodes.For):
        parts = [*loop.body, *([loop.test] if loop.test is not None else [])]
        used = {name.name for part in parts for name in part.find_all(nodes.Name)}
        used |= {part.name for part in parts if isinstance(part, nodes.Name)}
        named = {name.name for name in _targets(loop.target)}
        if named and not any(name.startswith("_") for name in named) and not (used & (named | {"loop"})):
            yield Found(f"never uses the loop's `{', '.join(sorted(named))}`.", line=loop.lineno)


def _targets(node: nodes.Node) -> list[nodes.Name]:
    return [node] if isinstance(node, nodes.Name) else list(node.find_all(nodes.Name))


@rule("literal", "note", "Words of the prompt stand in its text, not in strings of the code.")
def literal(case: Case) -> Iterator[Found]:
    """`{{"Yes"}}`: a string alone in braces, which tools that translate or change the text pass over."""
    for item in case.view.code():
        if item.kind == "value" and isinstance(item.node, nodes.Const) and _has_letters(item):
            yield Found(f"writes {item.node.value!r} by an expression; write it as text.", line=item.line)


def _has_letters(item: Item) -> bool:
    return any(any(map(str.isalpha, string.value)) for string in written_strings(item.node))
