"""CoNLL files: a token and its tags per line, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from mtft.tasks.raw import Drop, Record
from mtft.tasks.source import Source

COLUMNS = ("tokens", "tags")
# Not str.split(): tokens may hold no-break spaces.
_SPACE = re.compile(r"[ \t]+")


def read_conll(path: Path, shown: str, source: Source, drop: Drop) -> Iterator[Record]:
    """The sentences of a file, each column a list; a sentence with a malformed line is dropped.

    The source's `columns` name the columns of the file, by default `tokens` and `tags`.
    """
    names = source.columns or COLUMNS
    number, begin, sentence, error = 0, 1, list[list[str]](), ""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for line, text in enumerate(chain(file, [""]), start=1):
            text = text.strip(" \t\r\n")
            if text:
                parts = _SPACE.split(text)
                begin = begin if sentence or error else line
                if parts[0] == "-DOCSTART-":
                    continue
                if len(parts) != len(names):
                    error = error or f"line {line} has {len(parts)} columns, not {len(names)}: {text[:60]!r}"
                sentence.append(parts)
            elif sentence:
                where = f"{shown}:{begin}"
                if error:
                    drop("malformed_row", where, error)
                else:
                    columns = (list(column) for column in zip(*sentence, strict=True))
                    yield Record(dict(zip(names, columns, strict=True)), number, where)
                number, sentence, error = number + 1, [], ""
