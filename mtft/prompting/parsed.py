"""What a template file holds, once it is read."""

from __future__ import annotations

from typing import NamedTuple

from mtft.prompting.template import Template


class TemplateFile(NamedTuple):
    """The content of one file.

    Attributes:
        dataset: The dataset it is for.
        subset: The dataset's subset, or None.
        templates: In the file's order.
        legacy: Keys without a meaning, each with its line.
    """

    dataset: str
    subset: str | None
    templates: tuple[Template, ...]
    legacy: tuple[tuple[str, int], ...] = ()
