"""Reading a mixture's YAML strictly: every key known, every value of its type."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mtft.errors import MixtureError, nearest
from mtft.prompting.tree import shallow

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        MixtureError: It cannot be read, or is not YAML.
    """
    try:
        return yaml.load(shallow(path.read_text(encoding="utf-8-sig")), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MixtureError("A mixture must be a readable YAML file.", found=error, where=path) from error


class Section:
    """A mapping of a settings file whose keys are all known.

    Args:
        content: What the YAML holds there; nothing reads as an empty mapping.
        where: File and key, for messages.
        known: The keys that may stand here.

    Raises:
        MixtureError: It is no mapping, or holds an unknown key; the nearest known ones are named.
    """

    def __init__(self, content: Any, where: str, known: Collection[str]) -> None:
        self._content: Mapping[str, Any] = {} if content is None else content
        self.where = where
        if not isinstance(self._content, dict):
            raise MixtureError("A mapping is expected.", found=_short(content), where=where)
        for key in self._content:
            if key not in known:
                raise MixtureError(
                    "Every key must be known.", found=f"`{key}`", where=where, remedy=nearest(str(key), known)
                )

    def __contains__(self, key: str) -> bool:
        return self._content.get(key) is not None

    def raw(self, key: str) -> Any:
        """The value as YAML gave it, or None."""
        return self._content.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self._content.get(key, default)
        return value if isinstance(value, str) and value else self._fail(key, "a text")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of distinct strings; nothing reads as an empty one."""
        value = self._content.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            # YAML 1.1 reads `no`, Norwegian, as false.
            self._fail(key, "a list of texts (quote codes such as 'no')")
        if len(set(value)) < len(value):
            self._fail(key, "a list without repetition")
        return tuple(value)

    def whole(self, key: str, default: int | None = None, *, least: int = 1) -> int | None:
        """A whole number of at least `least`, or the default."""
        value = self._content.get(key, default)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
            return value
        return self._fail(key, f"a whole number of at least {least}")

    def number(self, key: str) -> float | None:
        """A positive number, or None."""
        value = self._content.get(key)
        if value is None:
            return None
        if not _positive(value):
            self._fail(key, "a positive number")
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of positive numbers; nothing reads as an empty one."""
        value = self._content.get(key)
        if value is None:
            return ()
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(_positive(item) for item in listed):
            self._fail(key, "a list of positive numbers")
        return tuple(map(float, listed))

    def _fail(self, key: str, wanted: str) -> NoReturn:
        found = _short(self._content[key]) if key in self._content else "nothing"
        raise MixtureError(f"`{key}` must be {wanted}.", found=found, where=self.where)


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
