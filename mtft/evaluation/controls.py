"""Controls: what a held-out cell has to beat before it counts as crosslingual generalisation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from mtft.evaluation.bag_of_tokens import ChoiceProblem, choose, fit
from mtft.evaluation.evaluator import sample_of
from mtft.evaluation.examples import EvalExample, Sample
from mtft.tasks.division import fraction
from mtft.tasks.records import Example

MAX_TRAIN = 4000


def bag_of_tokens_control(
    train_examples: Iterable[Example],
    test_examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_train: int = MAX_TRAIN,
) -> list[tuple[float, ...] | None]:
    """Log-probabilities of each test example's choices under a classifier of unordered tokens, or None.

    One classifier per task and template, trained on that template's training examples (of the seen
    languages). None where training has no such template, or the example offers no choices. `str` answers:
    the choice at the maximum.

    Args:
        train_examples: Rendered training rows, each with its answer among its choices.
        test_examples: What to answer.
        tokenizer: Makes the tokens.
        max_train: Most training examples per classifier, drawn by hash of the item group.
    """
    known = _by_template(e for e in train_examples if _usable(e))
    answers: list[tuple[float, ...] | None] = [None] * len(test_examples)
    for key, places in _places(test_examples).items():
        if key not in known:
            continue
        drawn = sorted(known[key], key=lambda e: (fraction("bag", e.item_group), e.row_id, e.language))[
            :max_train
        ]
        found = _answer(drawn, [test_examples[place] for place in places], tokenizer)
        for place, values in zip(places, found, strict=True):
            answers[place] = tuple(values)
    return answers


def _usable(example: Example) -> bool:
    choices = example.answer_choices or ()
    return len(choices) > 1 and example.target in choices


def _by_template(examples: Iterable[Example]) -> dict[tuple[str, str], list[Example]]:
    found: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        found[example.task, example.template_id].append(example)
    return found


def _places(examples: Sequence[Example]) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        if example.answer_choices:
            found[example.task, example.template_id].append(place)
    return found


def _answer(
    train: Sequence[Example], test: Sequence[Example], tokenizer: PreTrainedTokenizerBase
) -> list[list[float]]:
    """Train on the one, answer the other."""
    fixed = len({e.answer_choices for e in (*train, *test)}) == 1
    table, owners = _problem(train, tokenizer, fixed).features(len(tokenizer))
    right = np.array([n == (e.answer_choices or ()).index(e.target) for e in train for n in _numbers(e)])
    weights = fit(table, owners, right)
    return choose(*_problem(test, tokenizer, fixed).features(len(tokenizer)), weights)


def _numbers(example: Example) -> range:
    return range(len(example.answer_choices or ()))


def _problem(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, fixed: bool) -> ChoiceProblem:
    flat = [choice for e in examples for choice in e.answer_choices or ()]
    choices = iter(_tokens(flat, tokenizer))
    return ChoiceProblem(
        _tokens([e.inputs for e in examples], tokenizer),
        [[next(choices) for _ in e.answer_choices or ()] for e in examples],
        fixed,
    )


def _tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    if not texts:
        return []
    made: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return made


def control_samples(
    train_examples: Iterable[Example],
    examples: Sequence[EvalExample],
    tokenizer: PreTrainedTokenizerBase,
    *,
    model_name: str = "bag_of_tokens",
) -> list[Sample]:
    """The classifier's answers as samples of a model, so that medians and intervals are made as for any
    other.
    """
    chosen = [e for e in examples if "accuracy" in e.cell.metrics]
    answers = bag_of_tokens_control(train_examples, [e.example for e in chosen], tokenizer)
    return [
        sample_of(
            e, "accuracy", list(a) if a is not None else None, "" if a is not None else _UNKNOWN, model_name
        )
        for e, a in zip(chosen, answers, strict=True)
    ]


_UNKNOWN = "the control has no training rows of this template"


def control_rows(
    results: Mapping[str, Any], controls: Mapping[str, Mapping[str, Any]], *, model: str = "finetuned"
) -> list[dict[str, Any]]:
    """Rows of `controls` in results: every held-out accuracy cell of `model` against chance and all controls.

    A cell counts when the lower limit of its interval lies above chance and above every control's median.

    Args:
        results: Content of a `results.json` that has `model`, and `base` if that is to be beaten.
        controls: Name (`shuffled`, `bag_of_tokens`) to the content of its results, of one model each.
        model: Whose cells are judged.
    """
    scores = {name: _medians(content["summary"]) for name, content in controls.items()}
    scores["base"] = _medians(s for s in results["summary"] if s["model"] == "base")
    rows = []
    for summary in results["summary"]:
        if (
            summary["model"] != model
            or summary["metric"] != "accuracy"
            or not summary["seen"].startswith("held_out")
        ):
            continue
        beaten = {name: found.get(_place(summary)) for name, found in scores.items()}
        bar = max([summary["chance"] or 0.0, *(v for v in beaten.values() if v is not None)])
        low = summary["low"]
        rows.append(
            {
                **{
                    k: summary[k]
                    for k in ("task", "cluster", "language", "config", "prompt_language", "seen")
                },
                **beaten,
                model: summary["median"],
                "low": low,
                "chance": summary["chance"],
                "counts": bool(low is not None and low > bar),
            }
        )
    return rows


def _place(summary: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(summary[k] for k in ("task", "config", "prompt_language"))


def _medians(summaries: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], float | None]:
    return {_place(s): s["median"] for s in summaries if s["metric"] == "accuracy"}
