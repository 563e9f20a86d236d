"""A mixture for the eye: the tree of its sources, and the table of its proportions."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from mtft.mixing.cells import languages_of
from mtft.mixing.phase_table import annealed_line, phase_table
from mtft.mixing.proportions import Proportion, summed
from mtft.mixing.repetition import beyond_bound

if TYPE_CHECKING:
    from mtft.mixing.mixture import Mixture
    from mtft.mixing.rates import Rates
    from mtft.tasks import Task


_LEAKAGE = {None: "only counted", "report": "only counted", "exclude": "left out"}


def describe(mixture: Mixture, n_positions: int, width: int) -> str:
    """Tree, table per task, table per language and table per cell, as plain text."""
    lines = mixture.proportions(n_positions)
    unit = mixture.index.length_unit
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(source_tree(mixture))
    by_task = summed(lines, lambda line: line.task)
    if len(mixture.phases) > 1:
        console.print(phase_table(mixture))
    console.print(_table(f"By task, {n_positions:,} positions", ["task"], by_task.values(), unit))
    by_language = sorted(summed(lines, lambda line: line.language).values(), key=lambda line: -line.positions)
    console.print(_table("By language", ["language"], by_language, unit))
    console.print(_table("By task and language", ["cluster", "task", "config", "language"], lines, unit))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    warning = [f"Warning: {error}"] if (error := beyond_bound(mixture, n_positions)) else []
    return "\n".join([*(line.rstrip() for line in text.splitlines()), *warning]) + "\n"


def source_tree(mixture: Mixture) -> Tree:
    """Sides → clusters → tasks with their languages, rows, templates, licence and drops."""
    spec, cells = mixture.built.spec, mixture.built.cells
    tree = Tree(f"{spec.name} · {spec.title} · fingerprint {mixture.fingerprint} · seed {mixture.seed}")
    tree.add(_rates_line(mixture.rates))
    trained = tree.add(f"trained: {len(mixture):,} rows in {len(cells.train)} cells")
    for cluster, tasks in _by_cluster([cell.task for cell in cells.train]).items():
        branch = trained.add(cluster)
        for name, members in tasks.items():
            branch.add(_trained_line(mixture, name, members))
    for side, held in (
        ("held out for validation", cells.validation),
        ("held out for the report", cells.report),
    ):
        branch = tree.add(f"{side}: {len(held)} cells")
        for cluster, tasks in _by_cluster(held).items():
            for name, members in tasks.items():
                branch.add(f"{cluster} / {name}: {_languages(members)}")
    if mixture.built.leakage:
        found = tree.add(f"rows that come from another dataset of the mixture ({_LEAKAGE[spec.leakage]}):")
        for each in mixture.built.leakage:
            found.add(each.sentence())
    if bound := mixture.index.truncated_to:
        shortened = sum(unit.truncated for unit in mixture.index.units)
        tree.add(f"truncated: {shortened:,} prompts, to {bound:,} tokens")
    if wanted := spec.exemplars:
        tree.add(_exemplars_line(mixture, wanted))
    tree.add(f"dropped: {_counts(dropped_by_reason(mixture))}")
    if emptied := emptied_cells(mixture):
        branch = tree.add(f"nothing left to train on: {len(emptied)} cells")
        for line in emptied:
            branch.add(line)
    return tree


def _rates_line(rates: Rates) -> str:
    over = f" over each {rates.unimax_by}" if rates.kind == "unimax" else ""
    within = f" within {rates.over:,} positions" if rates.over else ""
    anneal = f", annealed: {annealed_line(rates.anneal)}" if rates.anneal else ""
    return (
        f"rates: {rates.kind}{over}, cap {rates.cap or 'none'}, temperature "
        f"{rates.temperature_task:g} per task, {rates.temperature_language:g} per language and "
        f"{rates.temperature_cluster:g} per cluster, "
        f"at most {rates.max_repetition or 'any number of'} repetitions{within}{anneal}"
    )


def _exemplars_line(mixture: Mixture, wanted: int) -> str:
    """How many exemplars stand before the prompts, and how many prompts have fewer than were asked for."""
    units = [unit for unit in mixture.index.units if unit.exemplars is not None and unit.examples]
    counts = [unit.exemplars.fitting[unit.records] for unit in units if unit.exemplars is not None]
    given, prompts = sum(int(each.sum(dtype="int64")) for each in counts), sum(map(len, counts))
    fewer = sum(int((each < wanted).sum()) for each in counts)
    left_out = wanted * prompts - given
    told = f"exemplars: {given:,} before {prompts:,} prompts, {left_out:,} left out"
    return f"{told}, {fewer:,} prompts with fewer than {wanted}"


def emptied_cells(mixture: Mixture) -> list[str]:
    """The trained cells without a row left, each with what became of its rows; they take no part in the order."""
    units = zip(mixture.built.shards, mixture.index.units, strict=True)
    return [
        f"{shard.summary.unit}: {_counts(Counter(shard.summary.dropped) + unit.dropped)}"
        for shard, unit in units
        if not unit.rows
    ]


def dropped_by_reason(mixture: Mixture) -> Counter[str]:
    """Prompted rows left out of the whole mixture, by reason."""
    total: Counter[str] = Counter()
    for shard, unit in zip(mixture.built.shards, mixture.index.units, strict=True):
        total.update(shard.summary.dropped)
        total.update(unit.dropped)
    return total


def _trained_line(mixture: Mixture, name: str, members: Sequence[Task]) -> str:
    built = mixture.built
    units = zip(built.cells.train, mixture.index.units, built.shards, strict=True)
    chosen = [(unit, shard) for cell, unit, shard in units if cell.task.name == name]
    rows, examples = sum(unit.rows for unit, _ in chosen), sum(unit.examples for unit, _ in chosen)
    templates = len({template.id for task in members for template in task.templates})
    licence = members[0].card.licence
    counts = f"{rows:,} rows, {examples:,} prompted with {templates} templates"
    if samples := [shard.summary.sample for _, shard in chosen if shard.summary.sample]:
        drawn, items = (sum(sample[key] for sample in samples) for key in ("drawn", "items"))
        counts += f", a sample of {drawn:,} from {items:,} items"
    if truncated := sum(unit.truncated for unit, _ in chosen):
        counts += f", {truncated:,} of them truncated"
    return f"{name}: {counts}, {licence}: {_languages(members)}"


def _languages(tasks: Sequence[Task]) -> str:
    """The configurations where they say more than the language, as a translation's direction does."""
    return " ".join(task.config if len(languages_of(task)) > 1 else task.language for task in tasks)


def _by_cluster(tasks: Sequence[Task]) -> dict[str, dict[str, list[Task]]]:
    result: dict[str, dict[str, list[Task]]] = {}
    for task in tasks:
        result.setdefault(task.cluster, {}).setdefault(task.name, []).append(task)
    return result


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.most_common()) or "none"


def _table(title: str, keys: list[str], lines: Iterable[Proportion], unit: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for key in keys:
        table.add_column(key)
    for head in ("rows", "prompted", "positions", "share", "epochs", f"input {unit}", f"target {unit}"):
        table.add_column(head, justify="right")
    for line in lines:
        table.add_row(
            *(getattr(line, key) for key in keys),
            f"{line.rows:,}",
            f"{line.examples:,}",
            f"{line.positions:,}",
            f"{line.share:.2%}",
            f"{line.epochs:.2f}",
            f"{line.input_tokens:,.0f}",
            f"{line.target_tokens:,.0f}",
        )
    return table
