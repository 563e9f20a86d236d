"""The rows of `results.json` as typed records, each list in one canonical order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, TypeVar

from mtft.errors import RunError
from mtft.plain import finite


class CellKey(NamedTuple):
    """What one number is about, whichever model it belongs to."""

    task: str
    language: str
    config: str
    prompt_language: str
    metric: str


@dataclass(frozen=True)
class Model:
    """A model that was scored."""

    name: str
    path: str = ""
    family: str = ""
    parameters: float | None = None
    step: float | None = None


@dataclass(frozen=True)
class Keyed:
    """What every row about one cell has."""

    task: str
    language: str = ""
    config: str = ""
    prompt_language: str = ""
    metric: str = ""

    @property
    def key(self) -> CellKey:
        """Task, language, config, prompt language and metric."""
        return CellKey(self.task, self.language, self.config, self.prompt_language, self.metric)


@dataclass(frozen=True)
class Cell(Keyed):
    """One template's score of one model in one task and language."""

    model: str = ""
    template: str = ""
    template_id: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None
    n_unscored: float | None = None


@dataclass(frozen=True)
class Summary(Keyed):
    """The median template of one model in one task and language, with its 95 % interval.

    `q1` and `q3` are quartiles over templates; `consistency` the share of prompt pairs with the same answer;
    `indistinguishable` says that the interval includes chance, `detectable` the smallest score that would not be;
    `n_truncated` counts prompts that were too long and lost a part.
    """

    model: str = ""
    cluster: str = ""
    primary: bool = True
    median: float | None = None
    min: float | None = None
    max: float | None = None
    q1: float | None = None
    q3: float | None = None
    n_templates: float | None = None
    consistency: float | None = None
    indistinguishable: bool | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None
    n_groups: float | None = None
    n_unscored: float | None = None
    n_truncated: float | None = None
    detectable: float | None = None
    chance: float | None = None
    majority: float | None = None
    seen: str = "seen"
    signature: str = ""
    above_chance: bool = False

    @property
    def held_out(self) -> bool:
        """Whether the language, the cluster or the pair was kept out of finetuning, as far as is known."""
        return self.seen.startswith("held_out")


@dataclass(frozen=True)
class SliceScore(Keyed):
    """One model's score on the rows of a cell that have one value in a column.

    An empty `slice` stands for all values that training saw, or did not see.
    """

    model: str = ""
    column: str = ""
    slice: str = ""
    seen: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: float | None = None


@dataclass(frozen=True)
class Average:
    """A model's average over a group of cells, with the rule that made it."""

    model: str
    group: str = ""
    metric: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_cells: float | None = None
    rule: str = ""


@dataclass(frozen=True)
class Comparison(Keyed):
    """The paired difference a - b on the items both models answered.

    `a_only` and `b_only` count the items that one got right under more templates; `_holm` stands for p-values
    corrected over all cells of a pair of models and a metric.
    """

    a: str = ""
    b: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    mcnemar_p: float | None = None
    mcnemar_p_holm: float | None = None
    a_only: float | None = None
    b_only: float | None = None
    n: float | None = None


@dataclass(frozen=True)
class Transfer(Keyed):
    """How far one language lies behind English on the same task."""

    model: str = ""
    english: float | None = None
    value: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Published(Keyed):
    """A published score, and whether it may stand beside ours."""

    model: str = ""
    template_statistic: str = ""
    value: float | None = None
    n_items: float | None = None
    citation: str = ""
    comparable: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Contamination(Keyed):
    """Evaluated items that overlap with the training text, and the scores with and without them.

    `models` has per model and prompt language `score_all`, `score_clean` and `n_clean`.
    """

    n_items: float | None = None
    n_ngram: float | None = None
    n_exact: float | None = None
    n_item_group: float | None = None
    n_any: float | None = None
    models: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Length(Keyed):
    """Lengths of one model's generated answers against the references'."""

    model: str = ""
    mean_prediction: float | None = None
    mean_target: float | None = None
    ratio: float | None = None
    n_empty: float | None = None
    n: float | None = None


@dataclass(frozen=True)
class ScoreFunction(Keyed):
    """Accuracy when choices are ranked by another function of their log-likelihoods."""

    model: str = ""
    function: str = ""
    value: float | None = None


@dataclass(frozen=True)
class CurvePoint(Keyed):
    """A model's score after a number of training steps."""

    model: str = ""
    step: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None


Record = TypeVar("Record")


def _record(kind: type[Record], row: object, where: str) -> Record:
    """One record from a mapping; keys it does not know are left, null means the default."""
    if not isinstance(row, Mapping):
        raise RunError("Results hold mappings as rows.", found=type(row).__name__, where=where)
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    given = finite({name: row[name] for name in names & row.keys() if row[name] is not None})
    try:
        return kind(**given)
    except TypeError as error:
        raise RunError("A row of results lacks a key it needs.", found=str(error), where=where) from error


def _canonical(record: object) -> str:
    return json.dumps(vars(record), sort_keys=True, default=str, ensure_ascii=False)


def records(kind: type[Record], results: Mapping[str, Any], name: str) -> tuple[Record, ...]:
    """The records of one key of the results, in canonical order.

    Raises:
        RunError: The key holds no list, or a row lacks what it needs.
    """
    rows = results.get(name) or []
    if not isinstance(rows, list):
        raise RunError("This key of the results holds a list.", found=type(rows).__name__, where=name)
    made = [_record(kind, row, f"{name}[{number}]") for number, row in enumerate(rows)]
    return tuple(sorted(made, key=_canonical))
