"""A declared mixture for the eye: the tree of its tasks, a table, and the sources of every figure."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from mtft.mixing.declared import REPORT, TRAIN, UNKNOWN, VALIDATION, Declaration, DeclaredTask
from mtft.mixing.phase_table import annealed_line
from mtft.tasks.division import SIDES

MOST_CODES = 8
ENGLISH = "en"


def describe_declared(declaration: Declaration, width: int) -> str:
    """Tree, table per side of the mixture, and sources, as plain text."""
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False, markup=False)
    console.print(_tree(declaration))
    titles = {
        TRAIN: "Trained",
        VALIDATION: "Held out for validation",
        REPORT: "Held out for the report",
    }
    for side, title in titles.items():
        if tasks := declaration.held(side):
            console.print(_table(title, declaration, tasks))
    console.print("\n".join(_remarks(declaration)), soft_wrap=True)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _tree(declaration: Declaration) -> Tree:
    """Settings, then clusters with their tasks and where these come from."""
    spec = declaration.spec
    tree = Tree(f"{spec.name} · {spec.title} · declared: nothing was read or downloaded")
    tree.add(_rates_line(declaration))
    for key in ("prompt_languages", "tasks", "held_out"):
        if key in spec.sources:
            tree.add(f"{key}: {declaration.note(spec.sources[key])}")
    trained = declaration.held(TRAIN)
    branch = tree.add(f"trained: {len(trained)} tasks in {sum(task.cells for task in trained):,} cells")
    for cluster in dict.fromkeys(task.cluster for task in trained):
        inner = branch.add(cluster)
        for task in trained:
            if task.cluster == cluster:
                inner.add(f"{task.task}: {task.source} {_note(declaration, task, 'id')}")
    for side in (VALIDATION, REPORT):
        held = declaration.held(side)
        inner = tree.add(f"held out for {side}: {len(held)} tasks")
        for task in held:
            inner.add(f"{task.cluster} / {task.task}: {task.source} {_note(declaration, task, 'id')}")
    return tree


def _rates_line(declaration: Declaration) -> str:
    rates, sources = declaration.spec.rates, declaration.spec.sources
    shown = [f"rates: {rates.kind} to {rates.unit}{declaration.note(sources.get('rates'))}"]
    for name in ("cap", "cap_per_template", "cap_per_dataset"):
        value = getattr(rates, name)
        if value is not None:
            shown.append(f"{name} {value:,}{declaration.note(sources.get(f'rates.{name}'))}")
    if rates.temperature_language != 1 or rates.temperature_cluster != 1:
        shown.append(
            f"temperature {rates.temperature_language:g} per language, {rates.temperature_cluster:g} per cluster"
        )
    if rates.kind == "unimax":
        within = f" within {rates.over:,} positions" if rates.over else ""
        shown.append(f"over each {rates.unimax_by}, at most {rates.max_repetition:g} repetitions{within}")
    if rates.anneal is not None:
        shown.append(f"annealed: {annealed_line(rates.anneal)} (shares: the mean of one pass)")
    return ", ".join(shown)


def _note(declaration: Declaration, task: DeclaredTask, fact: str) -> str:
    return declaration.note(task.known_from.get(fact))


def _table(title: str, declaration: Declaration, tasks: Sequence[DeclaredTask]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("cluster, task", no_wrap=True)
    for name in ("languages", "templates"):
        table.add_column(name, overflow="fold")
    for side in SIDES:
        table.add_column(f"{side} rows", justify="right", overflow="fold")
    trained = tasks[0].held == TRAIN
    if trained:
        table.add_column(f"{declaration.spec.rates.unit} that count", justify="right", overflow="fold")
        table.add_column("share", justify="right", overflow="fold")
    table.add_column("columns", overflow="fold")
    table.add_column("licence", overflow="fold")
    cluster = None
    for task in tasks:
        if task.cluster != cluster:
            cluster = task.cluster
            table.add_row(cluster)
        counted = [_number(task.size), _share(task.share)] if trained else []
        table.add_row(
            f"  {task.task}",
            _languages(task),
            _templates(task),
            *(_rows(declaration, task, side) for side in SIDES),
            *counted,
            _note(declaration, task, "columns") or "of the files",
            task.licence,
        )
    return table


def _languages(task: DeclaredTask) -> str:
    shown = " ".join(task.languages[:MOST_CODES])
    if len(task.languages) > MOST_CODES:
        shown += f" … ({len(task.languages)})"
    return f"{task.cells:,} directions: {shown}" if task.directions else shown


def _templates(task: DeclaredTask) -> str:
    """`en 5, fr 2`; `none` for rows that come with their prompts."""
    return ", ".join(f"{code} {count}" for code, count in task.templates.items()) or "none"


def _rows(declaration: Declaration, task: DeclaredTask, side: str) -> str:
    if task.by_hash:
        of = f" of {task.published:,} {_note(declaration, task, 'sizes')}" if task.published else ""
        return f"{task.by_hash.get(side, 0):.0%}{of} by hash"
    rows = task.rows[side]
    if rows is None:
        return "?" if side in task.sides else "none"
    return f"{rows:,} {_note(declaration, task, 'sizes')}"


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value:.2%}"


def _remarks(declaration: Declaration) -> Iterable[str]:
    trained = declaration.held(TRAIN)
    unit = declaration.spec.rates.unit
    unknown = [task.task for task in trained if task.size is None]
    if declaration.total is not None:
        yield f"Trained: {declaration.total:,} {unit} count, each template taken to prompt every row."
    else:
        yield (
            f"? = {UNKNOWN}. {len(trained) - len(unknown)} of {len(trained)} trained tasks have declared sizes, "
            f"each template taken to prompt every row; shares are given only where all have."
        )
    if lacking := [task.task for task in trained if _only_english(task)]:
        yield f"English prompts alone on rows of other languages: {', '.join(lacking)}."
    yield "[unverified] = no source confirms it. Sources:"
    yield from (f"  [{number}] {source}" for number, source in enumerate(declaration.sources, start=1))


def _only_english(task: DeclaredTask) -> bool:
    """Whether rows of other languages have English prompts alone; program text has no prompt language."""
    spoken = set(task.languages) - {ENGLISH, "zxx"}
    return bool(spoken) and set(task.templates) <= {ENGLISH}
