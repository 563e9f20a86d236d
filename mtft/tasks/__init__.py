"""Tasks: cards of datasets, rows from files, hubs and the micro-world, and the prompted examples made of
them.
"""

from mtft.tasks.card import CLUSTERS, METRICS, CardFile, TemplateExtras
from mtft.tasks.declared import UNVERIFIED, Declared, Sizes, Stated
from mtft.tasks.division import SIDES, Division, Side, draw_groups, side_of
from mtft.tasks.expression import normalised, text_hash
from mtft.tasks.index import CardIndex, TaskCard, load_card
from mtft.tasks.problems import Problems
from mtft.tasks.reach import Sources
from mtft.tasks.records import Example, Row
from mtft.tasks.rows import sample_fields
from mtft.tasks.source import Source, Variant
from mtft.tasks.structures import provide_codecs, provide_linearize
from mtft.tasks.tagging import Entity, entities_of
from mtft.tasks.task import Task, with_templates

__all__ = [
    "CLUSTERS",
    "METRICS",
    "SIDES",
    "UNVERIFIED",
    "CardFile",
    "CardIndex",
    "Declared",
    "Division",
    "Entity",
    "Example",
    "Problems",
    "Row",
    "Side",
    "Sizes",
    "Source",
    "Sources",
    "Stated",
    "Task",
    "TaskCard",
    "TemplateExtras",
    "Variant",
    "draw_groups",
    "entities_of",
    "load_card",
    "normalised",
    "sample_fields",
    "side_of",
    "text_hash",
    "with_templates",
]

provide_linearize()
provide_codecs()
