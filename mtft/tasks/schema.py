"""Strict YAML into dataclasses: unknown keys, wrong types and double keys are errors with file and line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from mtft.errors import TaskError, nearest
from mtft.prompting.tree import shallow

T = TypeVar("T")
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Located(dict[str, Any]):
    """A mapping that knows the line of each of its keys (1-based)."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class _Loader(_SafeLoader):  # type: ignore[misc]
    """The safe loader, with `Located` mappings and no key twice."""

    def located(self, node: yaml.MappingNode) -> Located:
        mapping = Located()
        for key_node, value_node in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise TaskError(
                    "A key must be text.",
                    found=repr(key),
                    where=f"line {line}",
                    remedy="Quote it, if it is meant so.",
                )
            if key in mapping:
                raise TaskError("A key must not occur twice.", found=f"`{key}`", where=f"line {line}")
            mapping[key] = self.construct_object(value_node, deep=True)
            mapping.lines[key] = line
        return mapping


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.located)


def read_mapping(path: Path) -> Located:
    """The mapping that a YAML file holds.

    Raises:
        TaskError: It cannot be read, is not YAML without tags, or holds no mapping.
    """
    try:
        value = yaml.load(shallow(path.read_text(encoding="utf-8-sig")), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaskError("A card must be readable YAML.", found=error, where=path) from error
    except TaskError as error:
        raise TaskError(
            error.rule, found=error.found, where=f"{path}, {error.where}", remedy=error.remedy
        ) from None
    if not isinstance(value, Located):
        raise TaskError("A card must be a mapping of keys.", found=type(value).__name__, where=path)
    return value


def build(cls: type[T], mapping: object, where: str) -> T:
    """The dataclass that a mapping describes, nested ones included.

    Fields marked `metadata={"own": True}` are no keys. A class with an attribute `SHORTHAND` may be written
    as the value of that field alone, one with `WHOLE` always is.

    Raises:
        TaskError: A key is unknown or missing, or a value has another type.
    """
    shorthand, whole = getattr(cls, "SHORTHAND", None), getattr(cls, "WHOLE", None)
    if whole is not None:
        mapping = {whole: mapping}
    elif shorthand is not None and not isinstance(mapping, Mapping):
        mapping = {shorthand: mapping}
    if not isinstance(mapping, Mapping):
        raise TaskError("A mapping of keys must stand here.", found=repr(mapping), where=where)
    fields = {f.name: f for f in dataclasses.fields(cls) if not f.metadata.get("own")}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            place = _place(mapping, key, where)
            raise TaskError("Keys must be known.", found=f"`{key}`", where=place, remedy=nearest(key, fields))
    hints = get_type_hints(cls)
    values = {key: convert(hints[key], value, _place(mapping, key, where)) for key, value in mapping.items()}
    for name, f in fields.items():
        if name not in values and f.default is f.default_factory is dataclasses.MISSING:
            raise TaskError(
                f"The key `{name}` must be given.", found=", ".join(mapping) or "none", where=where
            )
    return cls(**values)


def convert(hint: Any, value: object, where: str) -> Any:
    """The value, if it has the type; lists become tuples, mappings of known shape dataclasses.

    Raises:
        TaskError: It has another type.
    """
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)  # type: ignore[arg-type]
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _either(get_args(hint), value, where)
    if origin in _NESTED:
        return _NESTED[origin](get_args(hint), value, where)
    if hint is Any or _is(hint, value):
        return value
    raise TaskError(
        f"The value must be {_NAMES.get(hint, hint)}.", found=repr(value), where=where, remedy=_hint(hint)
    )


def _is(hint: Any, value: object) -> bool:
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _either(options: tuple[Any, ...], value: object, where: str) -> Any:
    if value is None and NoneType in options:
        return None
    return convert(next(option for option in options if option is not NoneType), value, where)


def _tuple(items: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TaskError("A list must stand here.", found=repr(value), where=where)
    return tuple(convert(items[0], item, where) for item in value)


def _dict(items: tuple[Any, ...], value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TaskError("A mapping must stand here.", found=repr(value), where=where)
    return {
        key: convert(items[1], item, f"{_place(value, key, where)} `{key}`") for key, item in value.items()
    }


def _hint(hint: Any) -> str | None:
    return "Quote it, if it is meant as text." if hint is str else None


def _place(mapping: Mapping[str, Any], key: str, where: str) -> str:
    """The file and the key's own line, where the mapping knows it."""
    line = mapping.lines.get(key) if isinstance(mapping, Located) else None
    return f"{where.partition(':')[0]}:{line}" if line else f"{where} `{key}`"


_NESTED: dict[Any, Callable[[tuple[Any, ...], object, str], Any]] = {tuple: _tuple, dict: _dict}
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
