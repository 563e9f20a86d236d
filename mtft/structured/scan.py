"""A scanner of meaning representations: `act(slot[value], bare, empty[])`, in time linear in their length."""

from __future__ import annotations

import re

from mtft.errors import StructureError

Slot = tuple[str, str | None]
MAX_LENGTH = 1_000_000
_PLAIN = re.compile(r"([^\[\](),]+)\[([^\[\]]*)\](?:, ?|\Z)")  # a slot as most are, up to the next
_MARK = re.compile(r"[\[\](),]")
_BRACKET = re.compile(r"[\[\]]")


def scan(text: str) -> tuple[str | None, list[Slot]]:
    """The dialogue act, where there is one, and the slots in their order.

    A value may hold commas, parentheses, slashes and balanced square brackets; space counts within it, and
    not around names and commas. A bare slot has the value None, `slot[]` the empty text.

        >>> scan("inform(name[Tetris], genres[puzzle, arcade], rating)")
        ('inform', [('name', 'Tetris'), ('genres', 'puzzle, arcade'), ('rating', None)])

    Raises:
        StructureError: Brackets are unbalanced, a slot has no name, something follows a closing bracket, or
            the text is empty or longer than `MAX_LENGTH`.
    """
    if not isinstance(text, str):
        raise StructureError("A meaning representation must be text.", found=f"{text!r:.80}")
    if len(text) > MAX_LENGTH:
        rule = f"A meaning representation may be {MAX_LENGTH:,} characters long."
        raise StructureError(rule, found=f"{len(text):,}")
    whole = text.strip()
    act, inside = _act(whole)
    if act is None and not inside:
        raise StructureError("A meaning representation must name a dialogue act or a slot.", found=repr(text))
    return act, _slots(inside) if inside else []


def _act(text: str) -> tuple[str | None, str]:
    """The name before an opening parenthesis that the last character closes, and what is inside."""
    mark = _MARK.search(text)
    if mark is None or mark[0] != "(" or text[-1] != ")":
        return None, text
    name = text[: mark.start()].strip()
    if not name:
        raise _error("A dialogue act must have a name", text, 0)
    return name, text[mark.end() : -1].strip()


def _slots(text: str) -> list[Slot]:
    """The slots of what stands within a dialogue act; plain ones by one pattern, the others by hand."""
    slots: list[Slot] = []
    position = 0
    while position <= len(text):
        plain = _PLAIN.match(text, position)
        if plain is not None and (name := plain[1].strip()):
            slots.append((name, plain[2]))
            position = plain.end()
            if position == len(text) and text[-1] == "]":
                break
        else:
            slot, position = _slot(text, position)
            slots.append(slot)
    return slots


def _slot(text: str, start: int) -> tuple[Slot, int]:
    """One slot, and where the next begins: behind a comma, or behind the end."""
    name_end, parentheses = start, 0
    mark: re.Match[str] | None = None
    for mark in _MARK.finditer(text, start):
        name_end = mark.start()
        parentheses += (mark[0] == "(") - (mark[0] == ")")
        if parentheses < 0 or mark[0] == "]":
            raise _error("Brackets must be balanced", text, name_end)
        if mark[0] in "[," and not parentheses:
            break
    else:
        mark, name_end = None, len(text)
    if parentheses:
        raise _error("Brackets must be balanced", text, start)
    name = text[start:name_end].strip()
    if not name:
        raise _error("A slot must have a name", text, start)
    if mark is None or mark[0] == ",":
        return (name, None), name_end + 1
    end = _closing(text, name_end)
    return (name, text[name_end + 1 : end]), _behind(text, end + 1)


def _closing(text: str, opening: int) -> int:
    depth = 0
    for bracket in _BRACKET.finditer(text, opening):
        depth += 1 if bracket[0] == "[" else -1
        if not depth:
            return bracket.start()
    raise _error("Brackets must be balanced", text, opening)


def _behind(text: str, position: int) -> int:
    comma = text.find(",", position)
    end = comma if comma >= 0 else len(text)
    if text[position:end].strip():
        raise _error("A comma must follow a slot's closing bracket", text, position)
    return end + 1


def _error(rule: str, text: str, position: int) -> StructureError:
    return StructureError(f"{rule}.", found=f"{text[position : position + 40]!r} at character {position}")


def balanced(text: str) -> bool:
    """Whether every square bracket is closed by a later one of its own."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        depth += 1 if bracket[0] == "[" else -1
        if depth < 0:
            return False
    return not depth
