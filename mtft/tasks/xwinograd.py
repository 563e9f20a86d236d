"""The reader of XWinograd: pronouns by their tokens, and schemas joined over twins and translations.

A line has seven cells: language, origin, English sentence or "?", sentence, tokens, pronoun, candidates,
the last three as JSON. Nothing says which sentences belong together, but they can be found: twins of a
schema have the same candidates, and a translation of the definite-pronoun set names its English sentence.
What comes from the Winograd schemas proper (five languages, few of them linked) is one `family`, so that a
card can keep it together.

Source: Tikhonov and Ryabinin 2021, https://github.com/yandex-research/crosslingual_winograd.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mtft.tasks.expression import text_hash
from mtft.tasks.raw import Drop, Record

CELLS = ("language", "origin", "reference", "sentence", "tokens", "pronoun", "candidates")
DEFINITE_PRONOUNS = ("train", "test", "wsc_naive.train", "wsc_naive.test")
_WORD = re.compile(r"\w+")
_QUOTES = {"``": '"', "''": '"'}


class Schemas(NamedTuple):
    """Which sentences belong together.

    Attributes:
        group: Node of a sentence or candidate pair → name of its group.
        winograd: Groups with a sentence of the Winograd schemas proper.
    """

    group: dict[str, str]
    winograd: frozenset[str]


def read_xwinograd(files: Sequence[Path], shown: str, folder: Path, drop: Drop) -> Iterator[Record]:
    """The rows of one language.

    Their columns: sentence, marked (the pronoun in underscores), blanked (`_` in its place), pronoun,
    option1, option2, answer (0 or 1), group, family (`winograd` or `definite_pronoun`).

    Args:
        files: The language's files.
        shown: Their place, for messages.
        folder: The folder with a subfolder per language.
        drop: Called for malformed lines.
    """
    schemas = _schemas(folder, tuple(sorted(folder.glob("*/*.tsv"))))
    for path in files:
        for number, (line, text) in enumerate(_lines(path)):
            where = f"{shown}:{line}"
            try:
                yield Record(_row(_cells(text), schemas), number, where)
            except (ValueError, TypeError, IndexError, KeyError) as error:
                drop("malformed_row", where, str(error))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for line, text in enumerate(file, start=1):
            if text.strip():
                yield line, text.rstrip("\r\n")


def _cells(line: str) -> dict[str, Any]:
    cells: list[Any] = line.split("\t")
    if len(cells) != len(CELLS):
        raise ValueError(f"{len(cells)} cells, not {len(CELLS)}")
    return dict(zip(CELLS, [*cells[:4], *map(json.loads, cells[4:])], strict=True))


def _row(cells: dict[str, Any], schemas: Schemas) -> dict[str, Any]:
    sentence = cells["sentence"]
    begin, end = pronoun_span(sentence, cells["tokens"], cells["pronoun"][1])
    if sentence[begin:end] != cells["pronoun"][0]:
        raise ValueError(f"the pronoun's tokens are {sentence[begin:end]!r}, not {cells['pronoun'][0]!r}")
    correct = [bool(candidate[3]) for candidate in cells["candidates"]]
    if sorted(correct) != [False, True]:
        raise ValueError(f"one of two candidates must be right, not {correct.count(True)} of {len(correct)}")
    group = schemas.group[_candidates(cells)]
    return {
        "sentence": sentence,
        "marked": f"{sentence[:begin]}_{sentence[begin:end]}_{sentence[end:]}",
        "blanked": f"{sentence[:begin]}_{sentence[end:]}",
        "pronoun": sentence[begin:end],
        "option1": cells["candidates"][0][0],
        "option2": cells["candidates"][1][0],
        "answer": correct.index(True),
        "group": group,
        "family": "winograd" if group in schemas.winograd else "definite_pronoun",
    }


def pronoun_span(sentence: str, tokens: Sequence[str], span: Sequence[int]) -> tuple[int, int]:
    """The characters (begin, end) of the tokens in `span`.

    Tokens stand in the sentence in order with nothing but white space between; the tokeniser wrote straight
    quotes as two back-ticks or two apostrophes.

    Raises:
        ValueError: A token is not where it should be.
    """
    places, position = list[tuple[int, int]](), 0
    for token in tokens:
        begin = position + len(sentence[position:]) - len(sentence[position:].lstrip())
        written = next((t for t in (token, _QUOTES.get(token, token)) if sentence.startswith(t, begin)), None)
        if written is None:
            raise ValueError(f"token {token!r} does not stand at character {begin}")
        position = begin + len(written)
        places.append((begin, position))
    return places[span[0]][0], places[span[1] - 1][1]


@lru_cache(maxsize=4)
def _schemas(folder: Path, files: tuple[Path, ...]) -> Schemas:
    """The groups over all languages of a folder: connected components of candidate pairs and English
    sentences.
    """
    parent: dict[str, str] = {}
    winograd = set[str]()

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    for path in files:
        for _, line in _lines(path):
            try:
                cells = _cells(line)
                pair = _candidates(cells)
            except (ValueError, TypeError, IndexError):
                continue  # counted where the row is read
            english = cells["sentence"] if cells["language"] == "en" else cells["reference"]
            sentence = f"en {text_hash(' '.join(_WORD.findall(english)))}"
            ends = sorted((root(pair), root(pair if english == "?" else sentence)))
            parent[ends[1]] = ends[0]  # the smaller name stays, so that the order of files does not matter
            if cells["origin"] not in DEFINITE_PRONOUNS:
                winograd.add(pair)
    return Schemas({node: root(node) for node in parent}, frozenset(root(node) for node in winograd))


def _candidates(cells: dict[str, Any]) -> str:
    """The node of a pair of candidates in a language."""
    names = sorted(text_hash(" ".join(_WORD.findall(candidate[0]))) for candidate in cells["candidates"])
    return f"{cells['language']} {' '.join(names)}"
