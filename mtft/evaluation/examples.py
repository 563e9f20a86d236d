"""What is evaluated: cells (one language of one task), their examples, and the scored samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mtft.evaluation.score_functions import FREE, SUM
from mtft.structured import Table
from mtft.tasks.records import Example

if TYPE_CHECKING:
    from mtft.prompting import Template
    from mtft.tasks import Task
    from mtft.tasks.records import Row

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
        language_status: `trained`, `pretrained_only` or `unseen`; empty where pretraining is not known.
        language_name: The language's English name.
        script: The language's script.
        shots: Examples asked for before each prompt.
        min_new_tokens: Shortest generation.
        score_function: What ranks the choices.
        score_functions: Those whose accuracy is reported.
        protocol: Scoring protocol, where the suite names one for the task.
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
    language_status: str = ""
    language_name: str = ""
    script: str = ""
    shots: int = 0
    min_new_tokens: int = 0
    score_function: str = SUM
    score_functions: tuple[str, ...] = FREE
    protocol: str = ""


@dataclass(frozen=True)
class Shortening:
    """A row and its template, to be rendered again with less of the column that the card names.

    Attributes:
        task: Whose card names the column.
        row: The row.
        template: The template.
        seed: Of the template's random choices.
    """

    task: Task
    row: Row
    template: Template
    seed: int

    def fitted(self, max_tokens: int, count: Callable[[str], int]) -> str | None:
        """The prompt without as much of the column's beginning as is too much; None where that does not do.

        Nothing else changes: neither the question nor the choices, nor the targets.

        Args:
            max_tokens: The most tokens that the prompt may have.
            count: Tokens of a text.
        """
        made = self.task.fit(self.row, self.template, max_tokens, count, self.seed, side="left")
        return None if made is None else made.inputs


@dataclass(frozen=True)
class EvalExample:
    """One prompted row of a cell.

    Attributes:
        example: The row.
        template: The template's name.
        cell: Where it belongs.
        table: What the row's text tells, where a scorer of the cell looks at it.
        shots: Answered examples to stand before the prompt, the farthest first.
        slices: Column → the row's value, of the columns that the card slices results by.
        shortening: How to make the prompt shorter, where the card names a column that may lose its beginning.
        texts: The row's own texts, of the columns that its templates read, by which it is looked up in training.
        contamination: How it was found there; see `Sample`.
    """

    example: Example
    template: str
    cell: EvalCell
    table: Table | None = None
    shots: tuple[str, ...] = ()
    slices: Mapping[str, str] = field(default_factory=dict)
    shortening: Shortening | None = field(default=None, compare=False, repr=False)
    texts: tuple[str, ...] = ()
    contamination: str = ""


@dataclass(frozen=True)
class Sample:
    """One scored example of one model: a row of `samples.parquet`.

    Attributes:
        model: The model's name in the report.
        metric: The scorer that made it.
        template: The template's name.
        id: The row's id.
        inputs: The prompt as the model read it, shots included.
        prediction: The chosen answer or the generated text.
        target: The first reference.
        scores: Value per score of this example.
        unscored_reason: Why there are no scores; empty where there are.
        signature: How the scores were made, where that cannot be told from the metric's name.
        shots: Answered examples in the prompt.
        dropped_shots: Those that did not fit into it.
        slices: Column → the row's value.
        choice_tokens: Scored tokens of each choice.
        prior_loglikelihoods: Of each choice after an empty prompt; none where that was not asked for.
        truncated_tokens: How many tokens the prompt lost because it was too long; `inputs` is what was left of
            it, or under `lm_eval` the whole, whose first tokens were then cut.
        contamination: How the item stands in the training text: `ngram`, `exact`, `item_group`, several joined by
            "+" (`mtft.evaluation.contamination`); empty where it does not, or was not looked up.
        step: The model's step of training; -1 where that is not known.
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
    signature: str = ""
    shots: int = 0
    dropped_shots: int = 0
    slices: dict[str, str] = field(default_factory=dict)
    choice_tokens: tuple[int, ...] = ()
    prior_loglikelihoods: tuple[float, ...] = ()
    truncated_tokens: int = 0
    contamination: str = ""
    step: int = -1
