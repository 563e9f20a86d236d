"""What one rendering may cost: templates are untrusted, so loops, repeated text and numbers are metered."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, KeysView, ValuesView
from typing import Any

from jinja2.runtime import Undefined

from mtft.prompting.failures import RenderError

MAX_STEPS = 2**18  # loop rounds, items of a range, calls, and what is read or made, by the sizes below
MAX_CHARACTERS = 2**22  # printed text, and any one string made on the way
MAX_INTEGER_BITS = 4096
CHARACTERS_PER_STEP = 256
ITEMS_PER_STEP = 8
WALKED_PER_STEP = 64  # printed characters of a nested value: it is walked item by item
CHARACTERS_PER_ITEM = 4  # of a list, for its brackets, commas and numbers

_ITEMS = (list, tuple, dict, range, set, frozenset, KeysView, ValuesView, ItemsView)


class Budget:
    """The meter of one rendering.

    Attributes:
        steps: Steps left of `MAX_STEPS`.
        characters: Printed characters left of `MAX_CHARACTERS`.
    """

    __slots__ = ("characters", "steps")

    def __init__(self, steps: int = MAX_STEPS, characters: int = MAX_CHARACTERS) -> None:
        self.steps = steps
        self.characters = characters

    def spend(self, steps: int) -> None:
        """Take `steps` off the meter.

        Raises:
            RenderError: Nothing is left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise RenderError("limit", f"Rendering one row may take at most {MAX_STEPS} steps.")

    def write(self, characters: int) -> None:
        """Count `characters` of printed text.

        Raises:
            RenderError: The text grows beyond `MAX_CHARACTERS`.
        """
        self.characters -= characters
        if self.characters < 0:
            raise RenderError("limit", f"One row may render to at most {MAX_CHARACTERS} characters.")

    def read(self, value: object) -> None:
        """Count the reading or making of a string or list, without what the list holds, as steps."""
        if isinstance(value, str):
            self.spend(1 + len(value) // CHARACTERS_PER_STEP)
        elif isinstance(value, _ITEMS):
            self.spend(1 + len(value) // ITEMS_PER_STEP)
        else:
            self.spend(1)

    def read_all(self, value: object) -> None:
        """Count the reading of a value and all it holds as steps."""
        if isinstance(value, _ITEMS):
            self.spend(1 + printed_length(value) // WALKED_PER_STEP)
        else:
            self.read(value)


def check_length(length: int) -> None:
    """Nothing, unless a string or list of `length` would be too long to make.

    Raises:
        RenderError: It would.
    """
    if length > MAX_CHARACTERS:
        raise RenderError(
            "limit", f"Text or a list may have at most {MAX_CHARACTERS} elements.", found=length
        )


def check_integer(bits: int) -> None:
    """Nothing, unless an integer of `bits` bits would be too large to make.

    Raises:
        RenderError: It would.
    """
    if bits > MAX_INTEGER_BITS:
        raise RenderError("limit", f"An integer may have at most {MAX_INTEGER_BITS} bits.", found=bits)


def printed_length(value: object) -> int:
    """About the characters that `str(value)` makes, found without making them.

    Nested lists that share parts (`x = [x, x]`, forty times) print exponentially long; the walk stops at
    the limit.

    Raises:
        RenderError: The text would exceed `MAX_CHARACTERS`.
    """
    total, open_values = 0, [value]
    while open_values:
        item = open_values.pop()
        if isinstance(item, str):
            total += len(item)
        else:
            total += CHARACTERS_PER_ITEM * (len(item) if isinstance(item, range) else 1)
        check_length(total)
        if isinstance(item, Undefined):
            str(item)  # fails in strict mode
        open_values.extend(_parts(item))
    return total


def _parts(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, _ITEMS) and not isinstance(value, range) else ()
