"""Prompt templates: promptsource's format, compiled, sandboxed and strict."""

from mtft.prompting.batches import BatchRenderer
from mtft.prompting.collection import DatasetTemplates, TemplateCollection
from mtft.prompting.extensions import register_filter
from mtft.prompting.failures import (
    RENDER_FAULTS,
    LegacyKeyWarning,
    RenderError,
    RenderFault,
    UnknownTemplateError,
)
from mtft.prompting.files import read_templates
from mtft.prompting.linting import Finding, lint
from mtft.prompting.rendered import Rendered
from mtft.prompting.template import Template, TemplateMetadata
from mtft.prompting.truncation import Fitted, Truncation

__all__ = [
    "RENDER_FAULTS",
    "BatchRenderer",
    "DatasetTemplates",
    "Finding",
    "Fitted",
    "LegacyKeyWarning",
    "RenderError",
    "RenderFault",
    "Rendered",
    "Template",
    "TemplateCollection",
    "TemplateMetadata",
    "Truncation",
    "UnknownTemplateError",
    "lint",
    "read_templates",
    "register_filter",
]
