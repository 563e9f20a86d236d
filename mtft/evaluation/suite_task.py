"""What a suite says of one of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class SuiteTask:
    """One task of a suite; in YAML its name alone will do.

    Attributes:
        task: The card's name.
        languages: Codes to take; none named: all.
        exclude_languages: Codes to leave out.
        templates: Names of templates to take; none named: all.
        prompt_languages: Languages of templates to take; none named: all.
        metrics: Scorers instead of the card's.
        splits: Published splits taken whole, in place of the side that the card's division gives: as published
            scores were made. A mixture that trains on them is refused.
        max_items_per_cell: Instead of the suite's.
        protocol: Instead of the suite's.
        shots: Instead of the suite's, as are the next three.
        shots_seed: See `Suite`.
        shots_from: See `Suite`.
        shots_balanced: See `Suite`.
        score_function: Instead of the suite's.
        min_new_tokens: Instead of the suite's.
    """

    SHORTHAND: ClassVar[str] = "task"

    task: str
    languages: tuple[str, ...] = ()
    exclude_languages: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    prompt_languages: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    max_items_per_cell: int | None = None
    protocol: str | None = None
    shots: int | None = None
    shots_seed: int | None = None
    shots_from: str | None = None
    shots_balanced: bool | None = None
    score_function: str | None = None
    min_new_tokens: int | None = None
