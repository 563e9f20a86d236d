"""Validation examples of what trains, for loss balancing by validation losses."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtft.errors import ConfigError
from mtft.evaluation.drawing import drawn
from mtft.mixing import Mixture, MixtureCells
from mtft.mixing.cells import MixtureTask
from mtft.runs.arguments import RunArguments
from mtft.runs.subset import TaskSubset
from mtft.tasks import Example, Problems, Sources
from mtft.training import MultitaskArguments

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BalanceExamples:
    """A few examples of every trained cell, by position."""

    found: Sequence[Example]

    def __len__(self) -> int:
        return len(self.found)

    @property
    def fingerprint(self) -> str:
        """Hash of the texts."""
        state = hashlib.sha256()
        for each in self.found:
            state.update(repr((each.task, each.language, each.inputs, each.targets)).encode())
        return state.hexdigest()[:16]

    def examples(self, positions: npt.NDArray[np.int64]) -> list[Example]:
        """The examples at these positions."""
        return [self.found[position] for position in positions.tolist()]


def check_balance_source(run: RunArguments, training: MultitaskArguments) -> None:
    """Refuse to weigh by validation losses what trains on shuffled targets.

    Raises:
        ConfigError: The run asks for both.
    """
    if training.loss_balancing == "coba" and run.shuffled_labels:
        raise ConfigError(
            "CoBa validates on true targets, which shuffled ones do not learn.",
            found="`shuffled_labels` and `loss_balancing: coba`",
            remedy="Give --loss_balancing sum to the control.",
        )


def balance_examples(
    mixture: Mixture,
    cells: MixtureCells,
    sources: Sources,
    trained: int,
    *,
    per_cell: int,
    seed: int,
    subset: TaskSubset | None = None,
) -> BalanceExamples:
    """Validation-side examples of each trained cell; where a cell has none, rows of the mixture's own.

    Of the mixture's own rows, those of one pass are taken that the training does not reach; where it reaches
    all, the last of them, and the log says so: their loss is then a training loss.

    Args:
        mixture: What trains, or what the subset is of.
        cells: Its cells.
        sources: Where rows are.
        trained: Positions that the training takes, of the subset where there is one.
        per_cell: Most examples of a task in a language; templates take turns.
        seed: Of random choices in templates.
        subset: Of the mixture's tasks, where it trains alone; other tasks have no examples then.
    """
    found: list[Example] = []
    kept = {task for task, _ in (subset or mixture).groups("task")}
    own = [number for number, cell in enumerate(cells.train) if cell.task.name in kept]
    for cell in (cells.train[number] for number in own):
        task, problems = cell.task, Problems()
        rows = drawn(task.rows("validation", sources, problems), per_cell)
        templates = task.templates or (None,)
        rendered = [
            task.render(row, templates[number % len(templates)], problems, seed)
            for number, row in enumerate(rows)
        ]
        found += [example for example in rendered if example is not None]
    have = {(example.task, example.language) for example in found}
    lacking = [number for number in own if _name(cells.train[number]) not in have]
    in_mixture = subset.places if subset else np.asarray
    one_pass, reached = (in_mixture(np.arange(n)) for n in (len(subset or mixture), trained))
    return BalanceExamples([*found, *_own_rows(mixture, cells, lacking, one_pass, reached, per_cell)])


def _name(cell: MixtureTask) -> tuple[str, str]:
    return cell.task.name, cell.task.language


def _own_rows(
    mixture: Mixture,
    cells: MixtureCells,
    lacking: Sequence[int],
    places: npt.NDArray[np.int64],
    reached: npt.NDArray[np.int64],
    per_cell: int,
) -> list[Example]:
    """Examples of these cells, by number, from the mixture itself; untrained ones where there are any.

    Args:
        mixture: See `balance_examples`.
        cells: Its cells.
        lacking: The cells' numbers.
        places: Positions of the mixture to choose from.
        reached: Positions of the mixture that train.
        per_cell: Most examples of each.
    """
    if not lacking:
        return []
    units, rows, _ = mixture.at(places)
    reached_units, reached_rows, _ = mixture.at(reached)
    width = int(max(rows.max(), reached_rows.max(initial=0))) + 1
    fresh = ~np.isin(units * width + rows, reached_units * width + reached_rows)
    found: list[Example] = []
    for number in lacking:
        own = units == number
        chosen = places[own & fresh][-per_cell:]
        if not len(chosen):
            chosen = places[own][-per_cell:]
            name = cells.train[number].task.key
            logger.warning(
                "Every row of %s trains: CoBa has a training loss in place of a validation's.", name
            )
        found += mixture.examples(chosen)
    return found
