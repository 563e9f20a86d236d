"""The heat map of task x language: a real table, coloured by level, with its values as text."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.reporting.heat import HeatMap
from mtft.reporting.heat_chip import chip, labels
from mtft.reporting.markup import Html, breakable, el
from mtft.reporting.records import Summary
from mtft.reporting.results import Results
from mtft.reporting.wording import CLUSTER_STATUS, STATUS, metric_name, words

TALL = 24
"""Languages from which on the table scrolls in a box of its own, under a head that stays."""


def draw(heat: HeatMap) -> Html:
    """The table, grouped by cluster status in its columns and by language status in its rows."""
    tasks = heat.tasks
    by_place: dict[tuple[str, str], list[Summary]] = {}
    for row in heat.rows:
        by_place.setdefault((row.language, row.task), []).append(row)
    body = [_group(heat, status, codes, tasks, by_place) for status, codes in _by_status(heat)]
    table = el("table", el("caption", heat.caption, class_="sr"), _head(heat, tasks), *body, class_="heat")
    kind = "scroll tall" if len(heat.languages) > TALL else "scroll"
    return el("div", table, class_=kind, tabindex="0", role="region", aria_label=heat.caption)


def _by_status(heat: HeatMap) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for code in heat.languages:
        groups.setdefault(heat.results.language_status(code), []).append(code)
    return list(groups.items())


def _head(heat: HeatMap, tasks: Sequence[str]) -> Html:
    statuses: dict[str, int] = {}
    for task in tasks:
        status = heat.results.cluster_status(task)
        statuses[status] = statuses.get(status, 0) + 1
    groups = [
        el(
            "th",
            _cluster_status(status),
            colspan=span,
            scope="colgroup",
            class_=f"over {status}",
            data_group=status or "tasks",
        )
        for status, span in statuses.items()
    ]
    over = el("tr", el("td", class_="corner"), *groups)
    names = el("tr", el("th", "language", scope="col"), *(_task_head(heat, task) for task in tasks))
    return el("thead", over, names)


def _cluster_status(status: str) -> str:
    name = CLUSTER_STATUS.get(status, words(status))
    return f"{name} task clusters" if name else "tasks"


def _task_head(heat: HeatMap, task: str) -> Html:
    known = heat.results.tasks.get(task, {})
    metrics = sorted({metric_name(row.metric) for row in heat.rows if row.task == task})
    cluster = words(known.get("cluster") or "")
    return el(
        "th",
        breakable(task),
        el("small", ", ".join(metrics)),
        el("small", cluster, class_="cluster"),
        scope="col",
        title=str(known.get("title") or ""),
        data_task=task,
        data_cluster=cluster,
        data_group=heat.results.cluster_status(task) or "tasks",
    )


def _group(
    heat: HeatMap,
    status: str,
    codes: Sequence[str],
    tasks: Sequence[str],
    by_place: dict[tuple[str, str], list[Summary]],
) -> Html:
    name = STATUS.get(status, words(status) or "Languages")
    head = el("tr", el("th", name, colspan=len(tasks) + 1, scope="rowgroup", class_="over"))
    rows = []
    for code in codes:
        cells = (_place(heat, task, by_place.get((code, task), [])) for task in tasks)
        rows.append(el("tr", _language_head(heat.results, code), *cells, data_language=code))
    return el("tbody", head, *rows)


def _language_head(results: Results, code: str) -> Html:
    name = results.language_name(code)
    script = results.languages.get(code, {}).get("script")
    return el("th", name, el("small", code) if name != code else None, scope="row", title=script)


def _place(heat: HeatMap, task: str, rows: Sequence[Summary]) -> Html:
    """One table cell: a chip per configuration and prompt language."""
    if not rows:
        return el("td", el("span", "not measured", class_="sr"), class_="empty", data_task=task)
    names = labels([row.key for row in rows])
    chips = (chip(heat, row, name) for row, name in zip(rows, names, strict=True))
    return el("td", *chips, data_task=task)
