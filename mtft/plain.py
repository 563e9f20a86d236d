"""Plain data as JSON can hold it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def finite(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same data with None for every number that is none, since JSON knows neither NaN nor infinity.

    Mappings become dicts, lists and tuples become lists; whatever else there is stays as it is.
    """
    return {name: _finite(value) for name, value in content.items()}


def _finite(value: object) -> Any:
    if isinstance(value, Mapping):
        return finite(value)
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
