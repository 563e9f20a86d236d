"""The page of a comparison of methods: verdict, means, tasks, languages; the same tables as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtft.reporting.elements import section, table_element
from mtft.reporting.gain_plot import Line, gain_plot
from mtft.reporting.markup import Html, el, join
from mtft.reporting.simple_page import simple_page
from mtft.reporting.tables import Cell, Table, plain_table
from mtft.reporting.wording import NOTHING

Row = Mapping[str, Any]
RULE = (
    "Gains are relative, Delta_m (arXiv 1904.08918): the mean over tasks of (score - baseline) / baseline, turned "
    "round for error rates. Intervals are 95 %: errors of the items (resampled by item group, one draw for all) and of "
    "the seeds together, Satterthwaite's degrees of freedom. Real: below 5 % after Holm's correction, over two seeds "
    "or more. Mean rank: over cells, 1 is best, of those with a score in each. Step time: medians, beside whatever "
    "else the machine was doing."
)
# the standard deviation of three normal values is off by a factor of two in 24 % of all cases, that of six in 6 %
ENOUGH_SEEDS = 6
FEW = "so few tell little of their own spread; repeat it with others before believing it."
SAME = (
    "Single-task models begin with the same weights, make as many steps, and meet in every step exactly the examples "
    "of their task that the multitask runs meet there, none in a step without one: what differs is the other tasks."
)


def compare_page(content: Row) -> str:
    """The page of a `compare.json`."""
    methods, tasks, languages = compare_tables(content)
    facts = (
        f"mixture {content['mixture']} · seeds {', '.join(map(str, content['seeds']))} · {content['steps']:,} steps of "
        f"{content['rows_per_step']} rows · {content['items']:,} items"
    )
    said = content["verdicts"]
    baseline = content["baseline"]
    lead = SAME if _has_singles(content) else None
    return simple_page(
        "Multitask methods compared",
        facts,
        section(
            "Verdict", el("ul", *(el("li", text) for text in said["methods"])), lead=el("b", said["overall"])
        ),
        section(
            "Methods",
            _means(content),
            table_element(methods),
            *(el("p", text) for text in left_out(content)),
            el("p", RULE, class_="note"),
        ),
        section(
            f"Tasks, against {baseline}", _plot(content["tasks"], "task"), table_element(tasks), lead=lead
        ),
        section(f"Languages, against {baseline}", table_element(languages)),
        section("Flags", table_element(_flags(content["flags"]))),
    )


def compare_tables(content: Row) -> list[Table]:
    """Methods, tasks and languages."""
    columns = (
        "method",
        *(
            f"{what} over {who}"
            for who in ("single", content["reference"])
            for what in ("gain", "95 %", "real")
        ),
        *("mean rank", "step time"),
    )
    rows: list[tuple[Cell, ...]] = [
        (Cell(row["method"]), *_gain(row["over_single"]), *_gain(row["over_reference"]), *_rest(row))
        for row in content["methods"]
    ]
    if _has_singles(content):
        nothing = [Cell(NOTHING)] * 6
        rows.append((Cell("single-task"), *nothing, _number(content["single_rank"]), Cell(NOTHING)))
    made = plain_table("methods", "Methods", columns, rows)
    return [made, *(_parts(content, by, name) for by, name in (("task", "tasks"), ("language", "languages")))]


def _has_singles(content: Row) -> bool:
    return bool(content["baseline"] != content["reference"])


def _rest(row: Row) -> tuple[Cell, Cell]:
    ratio = row["step_ratio"]
    return _number(row["mean_rank"]), Cell(f"{ratio:.2f}×", ratio) if ratio else Cell(NOTHING)


def _number(value: float | None, digits: int = 2) -> Cell:
    return Cell(NOTHING) if value is None else Cell(f"{value:.{digits}f}", value)


def _limits(row: Row) -> str:
    """The interval in words; nothing where it is not known."""
    known = row["low"] is not None and row["high"] is not None
    return f"{row['low']:+.1%} to {row['high']:+.1%}" if known else ""


def _gain(row: Row | None) -> tuple[Cell, Cell, Cell]:
    if row is None:
        return Cell(NOTHING), Cell(NOTHING), Cell(NOTHING)
    tone = ("good" if row["gain"] > 0 else "bad") if row["real"] else ""
    interval = _limits(row) or NOTHING
    return (
        Cell(f"{row['gain']:+.1%}", row["gain"], tone),
        Cell(interval),
        Cell("yes" if row["real"] else "no"),
    )


def _parts(content: Row, by: str, name: str) -> Table:
    rows = [
        (
            Cell(row[by]),
            Cell(row["method"]),
            _number(row["score"], 3),
            _number(row["baseline_score"], 3),
            *_gain(row),
        )
        for row in content[name]
    ]
    columns = (by, "method", "score", content["baseline"], "gain", "95 %", "real")
    note = (
        "Scores are means over the tasks that the gain is of, whatever their metrics."
        if by == "language"
        else ""
    )
    return plain_table(name, name.capitalize(), columns, rows, note)


def left_out(content: Row) -> list[str]:
    """Which tasks are in no mean gain, in sentences; methods of the same tasks share one."""
    said = []
    for key, against in (("over_single", "single-task models"), ("over_reference", content["reference"])):
        methods: dict[tuple[str, ...], list[str]] = {}
        for row in content["methods"]:
            if tasks := tuple(row["left_out"].get(key, ())):
                methods.setdefault(tasks, []).append(row["method"])
        said += [
            f"Not in the gains of {', '.join(names)} over {against}, since in some seed a score is missing or the "
            f"baseline's is 0: {', '.join(tasks)}."
            for tasks, names in methods.items()
        ]
    return said


def _means(content: Row) -> Html | None:
    """The mean gains of all methods, over single-task models and over the reference."""
    lines = {
        "over single-task models": [Line.of(r["method"], r["over_single"]) for r in content["methods"]],
        f"over {content['reference']}": [
            Line.of(r["method"], r["over_reference"]) for r in content["methods"]
        ],
    }
    drawn = [gain_plot(title, [line for line in of if line]) for title, of in lines.items() if any(of)]
    return join(drawn) if drawn else None


def _plot(rows: Sequence[Row], by: str) -> Html:
    names = list(dict.fromkeys(row[by] for row in rows))
    plots = [
        gain_plot(name, [line for r in rows if r[by] == name and (line := Line.of(r["method"], r))])
        for name in names
    ]
    return join(plots)


def _flags(flags: Mapping[str, str]) -> Table:
    rows = [(Cell(name), Cell(text or "none")) for name, text in flags.items()]
    return plain_table("flags", "Flags", ("method", "flags"), rows)


def verdicts(content: Row) -> dict[str, Any]:
    """What the differences amount to, in sentences: one of all methods, one of each."""
    reference, rows = content["reference"], content["methods"]
    rivals = [row for row in rows if row["over_reference"]]
    real = [row for row in rivals if row["over_reference"]["real"]]
    if len(content["seeds"]) < 2:
        overall = "One seed: nothing can be said of others, so no difference counts as real."
    elif not rivals and len(rows) > 1:
        overall = f"Nothing could be compared with {reference}: scores are missing."
    elif not rivals:
        overall = "One method: there is nothing to tell apart."
    elif not real:
        overall = f"No method differs from {reference} beyond chance (Holm, 5 %)."
    else:
        named = ", ".join(f"{r['method']} ({r['over_reference']['gain']:+.1%})" for r in real)
        others = len(rivals) - len(real)
        overall = f"Different from {reference} beyond chance (Holm, 5 %): {named}."
        overall += f" The other {others} are not told apart from it." if others else ""
        overall += f" {len(content['seeds'])} seeds: {FEW}" if len(content["seeds"]) < ENOUGH_SEEDS else ""
    unknown = [row["method"] for row in rivals if row["over_reference"]["p_value"] is None]
    if unknown and len(content["seeds"]) > 1:
        overall += f" Whether {', '.join(unknown)} differ is not known: the error could not be computed."
    said = [_sentence(row, reference, single=_has_singles(content)) for row in rows]
    return {"overall": overall, "methods": [*said, *map(_failure, content["failed"])]}


def _failure(row: Row) -> str:
    """What became of a run without scores."""
    what = f"{row['method']} on {row['task']}" if row["task"] else row["method"]
    return f"{what} did not finish under seed {row['seed']}: {row['reason']}"


def _sentence(row: Row, reference: str, *, single: bool) -> str:
    parts = [
        f"{_words(row[key])} {against}"
        for key, against in (
            ("over_single", "over single-task models"),
            ("over_reference", f"over {reference}"),
        )
        if row[key]
    ]
    if not (parts or single) and row["method"] == reference:
        return f"{reference}: what the others are told apart from."
    ratio = row["step_ratio"]
    timed = f"; {ratio:.2f} times its step time" if ratio and row["over_reference"] else ""
    return f"{row['method']}: {'; '.join(parts) or 'no gain could be computed'}{timed}."


def _words(row: Row) -> str:
    said = "real" if row["real"] else "not told apart"
    return f"{row['gain']:+.1%} ({_limits(row) or 'limits not known'}, {said})"
