"""Tags that may become tokens of a model, by the name that `--add_tags` takes."""

from __future__ import annotations

from mtft.structured.linearize import LINEARIZERS, tags
from mtft.structured.locations import LOCATION_TAGS
from mtft.structured.tag_codecs import SENTINELS

_CODECS = {"locations": LOCATION_TAGS, "sentinels": SENTINELS}
TAG_SETS = (*LINEARIZERS, *_CODECS)


def tags_of(*names: str) -> tuple[str, ...]:
    """Every tag of these linearisation styles and codecs (`locations`, `sentinels`), each once.

    Raises:
        StructureError: A name is neither's.
    """
    found = [_CODECS[name] if name in _CODECS else tags(name) for name in names]
    return tuple(dict.fromkeys(tag for each in found for tag in each))
