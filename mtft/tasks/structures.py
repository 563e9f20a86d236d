"""Filters of templates for tables, tagged sentences and regions of a page, handed over when tasks are imported."""

from __future__ import annotations

from mtft.prompting import register_filter
from mtft.structured import locations, tag_codecs
from mtft.structured.linearize import VERSION, linearized_text


def provide_linearize() -> None:
    """Let every template use `{{ table | linearize("unified", budget=200) }}`."""
    register_filter("linearize", linearized_text, version=VERSION, provider="mtft.tasks")


def provide_codecs() -> None:
    """Let every template use `{{ tokens | tagged_text(tags, "index") }}` and `{{ regions | located_text(page) }}`."""
    register_filter("tagged_text", tag_codecs.tagged_text, version=tag_codecs.VERSION, provider="mtft.tasks")
    register_filter("located_text", locations.located_text, version=locations.VERSION, provider="mtft.tasks")
