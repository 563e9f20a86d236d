"""The generated multilingual micro-world: rows of its tasks, and its raw text."""

from mtft.synthetic.documents import DocumentMix
from mtft.synthetic.fingerprint import generator_fingerprint
from mtft.synthetic.languages import LANGUAGES, MicroLanguage
from mtft.synthetic.world import SIDES, TASKS, TRAIN_ONLY, World, WorldSettings, world

__all__ = [
    "LANGUAGES",
    "SIDES",
    "TASKS",
    "TRAIN_ONLY",
    "DocumentMix",
    "MicroLanguage",
    "World",
    "WorldSettings",
    "generator_fingerprint",
    "world",
]
