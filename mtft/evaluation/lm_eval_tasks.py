"""One cell under one template as a task of lm-evaluation-harness: its configuration and its rows.

Prompts, choices and references are columns that the configuration names, so that the harness renders none of
them: no text of a dataset is ever read as Jinja.

Source: lm-evaluation-harness 0.4.13, `lm_eval/config/task.py` (keys) and `lm_eval/api/task.py` (what they mean).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mtft.evaluation.examples import EvalExample
from mtft.evaluation.fewshot import whole_prompt
from mtft.evaluation.metrics.bleu import BleuSetting, setting_of
from mtft.evaluation.score_functions import PMI, SUM
from mtft.evaluation.scorers import SCORERS, unscorable_reason

Row = dict[str, Any]
# A scorer of texts → the harness's metrics and whether more is better; equal to ours for one reference.
TEXT_METRICS: dict[str, tuple[tuple[str, bool], ...]] = {
    "chrf": (("chrf", True), ("chrf++", True)),
    "bleu": (("bleu", True),),
    "ter": (("ter", False),),
    "qa": (("exact_match", True),),
}
# What ranks choices → the harness's accuracy by it.
ACCURACIES = {SUM: "acc", "character": "acc_norm", "byte": "acc_bytes", PMI: "acc_mutual_info"}
EXACT = (
    "exact_match is the harness's: without case and ASCII punctuation, not by language; token F1 is left out"
)


@dataclass
class HarnessTask:
    """One task of the harness, and what was left out of it.

    Attributes:
        examples: Of one cell under one template.
        kind: What the model is asked for: `choices` or `generation`.
        scorers: Ours, of that kind.
        rows: The rows of its data.
        config: The keys of its YAML that say how they are used.
        left_out: Reason → how many examples, or how many scorers of all examples, are not exported.
        notes: What differs from ours.
    """

    examples: Sequence[EvalExample]
    kind: str
    scorers: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def tasks_of(examples: Sequence[EvalExample], *, encoder_decoder: bool = False) -> list[HarnessTask]:
    """What the harness can be asked about the examples of one cell under one template.

    Args:
        examples: Of one cell and template.
        encoder_decoder: The model has an encoder: then `max_length` bounds the new tokens, which the harness
            otherwise counts from the prompt's length.
    """
    scorers = examples[0].cell.metrics
    made = []
    for kind in ("choices", "generation"):
        names = tuple(name for name in scorers if SCORERS[name].needs == kind)
        if names:
            task = HarnessTask(examples, kind, names)
            _fill_choices(task) if kind == "choices" else _fill_texts(task, encoder_decoder)
            made.append(task)
    return made


def _fill_choices(task: HarnessTask) -> None:
    """Log-likelihoods of choices: accuracy; several right choices are a list of their places."""
    for name in task.scorers:
        if name != "accuracy":
            task.left_out[f"{name}: the harness has no such metric for choices"] += len(task.examples)
    if "accuracy" not in task.scorers:
        return
    for example in task.examples:
        if reason := _unusable(example, "accuracy"):
            task.left_out[reason] += 1
            continue
        choices, targets = example.example.answer_choices or (), example.example.targets
        gold = [place for place, choice in enumerate(choices) if choice in targets]
        task.rows.append({**_place_of(example), "choices": list(choices), "gold": gold})
    single = all(len(row["gold"]) == 1 for row in task.rows)
    if single:
        for row in task.rows:
            row["gold"] = row["gold"][0]
    task.config = {
        "output_type": "multiple_choice",
        "doc_to_text": "prompt",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": " ",
        "metric_list": [_metric(name) for name in _accuracies(task, single=single)],
    }


def _accuracies(task: HarnessTask, *, single: bool) -> list[str]:
    """The harness's accuracies: the free ones, and the one by PMI where the suite asks for it.

    With several right choices the harness's accuracy by PMI is 0.
    """
    cell = task.examples[0].cell
    wanted = {cell.score_function, *cell.score_functions}
    if cell.score_function not in ACCURACIES or (cell.score_function == PMI and not single):
        task.notes.append(
            f"the suite ranks by `{cell.score_function}`, for which the harness has no accuracy"
        )
    return [name for by, name in ACCURACIES.items() if by != PMI or (PMI in wanted and single)]


def _fill_texts(task: HarnessTask, encoder_decoder: bool) -> None:
    """Greedy texts, scored by those of the metrics that the harness has too."""
    metrics = []
    for name in task.scorers:
        if reason := _untranslated(task, name):
            task.left_out[f"{name}: {reason}"] += len(task.examples)
        else:
            metrics += [_metric(*each) for each in TEXT_METRICS[name]]
            task.notes += [EXACT] * (name == "qa")
    if not metrics:
        return
    several = any(len(e.example.targets) > 1 for e in task.examples)
    for example in task.examples:
        if reason := _unusable(example, task.scorers[0]):
            task.left_out[reason] += 1
            continue
        targets = example.example.targets
        task.rows.append({**_place_of(example), "target": list(targets) if several else targets[0]})
    longest, least = task.examples[0].cell.max_new_tokens, task.examples[0].cell.min_new_tokens
    task.config = {
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "generation_kwargs": {
            "until": [],
            "do_sample": False,
            "max_gen_toks": longest,
            **({"min_new_tokens": least} if least else {}),
            **({"max_length": longest + 1} if encoder_decoder else {}),  # after the token that starts a text
        },
        "filter_list": [
            {"name": "none", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}
        ],
        "metric_list": metrics,
    }


def _metric(name: str, higher: bool = True) -> dict[str, Any]:
    corpus = name in ("chrf", "chrf++", "bleu", "ter")
    made = {"metric": name, "aggregation": name if corpus else "mean", "higher_is_better": higher}
    return made | ({"ignore_case": True, "ignore_punctuation": True} if name == "exact_match" else {})


def _untranslated(task: HarnessTask, scorer: str) -> str:
    """Why a scorer of texts has no equal in the harness; empty if it has."""
    if scorer not in TEXT_METRICS:
        return "the harness has no such metric"
    if scorer != "qa" and any(len(e.example.targets) > 1 for e in task.examples):
        return "the harness takes one reference for it"
    languages = {e.example.language for e in task.examples}
    if scorer == "bleu" and any(setting_of(code) != BleuSetting() for code in languages):
        return "the harness's tokeniser is not the one for this script"
    return ""


def _unusable(example: EvalExample, scorer: str) -> str:
    """Why the harness cannot be given an example: it would stop, or count as wrong what has no right answer."""
    if reason := unscorable_reason(example.example, SCORERS[scorer], example.table):
        return reason
    prompt = whole_prompt(example)
    if prompt and not prompt.strip():
        return "the prompt is white space"
    if not all(choice.strip() for choice in example.example.answer_choices or ()):
        return "an answer choice is empty"
    return ""


def _place_of(example: EvalExample) -> Row:
    return {
        "id": f"{example.example.split}/{example.example.row_id}",
        "item_group": example.example.item_group,
        "prompt": whole_prompt(example),
    }
