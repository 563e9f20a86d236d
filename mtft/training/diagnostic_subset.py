"""The training examples that diagnostics measure: of each task the first of the mixture, the same at every step."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Sized
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mtft.encoding import Batch, Collator, Encoded, Encoder
from mtft.errors import ConfigError
from mtft.training.groups import Groups
from mtft.training.step_data import ExampleSource

logger = logging.getLogger(__name__)

_SCANNED = 65_536  # positions that are looked through for a task's examples
_AT_ONCE = 1024

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TaskExamples:
    """One task's measured examples.

    Attributes:
        name: The task's, as the group is called.
        rows: Encoded.
        languages: Of each.
        factors: (examples,) what each example's summed token loss is multiplied by, so that the mean over the
            examples is the task's loss under the run's normalisation.
    """

    name: str
    rows: tuple[Encoded, ...]
    languages: tuple[str, ...]
    factors: Floats

    def numbers_of_batches(self, batches: int) -> list[range]:
        """The examples of each batch, equally many; fewer batches where there are fewer examples than batches.

        Example: 7 examples in 3 batches are 0-1, 2-3 and 4-5.
        """
        count = min(batches, len(self.rows))
        size = len(self.rows) // max(count, 1)
        return [range(n * size, (n + 1) * size) for n in range(count)]

    def batch(self, numbers: Sequence[int], collator: Collator) -> Batch:
        """The tensors of some examples; their weighted loss is the mean of factor x summed token loss."""
        batch = collator([self.rows[number] for number in numbers])
        for place, number in enumerate(numbers):
            batch["row_weights"][place] = self.factors[number] / len(numbers)
        return batch


def choose_examples(
    source: ExampleSource,
    encoder: Encoder,
    groups: Groups,
    count: int,
    *,
    normalization: str,
    exponent: float = 0.0,
) -> list[TaskExamples]:
    """So many distinct examples of each group, evenly over its languages, in the order of the groups.

    They are the first of every (task, language) in the mixture's order. A mixture's order within a cell depends on
    its seed and the cell alone, so a run that trains on one task and a run that trains on it among others, of one
    seed and the same data, measure the same examples.

    Args:
        source: The mixture.
        encoder: Text to ids; examples over its limits are passed over.
        groups: The mixture's.
        count: Examples per group.
        normalization: The run's `loss_normalization`.
        exponent: The run's `target_length_exponent`.

    Raises:
        ConfigError: No example of any group was found.
    """
    quotas = _quotas(groups, count)
    found: dict[tuple[str, str], dict[tuple[str, str], Encoded]] = {cell: {} for cell in quotas}
    end = min(len(source), _SCANNED) if isinstance(source, Sized) else _SCANNED
    for first in range(0, end, _AT_ONCE):
        if all(len(found[cell]) >= quota for cell, quota in quotas.items()):
            break
        _look_through(source, encoder, np.arange(first, min(first + _AT_ONCE, end)), quotas, found)
    made = [
        _task(name, number, groups, found, normalization, exponent)
        for number, name in enumerate(groups.names)
    ]
    short = [f"{each.name} ({len(each.rows)})" for each in made if len(each.rows) < count]
    if short:
        logger.warning("Fewer than %d examples to diagnose of: %s.", count, ", ".join(short))
    if not any(each.rows for each in made):
        raise ConfigError("Diagnostics need an example that fits the encoder's limits.", found="none")
    return made


def _quotas(groups: Groups, count: int) -> dict[tuple[str, str], int]:
    """Examples of each (task, language): its group's, shared evenly."""
    quotas: dict[tuple[str, str], int] = {}
    for number in range(len(groups.names)):
        cells = sorted(cell for cell, group in groups.of_cell.items() if group == number)
        share, more = divmod(count, len(cells))
        quotas |= {cell: share + (place < more) for place, cell in enumerate(cells)}
    return quotas


def _look_through(
    source: ExampleSource,
    encoder: Encoder,
    positions: npt.NDArray[np.int64],
    quotas: dict[tuple[str, str], int],
    found: dict[tuple[str, str], dict[tuple[str, str], Encoded]],
) -> None:
    """Add what some positions hold of cells that still lack examples."""
    examples = [
        e for e in source.examples(positions) if len(found[cell := (e.task, e.language)]) < quotas[cell]
    ]
    rows = encoder.encode_batch([e.inputs for e in examples], [e.target for e in examples])
    for example, row in zip(examples, rows, strict=True):
        cell = (example.task, example.language)
        if len(found[cell]) < quotas[cell] and encoder.drop_reason(row) is None:
            found[cell].setdefault((example.inputs, example.target), row)


def _task(
    name: str,
    number: int,
    groups: Groups,
    found: dict[tuple[str, str], dict[tuple[str, str], Encoded]],
    normalization: str,
    exponent: float,
) -> TaskExamples:
    """The group's examples, its languages in turn, so that every batch holds all of them."""
    cells = sorted(cell for cell, group in groups.of_cell.items() if group == number)
    columns = [[(row, cell[1]) for row in found[cell].values()] for cell in cells]
    longest = max(map(len, columns), default=0)
    pairs = [column[place] for place in range(longest) for column in columns if place < len(column)]
    rows, languages = tuple(row for row, _ in pairs), tuple(language for _, language in pairs)
    task = TaskExamples(name, rows, languages, np.ones(len(rows)))
    return replace(task, factors=example_factors(_target_tokens(rows), normalization, exponent))


def _target_tokens(rows: Sequence[Encoded]) -> npt.NDArray[np.int64]:
    return np.array([len(row.target_ids) for row in rows], dtype=np.int64)


def example_factors(tokens: npt.NDArray[np.int64], normalization: str, exponent: float = 0.0) -> Floats:
    """What makes the plain mean over these examples their loss under a normalisation.

    With n_i target tokens, u_i = n_i ** exponent and S_i an example's summed token loss, mean_i(f_i S_i) is what
    `weigh_rows` minimises on one task. A constant per example, so that the gradient of a large batch is the mean of
    its small batches' gradients, as the estimates of gradient noise need it.

    Args:
        tokens: (examples,) target tokens.
        normalization: `token`, `target`, `sample` or `task`.
        exponent: `target_length_exponent`.

    Returns:
        (examples,).

    Example: `token` on targets of 1 and 3 tokens is [0.5, 0.5]; `target` is [1, 1/3].
    """
    if not len(tokens):
        return np.empty(0)
    counts = np.maximum(tokens, 1).astype(np.float64)
    weights = counts**exponent
    if normalization == "target":
        return np.asarray(weights / counts / weights.mean())
    return np.asarray(weights / (weights * (counts if normalization in ("token", "task") else 1.0)).mean())
