"""CoNLL-U files: ten columns per word, comments, and lines for what is no word of the tree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from mtft.tasks.raw import Drop, Record
from mtft.tasks.source import Source

COLUMNS = ("id", "tokens", "lemmas", "upos", "xpos", "feats", "heads", "deprels", "deps", "misc")


def read_conllu(path: Path, shown: str, source: Source, drop: Drop) -> Iterator[Record]:
    """The sentences of a file, each column a list over its syntactic words; malformed sentences are dropped.

    Lines of multiword tokens (`3-4`) and of empty nodes (`5.1`) are left out: only words have tags. Words may
    hold spaces. Of the comments `sent_id` is kept, under that name.

    Source: Universal Dependencies, "CoNLL-U Format", universaldependencies.org/format.html.
    """
    number, begin, error, sent_id = 0, 1, "", ""
    words: list[list[str]] = []
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for line, text in enumerate(chain(file, [""]), start=1):
            text = text.rstrip("\r\n")
            if text.startswith("#"):
                name, _, value = text[1:].partition("=")
                sent_id = value.strip() if name.strip() == "sent_id" else sent_id
            elif text.strip():
                parts = text.split("\t")
                begin = begin if words or error else line
                error = error or _problem(parts, len(words), line)
                if parts[0].isdigit():
                    words.append(parts)
            elif words or error:
                where = f"{shown}:{begin}"
                if error:
                    drop("malformed_row", where, error)
                else:
                    columns = (list(column) for column in zip(*words, strict=True))
                    yield Record(
                        {**dict(zip(COLUMNS, columns, strict=True)), "sent_id": sent_id}, number, where
                    )
                number, words, error, sent_id = number + 1, [], "", ""


def _problem(parts: list[str], words: int, line: int) -> str:
    """What is wrong with a line, or an empty string."""
    if len(parts) != len(COLUMNS):
        return f"line {line} has {len(parts)} columns, not {len(COLUMNS)}: {' '.join(parts)[:60]!r}"
    if parts[0].isdigit() and (int(parts[0]) != words + 1 or not parts[1]):
        return f"line {line} is word {parts[0]}, after {words} words"
    plain = parts[0].replace("-", "").replace(".", "").isdigit()
    return "" if plain else f"line {line} begins with no number: {parts[0][:20]!r}"
