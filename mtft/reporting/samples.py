"""A few scored examples per cell from `samples.parquet`, chosen by hash so that the choice never moves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mtft.errors import RunError

KEYS = ("task", "language", "config", "prompt_language", "template", "template_id", "id")
COLUMNS = (
    "model",
    *KEYS,
    "inputs",
    "choices",
    "loglikelihoods",
    "prediction",
    "target",
    "targets",
    "scores",
    "unscored_reason",
    "shots",
)
MAX_SHOWN = 900
PER_CELL = 3


@dataclass(frozen=True)
class Answer:
    """One model's answer to one example."""

    model: str
    prediction: str | None
    scores: Mapping[str, float | None]
    loglikelihoods: tuple[float | None, ...]
    unscored_reason: str


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


def read_samples(path: Path, *, focus: str | None, per_cell: int = PER_CELL) -> list[Sample]:
    """Up to `per_cell` examples of every task and language, one answered right and one wrong if there are.

    Args:
        path: The Parquet file.
        focus: The model whose answers decide what is right and wrong here.
        per_cell: How many; fewer when there are so many cells that the page would grow past use.

    Raises:
        RunError: The file is missing or not Parquet, or lacks `model`, `task` or `language`.
    """
    table = _read(path)
    places: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
    keys = [_strings(table, name) for name in KEYS]
    for at, key in enumerate(zip(*keys, strict=True)):
        places.setdefault(key[:3], {}).setdefault(key, []).append(at)
    room = max(1, min(per_cell, MAX_SHOWN // max(1, len(places))))
    chosen = [
        rows for cell in sorted(places) for rows in _choose(table, places[cell], focus=focus, limit=room)
    ]
    return [_sample(table, rows) for rows in chosen]


def _read(path: Path) -> pa.Table:
    try:
        names = pq.read_schema(path).names
        missing = {"model", "task", "language"} - set(names)
        if missing:
            raise RunError("Samples need these columns.", found=f"no {sorted(missing)}", where=path)
        return pq.read_table(path, columns=[name for name in COLUMNS if name in names])
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError("Samples must be a readable Parquet file.", found=str(error), where=path) from error


def _strings(table: pa.Table, name: str) -> list[str]:
    if name not in table.column_names:
        return [""] * table.num_rows
    return ["" if v is None else str(v) for v in table.column(name).to_pylist()]


def _choose(
    table: pa.Table, examples: Mapping[tuple[str, ...], list[int]], *, focus: str | None, limit: int
) -> list[list[int]]:
    """Row numbers of the chosen examples: by hash, but a right and a wrong one first."""
    ordered = [examples[key] for key in sorted(examples, key=_hash)][: 40 * limit]
    marks = [_mark(table, rows, focus) for rows in ordered]
    first = [marks.index(wanted) for wanted in (True, False) if wanted in marks]
    rest = [n for n in range(len(ordered)) if n not in first]
    return [ordered[n] for n in sorted((first + rest)[:limit])]


def _hash(key: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return hashlib.sha256("\x1f".join(key).encode("utf-8", "replace")).hexdigest(), key


def _mark(table: pa.Table, rows: Sequence[int], focus: str | None) -> bool | None:
    for at in rows:
        if _value(table, "model", at) == focus:
            return right(_scores(_value(table, "scores", at)))
    return None


def right(scores: Mapping[str, float | None]) -> bool | None:
    """Whether an answer is wholly right (all of its scores at the top) or not; None where it has no score."""
    first = next((scores[name] for name in ("accuracy", "exact_match") if name in scores), None)
    return None if first is None else first >= 0.5


def _value(table: pa.Table, name: str, at: int) -> Any:
    return table.column(name)[at].as_py() if name in table.column_names else None


def _scores(value: Any) -> dict[str, float | None]:
    """Metric to value, from a JSON text, a mapping, or a list of pairs."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return {}
    pairs = value.items() if isinstance(value, Mapping) else value or []
    return dict(sorted((str(k), v if _is_number(v) else None) for k, v in pairs))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _sample(table: pa.Table, rows: Iterable[int]) -> Sample:
    records = [{name: _value(table, name, at) for name in COLUMNS} for at in rows]
    records.sort(key=lambda r: (r["model"] != "base", str(r["model"]), repr(r)))
    first = records[0]
    targets = first["targets"] or ([first["target"]] if first["target"] is not None else [])
    return Sample(
        **{name: str(first[name] or "") for name in ("task", "language", "config", "prompt_language", "id")},
        template=str(first["template"] or first["template_id"] or ""),
        inputs=str(first["inputs"] or ""),
        choices=tuple(str(c) for c in first["choices"] or ()),
        targets=tuple(str(t) for t in targets),
        answers=tuple(_answer(record) for record in records),
        shots=int(first["shots"] or 0),
    )


def _answer(record: Mapping[str, Any]) -> Answer:
    prediction = record["prediction"]
    return Answer(
        model=str(record["model"]),
        prediction=None if prediction is None else str(prediction),
        scores=_scores(record["scores"]),
        loglikelihoods=tuple(record["loglikelihoods"] or ()),
        unscored_reason=str(record["unscored_reason"] or ""),
    )
