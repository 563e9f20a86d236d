"""Examples of one made-up task, for tests that choose prompts and choices themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mtft.evaluation import EvalCell, EvalExample
from mtft.tasks.records import Example


def example(inputs: str, choices: Sequence[str] | None, number: int = 0, **more: Any) -> Example:
    values = {
        "inputs": inputs, "targets": (choices[0] if choices else "yes",),
        "answer_choices": None if choices is None else tuple(choices), "dataset": "toy", "config": "en",
        "split": "test", "row_id": str(number), "item_group": f"toy:{number}", "template_id": "t",
        "language": "en", "prompt_language": "en", "task": "toy", "source_revision": "",
    }  # fmt: skip
    return Example(**{**values, **more})


def ranked(
    pairs: Sequence[tuple[str, Sequence[str] | None]], task: str = "toy", **cell: Any
) -> list[EvalExample]:
    place = EvalCell(task, "en", "sentiment", "en", **cell)
    return [EvalExample(example(a, b, n), "template", place) for n, (a, b) in enumerate(pairs)]


def generated(prompts: Sequence[str], **cell: Any) -> list[EvalExample]:
    values = {"metrics": ("chrf",), "max_new_tokens": 6, **cell}
    place = EvalCell("say", "en", "structure_to_text", "en", **values)
    return [EvalExample(example(text, None, n), "template", place) for n, text in enumerate(prompts)]
