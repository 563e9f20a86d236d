"""The report of trajectories: metric against loss, factors over steps, conflict, the papers' summary numbers."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mtft.reporting.csv_files import harmless
from mtft.reporting.elements import section
from mtft.reporting.markup import Html, breakable, el, exact, join
from mtft.reporting.page import html_head
from mtft.reporting.tracked import TrackedRun
from mtft.reporting.trajectory_charts import Chart, cosine_table
from mtft.reporting.write import write_whole
from mtft.statistics import Gap
from mtft.statistics.trajectory_summary import SUMMARIES, Difference, difference

_STYLES = ("report.css", "trajectories.css")
_TITLE = "Optimisation trajectories"
_FACTORS = {
    "train_loss": "training loss, nats per target token",
    "dev_metric": "development metric",
    "conflict": "cosine with the mixture's gradient",
    "gradient_norm": "gradient norm",
    "coherence": "trace of the gradients' covariance",
    "noise_scale": "gradient noise scale, examples",
    "fisher_trace": "Fisher trace",
    "sharpness": "worst-case sharpness",
    "update_share": "share of the update, weight times gradient norm",
}
CAVEAT = (
    "Conflict, sharpness, coherence and Fisher trace describe how optimisation went. They do not predict "
    "generalisation: in Mueller et al. (arXiv 2408.14677) none of them explained which tasks gained or lost from "
    "multitask training, and tasks with much conflict generalised well. A gap at comparable training loss is what "
    "shows transfer; a low cosine alone is no reason to leave a task out."
)


def write_trajectories(runs: Sequence[TrackedRun], gaps: Mapping[str, Gap], folder: Path) -> list[Path]:
    """The paths of `trajectories.html`, `gap.csv` and `trajectories.csv`, written into a folder.

    Args:
        runs: What was measured.
        gaps: Of each task that has both sides.
        folder: Made if missing.
    """
    content = {
        "trajectories.html": trajectory_page(runs, gaps),
        "gap.csv": _gap_csv(gaps),
        "trajectories.csv": _values_csv(runs),
    }
    return [write_whole(folder / name, text) for name, text in content.items()]


def trajectory_page(runs: Sequence[TrackedRun], gaps: Mapping[str, Gap]) -> str:
    """The whole document: one file, offline, without scripts."""
    tasks = sorted({task for run in runs for task in run.tasks})
    parts = [
        section(
            "Gap at comparable training loss", _gap_table(gaps), _against_loss(runs, gaps, tasks), lead=_LEAD
        ),
        section("Factors over steps", *_over_steps(runs, tasks), lead=CAVEAT),
        section("Conflict between tasks", _conflict(runs), lead=_CONFLICT),
        section("Summary numbers", _summary_table(runs, tasks), lead=_SUMMARY),
    ]
    kinds = {kind: sum(run.kind == kind for run in runs) for kind in ("single", "multi")}
    facts = el("p", f"{kinds['single']} single-task and {kinds['multi']} multitask runs", class_="facts")
    header = el("header", el("h1", _TITLE), facts, class_="masthead")
    body = el("body", el("main", header, *parts, id="report"))
    return "<!doctype html>\n" + el("html", html_head(_TITLE, _STYLES, ()), body, lang="en") + "\n"


_LEAD = (
    "The metric of each run against its training loss, which falls from left to right; bands are two standard "
    "deviations over seeds around the mean of each side, where all runs passed the loss. A gap counts where the "
    "sides' mean metrics over that range are further apart than their bands."
)
_CONFLICT = (
    "Mean cosine between two tasks' gradients over all measured steps of all multitask runs. Below zero, a step for "
    "the one raises the other's loss. This describes optimisation; it does not predict which task generalises worse."
)
_SUMMARY = (
    "One number per run, then the mean over runs: "
    + "; ".join(f"{_FACTORS[name]}: {rule}" for name, (rule, _) in SUMMARIES.items())
    + ". Differences in bold lie outside two standard deviations over seeds of both sides."
)


def _key() -> Html:
    lines = (
        el("b", "dashed: single-task", class_="single"),
        " · ",
        el("b", "solid: multitask", class_="multi"),
    )
    return el("p", *lines, class_="sides")


def _against_loss(runs: Sequence[TrackedRun], gaps: Mapping[str, Gap], tasks: Sequence[str]) -> Html:
    return join(
        [_key(), el("div", *(_loss_chart(runs, gaps.get(task), task) for task in tasks), class_="panels")]
    )


def _loss_chart(runs: Sequence[TrackedRun], gap: Gap | None, task: str) -> Html | None:
    """One line per run, and the bands of both sides."""
    ways: list[tuple[TrackedRun, list[tuple[float, float]]]] = []
    for run in runs:
        metric = dict(run.series(task, "dev_metric"))
        pairs = [(loss, metric[s]) for s, loss in run.series(task, "train_loss") if s in metric and loss > 0]
        if pairs:
            ways.append((run, pairs))
    if not ways:
        return None
    chart = Chart([p for _, pairs in ways for p in pairs], "training loss (log)", falling_log=True)
    drawn: list[Html | None] = []
    if gap is not None:
        drawn.append(chart.band(gap.losses, gap.single, gap.deviations * gap.single_deviation, "single"))
        drawn.append(chart.band(gap.losses, gap.multi, gap.deviations * gap.multi_deviation, "multi"))
    drawn += [chart.line(pairs, run.kind, f"{run.name}, seed {run.seed}") for run, pairs in ways]
    return chart.figure(drawn, task, _metric_of(runs, task))


def _metric_of(runs: Sequence[TrackedRun], task: str) -> str:
    names = {
        each.other
        for run in runs
        for each in run.values
        if (each.task, each.quantity) == (task, "dev_metric")
    }
    return " or ".join(sorted(names))


def _over_steps(runs: Sequence[TrackedRun], tasks: Sequence[str]) -> list[Html]:
    made = [_key()]
    for quantity, name in _FACTORS.items():
        charts = [chart for task in tasks if (chart := _step_chart(runs, task, quantity, name)) is not None]
        if charts:
            made += [el("h3", name), el("div", *charts, class_="panels")]
    return made


def _step_chart(runs: Sequence[TrackedRun], task: str, quantity: str, name: str) -> Html | None:
    ways = [(run, [(float(s), v) for s, v in run.series(task, quantity)]) for run in runs]
    known = [(run, points) for run, points in ways if any(math.isfinite(v) for _, v in points)]
    if not known:
        return None
    chart = Chart([p for _, points in known for p in points], "training step")
    lines = [chart.line(points, run.kind, f"{run.name}, seed {run.seed}") for run, points in known]
    return chart.figure(lines, task, name)


def _conflict(runs: Sequence[TrackedRun]) -> Html:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in runs:
        for each in run.values if run.kind == "multi" else ():
            if each.quantity == "cosine" and math.isfinite(each.value):
                found[each.task, each.other].append(each.value)
    if not found:
        return el("p", "No multitask run measured it.", class_="note")
    tasks = sorted({name for pair in found for name in pair})
    return cosine_table(tasks, {pair: float(np.mean(values)) for pair, values in found.items()})


def _gap_table(gaps: Mapping[str, Gap]) -> Html:
    if not gaps:
        note = "No task was measured, with loss and metric, in a single-task and in a multitask run."
        return el("p", note, class_="note")
    columns = ("task", "gap", "two standard deviations", "finding", "losses compared", "runs")
    rows = [
        (task, gap.mean, gap.band, gap.verdict, _range(gap), f"{gap.seeds[0]} single, {gap.seeds[1]} multi")
        for task, gap in gaps.items()
    ]
    return _table("Generalisation gap", columns, rows, [gap.counts for gap in gaps.values()])


def _range(gap: Gap) -> str:
    return f"{gap.high:.3g} to {gap.low:.3g}" if len(gap.losses) else "none in common"


def _summary_table(runs: Sequence[TrackedRun], tasks: Sequence[str]) -> Html:
    rows, counts = [], []
    for task in tasks:
        for quantity, name in _FACTORS.items():
            found = _difference(runs, task, quantity)
            if found is not None:
                rows.append((task, name, found.single, found.multi, found.value, found.band))
                counts.append(found.counts)
    columns = ("task", "factor", "single-task", "multitask", "difference", "two standard deviations")
    return _table("Summary numbers", columns, rows, counts)


def _difference(runs: Sequence[TrackedRun], task: str, quantity: str) -> Difference | None:
    """Of the runs' summary numbers; None where no run has one."""
    if quantity not in SUMMARIES:
        return None
    summary = SUMMARIES[quantity][1]
    sides: dict[str, list[float]] = {"single": [], "multi": []}
    for run in runs:
        values = np.array([value for _, value in run.series(task, quantity)])
        if len(values):
            sides[run.kind].append(summary(values))
    return difference(sides["single"], sides["multi"]) if any(sides.values()) else None


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], counts: Sequence[bool]
) -> Html:
    head = el("thead", el("tr", *(el("th", column, scope="col") for column in columns)))
    body = el("tbody", *(el("tr", *(_cell(v, c) for v in row)) for row, c in zip(rows, counts, strict=True)))
    made = el("table", el("caption", title, class_="sr"), head, body, class_="data")
    return el("div", made, class_="scroll", tabindex="0", role="region", aria_label=title)


