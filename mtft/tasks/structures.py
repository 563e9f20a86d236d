"""Tables in templates: the filter `linearize`, handed to the template environment when tasks are imported."""

from __future__ import annotations

from mtft.prompting import register_filter
from mtft.structured.linearize import VERSION, linearized_text


def provide_linearize() -> None:
    """Let every template use `{{ table | linearize("unified", budget=200) }}`."""
    register_filter("linearize", linearized_text, version=VERSION, provider="mtft.tasks")
