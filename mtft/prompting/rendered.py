"""What a template makes of one row."""

from __future__ import annotations

from typing import NamedTuple


class Rendered(NamedTuple):
    """One row as text.

    Attributes:
        inputs: The prompt.
        targets: The expected continuations; the first one trains, all are references.
        answer_choices: The options to choose among, or None for free generation.
    """

    inputs: str
    targets: tuple[str, ...]
    answer_choices: tuple[str, ...] | None
