"""A first template for a dataset, written from the columns that its rows have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from mtft.prompting.template import Template, TemplateMetadata
from mtft.prompting.translation.literals import quoted
from mtft.prompting.writing import Entry

_ANSWERS = ("target", "answer", "answers", "summary", "output", "response", "completion", "translation")
_METRICS = {"accuracy": "Accuracy", "chrf": "chrF", "span_f1": "Span F1", "qa": "Squad"}
_SHOWN = 60  # characters of an example value in a comment


def draft(
    row: Mapping[str, Any],
    *,
    labels: Sequence[str] = (),
    metrics: Sequence[str] = (),
    language: str = "en",
    name: str = "draft",
) -> Entry:
    """A template that shows every column and asks for the likeliest one, with comments that explain its keys.

    Args:
        row: One row, or its columns with any values.
        labels: Names of the labels, in the order of their numbers; columns may be named.
        metrics: The card's.
        language: Of the prompt.
        name: Of the template.
    """
    label = _label_column(row, labels)
    choices = None if label is None else " ||| ".join(_choice(text, row) for text in labels)
    answer = f"answer_choices[{label}]" if label else _answer(row)
    asked = label or answer.partition(".")[0].partition("[")[0]
    shown = [column for column in row if column != asked]
    lines = [f"{column}: {{{{ {path} }}}}" for column in shown if (path := _path(column, row[column]))]
    jinja = "\n".join(["Say here what is asked for.", "", *lines, "|||", f"{{{{ {answer} }}}}"])
    in_prompt = choices is not None and all(text in row for text in labels)
    metadata = TemplateMetadata(in_prompt if choices else None, (language,), _metrics(metrics, choices), True)
    template = Template(str(uuid4()), name, jinja, choices, metadata=metadata)
    return Entry(template, _comments(row, labels))


def _label_column(row: Mapping[str, Any], labels: Sequence[str]) -> str | None:
    """The column that holds the label's number."""
    found = [
        column
        for column, value in row.items()
        if column.isidentifier() and isinstance(value, int) and 0 <= value < len(labels)
    ]
    return "label" if "label" in found else next(iter(found), None)


def _choice(label: str, row: Mapping[str, Any]) -> str:
    """A label as Jinja text: its column, or the words, in quotes where they look like code."""
    code = label if label in row and label.isidentifier() else quoted(label) if "{" in label else None
    return label if code is None else f"{{{{ {code} }}}}"


def _answer(row: Mapping[str, Any]) -> str:
    """The Jinja expression of the likeliest answer."""
    paths = {column: path for column, value in row.items() if (path := _path(column, value))}
    column = next((name for name in _ANSWERS if name in paths), None)
    return paths[column] if column else next(reversed(paths.values()), '"the answer"')


def _path(column: str, value: Any) -> str | None:
    """The Jinja expression of the first text or number in a value; None where there is none."""
    name = column.replace("-", "_")
    return _within(name, value) if name.isidentifier() else None


def _within(path: str, value: Any) -> str | None:
    """The first text below a path, or the first number where there is no text."""
    leaves = list(_leaves(path, value))
    texts = [at for at, leaf in leaves if isinstance(leaf, str)]
    return next(iter(texts), leaves[0][0] if leaves else None)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (str, int, float)):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(f"{path}.{key}" if str(key).isidentifier() else f"{path}[{key!r}]", item)
    elif isinstance(value, (list, tuple)) and value:
        yield from _leaves(f"{path}[0]", value[0])


def _metrics(metrics: Iterable[str], choices: str | None) -> tuple[str, ...]:
    named = tuple(_METRICS[metric] for metric in metrics if metric in _METRICS)
    return named or (("Accuracy",) if choices else ("Other",))


def example(value: Any) -> str:
    """A value as one short line of JSON."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _comments(row: Mapping[str, Any], labels: Sequence[str]) -> dict[str, list[str]]:
    width = max(map(len, row), default=0)
    columns = [f"  {column:<{width}}  {example(value)}" for column, value in row.items()]
    labelled = [f"Labels, by number: {', '.join(f'{n} {text}' for n, text in enumerate(labels))}."]
    return {
        "": ["The columns of a row, each with an example:", *columns, *(labelled if labels else [])],
        "answer_choices": [
            "The answers to choose among, as Jinja text with ` ||| ` between them; null where the answer is free.",
            "Below, `answer_choices` is their list: the target {{ answer_choices[label] }} is always one of them.",
        ],
        "id": ["Never changes: results and mixtures know the template by it."],
        "jinja": [
            "What is shown, then |||, then what is to be answered. {{ column }} puts the row's value there;",
            "{% if column %} … {% endif %} around all of it leaves out the rows that have none.",
        ],
        "choices_in_prompt": ["Does the text show all of its choices? null where there are none."],
        "languages": ["The language this prompt is written in; the rows may be in any other."],
        "metrics": ["How answers are scored: Accuracy, Squad, chrF, BLEU, ROUGE, Other, …"],
        "original_task": ["true if it asks what the dataset was made for, false if it turns that around."],
        "name": ["Short and unique in this file."],
        "reference": ["Where the prompt is from, if it is not your own."],
    }
