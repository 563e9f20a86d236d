"""What is evaluated: cells (one language of one task), their examples, and the scored samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mtft.tasks.records import Example

Seen = Literal["seen", "held_out_language", "held_out_cluster", "held_out_pair", "unknown"]


@dataclass(frozen=True)
class EvalCell:
    """One language of one task, as the suite asks for it.

    Attributes:
        task: The card's name.
        config: Folder or direction of the language.
        cluster: Task cluster.
        language: Code of the rows' language; for translation, of the target.
        seen: Whether the mixture trains on this cell, else what kept it out; `unknown` without a mixture.
        metrics: Names in `mtft.evaluation.scorers.SCORERS`; the first one's first metric is primary.
        max_new_tokens: Longest generation.
        title: The task's title.
        licence: The task's licence.
        cluster_trained: Whether the mixture trains on the cluster.
        language_status: `trained`, `pretrained_only` or `unseen`.
        language_name: The language's English name.
        script: The language's script.
    """

    task: str
    config: str
    cluster: str
    language: str
    seen: Seen = "unknown"
    metrics: tuple[str, ...] = ("accuracy",)
    max_new_tokens: int = 64
    title: str = ""
    licence: str = ""
    cluster_trained: bool = False
    language_status: str = "unseen"
    language_name: str = ""
    script: str = ""


@dataclass(frozen=True)
class EvalExample:
    """One prompted row of a cell.

    Attributes:
        example: The row.
        template: The template's name.
        cell: Where it belongs.
    """

    example: Example
    template: str
    cell: EvalCell


@dataclass(frozen=True)
class Sample:
    """One scored example of one model: a row of `samples.parquet`.

    Attributes:
        model: The model's name in the report.
        metric: The scorer that made it.
        template: The template's name.
        id: The row's id.
        inputs: The prompt.
        prediction: The chosen answer or the generated text.
        target: The first reference.
        scores: Value per score of this example.
        unscored_reason: Why there are no scores; empty where there are.
    """

    model: str
    task: str
    dataset: str
    config: str
    cluster: str
    language: str
    prompt_language: str
    metric: str
    template: str
    template_id: str
    id: str
    item_group: str
    inputs: str
    choices: tuple[str, ...]
    loglikelihoods: tuple[float, ...]
    prediction: str | None
    target: str
    targets: tuple[str, ...]
    scores: dict[str, float] = field(default_factory=dict)
    unscored_reason: str = ""
