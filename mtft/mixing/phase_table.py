"""For the eye: which phases a mixture with changing rates has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from mtft.mixing.annealing import Annealing
    from mtft.mixing.mixture import Mixture
    from mtft.mixing.phases import Phase

MOST_LINES = 20


def annealed_line(anneal: Annealing) -> str:
    """`linear, temperature_language 1 to 5, over 2,000 positions`."""
    ways = [f"{name} {' to '.join(f'{value:g}' for value in each)}" for name, each in anneal.values.items()]
    over = "one pass" if anneal.over is None else f"{anneal.over:,} positions"
    return ", ".join([anneal.shape, *ways, f"over {over}"])


def phase_table(mixture: Mixture) -> Table:
    """Positions, temperatures, and largest and smallest shares of each phase; of many phases some."""
    table = Table(title="Phases", title_justify="left", box=box.SIMPLE_HEAD)
    names = list(mixture.phases[0].temperatures)
    for head in ("from", "to", *names):
        table.add_column(head, justify="right")
    kinds = [name.removeprefix("temperature_") for name in names]
    for kind in kinds:
        table.add_column(f"largest {kind}")
        table.add_column(f"smallest {kind}")
    for phase in chosen(mixture.phases):
        stop = "on" if phase.stop is None else f"{phase.stop:,}"
        temperatures = [f"{value:.3g}" for value in phase.temperatures.values()]
        ends = [end for kind in kinds for end in _ends(mixture, phase, kind)]
        table.add_row(f"{phase.start:,}", stop, *temperatures, *ends)
    return table


def chosen(phases: Sequence[Phase]) -> Iterator[Phase]:
    """All phases, or `MOST_LINES` at even distances, first and last among them."""
    if len(phases) <= MOST_LINES:
        yield from phases
    else:
        yield from (phases[n * (len(phases) - 1) // (MOST_LINES - 1)] for n in range(MOST_LINES))


def _ends(mixture: Mixture, phase: Phase, kind: str) -> tuple[str, str]:
    """The groups with the largest and the smallest share: `en 40.1%` and `yo 0.2%`."""
    sums: dict[str, float] = {}
    for cell, share in zip(mixture.built.cells.train, phase.shares.tolist(), strict=True):
        task = cell.task
        name = {"language": task.language, "task": task.name, "cluster": task.cluster}[kind]
        sums[name] = sums.get(name, 0.0) + share
    ranked = sorted(((share, name) for name, share in sums.items() if share), reverse=True)
    first, last = ranked[0], ranked[-1]
    return f"{first[1]} {first[0]:.1%}", f"{last[1]} {last[0]:.1%}"
