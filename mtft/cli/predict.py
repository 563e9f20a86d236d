"""`mtft predict`: a model's answers to texts or JSON Lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from mtft.cli.questions import Question, read_questions
from mtft.errors import ConfigError

if TYPE_CHECKING:
    from mtft.cli.predictor import Predictor

CHUNK = 512
RUN_SETTINGS = "recipe.yaml"


def predict(
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Prompts.")] = None,
    model: Annotated[str, typer.Option(help="A model folder, a run's folder, or a Hub id.")] = ...,  # type: ignore[assignment]
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", help="File of prompts, or `-`: JSON Lines (`inputs`, optional `choices`) or texts."
        ),
    ] = None,
    choices: Annotated[
        list[str] | None, typer.Option("--choices", help="Answer among these; repeat per choice.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write JSON Lines here instead of printing.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest free answer.")] = 64,
    protocol: Annotated[
        str | None,
        typer.Option(help="Scoring protocol; default: as trained for own runs, else the family's."),
    ] = None,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens per batch.")] = 8192,
    revision: Annotated[str | None, typer.Option(help="Revision of a Hub model.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines for texts, too.")] = False,
) -> None:
    """Answer prompts: freely, or by the likeliest of the given choices."""
    questions = read_questions(texts or [], input_, tuple(choices or ()) or None)
    first = next(questions, None)  # bad input is found before the model is loaded
    if first is None:
        raise ConfigError(
            "There must be a prompt.", found="none", remedy="Give texts, --input FILE or --input -."
        )
    from mtft.cli.predictor import Predictor

    predictor = Predictor(
        model,
        revision=revision,
        protocol=protocol or ("trained" if (Path(model) / RUN_SETTINGS).is_file() else None),
        max_new_tokens=max_new_tokens,
        batch_tokens=batch_tokens,
    )
    plain = not as_json and input_ is None and output is None
    with _sink(output) as out:
        for answer in _answers(predictor, first, questions):
            out.write((_plain(answer) if plain else json.dumps(answer, ensure_ascii=False)) + "\n")


def _plain(answer: dict[str, Any]) -> str:
    return str(answer["prediction"] if answer["prediction"] is not None else f"({answer['unscored_reason']})")


def _answers(
    predictor: Predictor, first: Question, questions: Iterator[Question]
) -> Iterator[dict[str, Any]]:
    """The answers in order, a chunk of questions at a time."""
    chunk = [first, *islice(questions, CHUNK - 1)]
    while chunk:
        yield from predictor.answer(chunk)
        chunk = list(islice(questions, CHUNK))


@contextmanager
def _sink(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or the file: whole or not at all."""
    if path is None:
        yield sys.stdout
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
