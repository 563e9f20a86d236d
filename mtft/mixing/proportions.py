"""The proportion table: what a stretch of the schedule holds of each unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtft.mixing.mixture import Mixture


@dataclass(frozen=True)
class Proportion:
    """One line of the table.

    Attributes:
        cluster: The task's cluster, empty in a sum over several.
        task: The task's name, likewise.
        language: The language, likewise.
        config: The dataset's configuration, likewise.
        rows: Distinct rows at hand.
        examples: Prompted rows at hand, rows times their templates.
        positions: Positions of the stretch, exactly.
        share: Of all its positions.
        epochs: Times that each row is met, positions / rows.
        input_tokens: Expected in the stretch: positions times the unit's mean (bytes where there is no
            tokenizer).
        target_tokens: Likewise.
    """

    cluster: str
    task: str
    language: str
    config: str
    rows: int
    examples: int
    positions: int
    share: float
    epochs: float
    input_tokens: float
    target_tokens: float


def proportions(mixture: Mixture, n_positions: int) -> list[Proportion]:
    """One line per unit, in the build's order."""
    counts = mixture.schedule.counts(n_positions).tolist()
    lines = []
    for cell, unit, positions in zip(mixture.built.cells.train, mixture.index.units, counts, strict=True):
        mean_input, mean_target = unit.mean_lengths()
        task = cell.task
        lines.append(
            Proportion(
                cluster=task.cluster,
                task=task.name,
                language=task.language,
                config=task.config,
                rows=unit.rows,
                examples=unit.examples,
                positions=positions,
                share=positions / max(n_positions, 1),
                epochs=positions / unit.rows if unit.rows else 0.0,
                input_tokens=positions * mean_input,
                target_tokens=positions * mean_target,
            )
        )
    return lines


def summed(lines: Iterable[Proportion], key: Callable[[Proportion], str]) -> dict[str, Proportion]:
    """The lines added up by a key, `lambda line: line.task`; texts that differ within a sum become empty."""
    result: dict[str, Proportion] = {}
    for line in lines:
        name = key(line)
        result[name] = _added(result[name], line) if name in result else line
    return result


def _added(a: Proportion, b: Proportion) -> Proportion:
    rows, positions = a.rows + b.rows, a.positions + b.positions
    return Proportion(
        cluster=_common(a.cluster, b.cluster),
        task=_common(a.task, b.task),
        language=_common(a.language, b.language),
        config=_common(a.config, b.config),
        rows=rows,
        examples=a.examples + b.examples,
        positions=positions,
        share=a.share + b.share,
        epochs=positions / rows if rows else 0.0,
        input_tokens=a.input_tokens + b.input_tokens,
        target_tokens=a.target_tokens + b.target_tokens,
    )


def _common(a: str, b: str) -> str:
    return a if a == b else ""
