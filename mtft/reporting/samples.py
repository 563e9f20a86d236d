"""A few scored examples per cell from `samples.parquet`, with the answers of every model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtft.reporting.sample_choice import SampleFile, choose, open_samples

TEXTS = ("task", "language", "config", "prompt_language", "id")
COLUMNS = (
    "model",
    *TEXTS,
    "template",
    "template_id",
    "inputs",
    "choices",
    "loglikelihoods",
    "prior_loglikelihoods",
    "choice_tokens",
    "prediction",
    "target",
    "targets",
    "scores",
    "unscored_reason",
    "shots",
    "contamination",
)
PER_CELL = 8
MAX_SHOWN = 1500
MAX_CHARACTERS = 2_500_000
MAX_INPUT = 1600
MAX_ANSWER = 400
BATCH = 16_384


@dataclass(frozen=True)
class Answer:
    """One model's answer to one example."""

    model: str
    prediction: str | None
    scores: Mapping[str, float | None]
    loglikelihoods: tuple[float | None, ...]
    unscored_reason: str
    prior_loglikelihoods: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One example with the answers of every model."""

    task: str
    language: str
    config: str
    prompt_language: str
    template: str
    id: str
    inputs: str
    choices: tuple[str, ...]
    targets: tuple[str, ...]
    answers: tuple[Answer, ...]
    shots: int = 0
    choice_tokens: tuple[int, ...] = ()
    contamination: str = ""

    @property
    def shown_characters(self) -> int:
        """How much text of it a page shows, at most."""
        texts = (*self.choices, *self.targets, *(answer.prediction or "" for answer in self.answers))
        return min(len(self.inputs), MAX_INPUT) + sum(min(len(text), MAX_ANSWER) for text in texts) + 600


@dataclass(frozen=True)
class Samples:
    """The examples that a page shows.

    Attributes:
        shown: By cell, in each cell in turn right and wrong ones.
        total: How many there are in the files.
    """

    shown: tuple[Sample, ...] = ()
    total: int = 0


def read_samples(
    files: Sequence[SampleFile | Path],
    *,
    focus: str | None,
    base: str | None = None,
    per_cell: int = PER_CELL,
) -> Samples:
    """Up to `per_cell` examples of every task, language and prompt language, balanced between right and wrong.

    No more than `MAX_SHOWN` examples (but one per cell) and `MAX_CHARACTERS` of text, so that the page stays small.

    Args:
        files: Parquet files; several for several runs.
        focus: The model whose answers decide what is right and wrong here.
        base: The model it is compared with; examples on which the two differ are chosen as often as others.
        per_cell: How many; fewer when there are so many cells that the page would grow past use.

    Raises:
        RunError: A file is missing or not Parquet, or lacks `model`, `task` or `language`.
    """
    opened = [file if isinstance(file, SampleFile) else SampleFile(file) for file in files]
    choice = choose(opened, focus=focus, base=base, per_cell=per_cell, limit=MAX_SHOWN)
    wanted = [
        sorted({row for rows in choice.rows for at, row in rows if at == n}) for n in range(len(opened))
    ]
    records = {
        (at, row): record
        for at, (file, rows) in enumerate(zip(opened, wanted, strict=True))
        for row, record in _records(file, rows).items()
    }
    made = [_sample([records[place] for place in rows]) for rows in choice.rows]
    return Samples(tuple(_affordable(made)), choice.total)


def _affordable(samples: Sequence[Sample]) -> list[Sample]:
    """Those that fit in the page; the best candidates of all cells come first."""
    kept, room = [], MAX_CHARACTERS
    for sample in samples:
        room -= sample.shown_characters
        if room < 0:
            break
        kept.append(sample)
    return kept


def _records(file: SampleFile, wanted: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The wanted rows of a file, read in batches from the row groups that hold them."""
    opened = open_samples(file.path)
    columns = [name for name in COLUMNS if name in opened.schema_arrow.names]
    found: dict[int, dict[str, Any]] = {}
    first, at = 0, 0
    for group in range(opened.num_row_groups):
        end = first + opened.metadata.row_group(group).num_rows
        if at < len(wanted) and wanted[at] < end:
            start = first
            for batch in opened.iter_batches(BATCH, row_groups=[group], columns=columns):
                here = []
                while at < len(wanted) and wanted[at] < start + batch.num_rows:
                    here.append(wanted[at])
                    at += 1
                if here:
                    rows = batch.take([row - start for row in here]).to_pylist()
                    found.update(zip(here, (_named(file, row) for row in rows), strict=True))
                start += batch.num_rows
        first = end
    return found


def _named(file: SampleFile, record: dict[str, Any]) -> dict[str, Any]:
    """The record with every column and the model's name in the report."""
    model = str(record["model"])
    return {**dict.fromkeys(COLUMNS), **record, "model": file.names.get(model, model)}


def right(scores: Mapping[str, float | None]) -> bool | None:
    """Whether an answer is wholly right (all of its scores at the top) or not; None where it has no score."""
    first = next((scores[name] for name in ("accuracy", "exact_match") if name in scores), None)
    return None if first is None else first >= 0.5


def _scores(value: Any) -> dict[str, float | None]:
    """Metric to value, from a JSON text, a mapping, or a list of pairs."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return {}
    pairs = value.items() if isinstance(value, Mapping) else value or []
    return dict(sorted((str(k), v if isinstance(v, (int, float)) else None) for k, v in pairs))


def _sample(records: Sequence[dict[str, Any]]) -> Sample:
    ordered = sorted(records, key=lambda r: (r["model"] != "base", str(r["model"]), repr(r)))
    first = ordered[0]
    targets = first["targets"] or ([first["target"]] if first["target"] is not None else [])
    marks = {mark for r in ordered for mark in str(r["contamination"] or "").split("+") if mark}
    return Sample(
        **{name: str(first[name] or "") for name in TEXTS},
        template=str(first["template"] or first["template_id"] or ""),
        inputs=str(first["inputs"] or ""),
        choices=tuple(str(c) for c in first["choices"] or ()),
        targets=tuple(str(t) for t in targets),
        answers=_answers(ordered),
        shots=int(first["shots"] or 0),
        choice_tokens=tuple(first["choice_tokens"] or ()),
        contamination="+".join(sorted(marks)),
    )


def _answers(records: Sequence[Mapping[str, Any]]) -> tuple[Answer, ...]:
    """One answer per model; the rows of several scorers are put together."""
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_model.setdefault(str(record["model"]), []).append(record)
    return tuple(_answer(model, found) for model, found in by_model.items())


def _answer(model: str, records: Sequence[Mapping[str, Any]]) -> Answer:
    def first(name: str) -> Any:
        return next((r[name] for r in records if r[name] not in (None, "", [])), None)

    prediction = next((r["prediction"] for r in records if r["prediction"] is not None), None)
    reasons = dict.fromkeys(str(r["unscored_reason"]) for r in records if r["unscored_reason"])
    return Answer(
        model=model,
        prediction=None if prediction is None else str(prediction),
        scores=dict(sorted(pair for r in records for pair in _scores(r["scores"]).items())),
        loglikelihoods=tuple(first("loglikelihoods") or ()),
        unscored_reason="; ".join(reasons),
        prior_loglikelihoods=tuple(first("prior_loglikelihoods") or ()),
    )