def _cell(value: object, counts: bool) -> Html:
    kind = "counts" if counts else ""
    if not isinstance(value, float):
        return el("td", breakable(str(value)) if "/" in str(value) else str(value), class_=kind or None)
    shown = f"{value:.4g}".replace("-", "\u2212") if math.isfinite(value) else "–"
    known = exact(value) if math.isfinite(value) else None
    return el("td", shown, class_=f"num {kind}".strip(), data_value=known)


def _gap_csv(gaps: Mapping[str, Gap]) -> str:
    columns = ("task", "loss", "single", "multi", "gap", "band", "mean_gap", "mean_band", "finding")
    rows: list[Sequence[object]] = []
    for task, gap in gaps.items():
        whole = (gap.mean, gap.band, gap.verdict)
        points = zip(gap.losses, gap.single, gap.multi, gap.at_points, gap.bands, strict=True)
        rows += [(task, *map(float, point), *whole) for point in points] or [
            (task, "", "", "", "", "", *whole)
        ]
    return _csv(columns, rows)


def _values_csv(runs: Sequence[TrackedRun]) -> str:
    columns = ("run", "kind", "seed", "step", "task", "quantity", "other", "value")
    return _csv(columns, [(run.name, run.kind, run.seed, *each) for run in runs for each in run.values])


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([harmless(value) for value in row] for row in rows)
    return written.getvalue()
