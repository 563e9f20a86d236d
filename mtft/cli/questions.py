"""Prompts to answer, from a command line, a file or standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtft.errors import ConfigError


@dataclass(frozen=True)
class Question:
    """One prompt, with the choices to choose among or None to answer freely."""

    inputs: str
    choices: tuple[str, ...] | None = None


def read_questions(
    texts: Sequence[str], source: str | None, choices: tuple[str, ...] | None
) -> Iterator[Question]:
    """The questions of a command line, in order, each line read when it is wanted.

    Args:
        texts: Prompts given as such.
        source: A file of prompts, or `-` for standard input; None for none.
        choices: The choices of prompts that bring none of their own.

    Raises:
        ConfigError: Both texts and a source, or a line that is no question; file and line are named.
    """
    if texts and source is not None:
        raise ConfigError(
            "Prompts come as texts or from --input, not both.", found=f"{len(texts)} texts and --input"
        )
    if source is None:
        yield from (Question(text, choices) for text in texts)
    elif source == "-":
        yield from _from_lines(sys.stdin, "standard input", choices)
    else:
        with Path(source).open(encoding="utf-8-sig") as lines:
            yield from _from_lines(lines, source, choices)


def _from_lines(lines: Iterable[str], where: str, choices: tuple[str, ...] | None) -> Iterator[Question]:
    """Questions from lines: JSON objects if the first line is one, else texts; blank lines are left out."""
    as_json: bool | None = None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if as_json is None:
            as_json = line.lstrip().startswith("{")
        place = f"{where}:{number}"
        yield _from_json(line, place, choices) if as_json else Question(line.rstrip("\r\n"), choices)


def _from_json(line: str, where: str, choices: tuple[str, ...] | None) -> Question:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ConfigError(
            "Every line must be a JSON object once the first one is.", found=error, where=where
        ) from error
    inputs = row.get("inputs") if isinstance(row, dict) else None
    if not isinstance(inputs, str):
        raise ConfigError("A line needs the text `inputs`.", found=line.strip()[:80], where=where)
    given = row.get("choices", row.get("answer_choices"))
    if given is None:
        return Question(inputs, choices)
    if not isinstance(given, list) or not given or not all(isinstance(choice, str) for choice in given):
        raise ConfigError("`choices` must be a list of texts.", found=given, where=where)
    return Question(inputs, tuple(given))
