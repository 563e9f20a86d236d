"""Prompt templates: promptsource's format, compiled, sandboxed and strict."""

from mtft.prompting.collection import DatasetTemplates, TemplateCollection
from mtft.prompting.failures import RENDER_FAULTS, RenderError, RenderFault, UnknownTemplateError
from mtft.prompting.files import read_templates
from mtft.prompting.lint import Finding, lint
from mtft.prompting.rendered import Rendered
from mtft.prompting.template import Template, TemplateMetadata

__all__ = [
    "RENDER_FAULTS",
    "DatasetTemplates",
    "Finding",
    "RenderError",
    "RenderFault",
    "Rendered",
    "Template",
    "TemplateCollection",
    "TemplateMetadata",
    "UnknownTemplateError",
    "lint",
    "read_templates",
]
