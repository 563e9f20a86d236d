"""JSON Lines, JSON arrays, and JSON mappings whose keys are data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtft.tasks.expression import lookup
from mtft.tasks.raw import Drop, Record
from mtft.tasks.source import Source


def read_jsonl(path: Path, shown: str, source: Source, drop: Drop) -> Iterator[Record]:
    """The records of a JSON Lines file: a mapping per line, or a list that the source's `columns` name.

    Lines may end in CR LF, a byte-order mark is skipped, empty lines are no records.
    """
    number = -1
    with path.open("rb") as file:  # only \n ends a line; JSON text may hold other separators as they are
        for line, data in enumerate(file, start=1):
            data = data.removeprefix(b"\xef\xbb\xbf") if line == 1 else data
            if not data.strip():
                continue
            number += 1
            where = f"{shown}:{line}"
            try:
                value = json.loads(data)
            except (ValueError, RecursionError) as error:
                drop("malformed_row", where, f"not JSON: {error}")
                continue
            yield from _record(value, number, where, source.columns, drop)


def read_json(path: Path, shown: str, source: Source, drop: Drop) -> Iterator[Record]:
    """The records of a JSON file.

    At the source's `records` (by default at the top) stands a list of records, or a mapping from a key to a
    record or to a list of records; the key goes to the column that the source's `key` names.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
        value = lookup(value, source.records) if source.records else value
    except (ValueError, RecursionError) as error:
        drop("malformed_file", shown, f"not JSON: {error}")
        return
    except KeyError:
        drop("malformed_file", shown, f"nothing stands at `{source.records}`")
        return
    if not isinstance(value, list | Mapping):
        drop("malformed_file", shown, f"records must be a list or a mapping, not {type(value).__name__}")
        return
    for number, (keys, item) in enumerate(_items(value, source.key)):
        for record in _record(item, number, f"{shown}#{number}", source.columns, drop):
            yield record._replace(values={**keys, **record.values})


def _items(value: Any, key: str | None) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every record with the column that its mapping's key makes."""
    if isinstance(value, list):
        yield from (({}, item) for item in value)
        return
    for name, item in value.items():
        keys = {key: name} if key else {}
        yield from ((keys, one) for one in (item if isinstance(item, list) else [item]))


def _record(value: Any, number: int, where: str, columns: Sequence[str], drop: Drop) -> Iterator[Record]:
    if isinstance(value, list) and len(columns) == len(value):
        yield Record(dict(zip(columns, value, strict=True)), number, where)
    elif isinstance(value, dict):
        yield Record(value, number, where)
    else:
        rule = f"a list of {len(columns)} values" if columns else "a mapping"
        drop("malformed_row", where, f"a record must be {rule}, not {str(value)[:60]!r}")
