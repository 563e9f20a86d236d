"""The tables that a paper holds, as LaTeX for a document to include."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mtft.reporting import tables
from mtft.reporting.comparison_tables import comparisons, pairs_of
from mtft.reporting.finding_tables import published, transfer
from mtft.reporting.records import Summary
from mtft.reporting.results import Results
from mtft.reporting.tables import Cell, Table, language_cell, plain_table, score_cell
from mtft.reporting.wording import MARKS, Scales, metric_name

HEAD = "% Tables of an mtft report. Needs booktabs and longtable; compile with XeLaTeX or LuaLaTeX for all scripts.\n"
_SPECIAL = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\u2212": "$-$",
    "\u2013": "--",
    "<": "$<$",
    ">": "$>$",
    "◆": r"$\diamond$",
    "▲": r"$\triangle$",
    "●": r"$\bullet$",
    "✓": "yes",
    "✗": "no",
}
_PATTERN = re.compile("|".join(map(re.escape, _SPECIAL)))


def latex(results: Results) -> str:
    """The whole file: a matrix of scores per model, averages, comparisons, published scores, transfer."""
    scales = Scales(results)
    return HEAD + "\n".join(_longtable(table) for table in _tables(results, scales) if table.rows)


def _tables(results: Results, scales: Scales) -> Iterator[Table]:
    if not results.rivals:
        yield tables.answers(results)
    for model in results.models:
        yield matrix(results, scales, model.name)
    yield tables.averages(results, scales)
    for a, b in pairs_of(results):
        yield comparisons(results, scales, a, b)
    yield published(results, scales)
    yield transfer(results, scales)


def matrix(results: Results, scales: Scales, model: str) -> Table:
    """Languages x tasks of one model's primary scores, each with its mark; several prompt languages by `/`."""
    found: dict[tuple[str, str], list[Summary]] = {}
    for key in results.keys:
        row = results.at(model, key)
        if row is not None:
            found.setdefault((key.language, key.task), []).append(row)
    columns = sorted({task for _, task in found}, key=results.task_order)
    languages = sorted({language for language, _ in found}, key=results.language_order)
    rows = [
        (language_cell(results, code), *(_joined(scales, found.get((code, task), [])) for task in columns))
        for code in languages
    ]
    metrics = sorted({metric_name(key.metric) for key in results.keys})
    note = f"Scores of the median template of {model} ({', '.join(metrics)}). " + ", ".join(
        f"{mark} {kind.removeprefix('held_out_')} held out" for kind, mark in MARKS.items()
    )
    return plain_table(f"matrix-{model}", f"Scores of {model}", ("language", *columns), rows, note)


def _joined(scales: Scales, rows: list[Summary]) -> Cell:
    shown = [score_cell(scales, r.metric, r.median).text + MARKS.get(r.seen, "") for r in rows]
    return Cell(" / ".join(shown) or "–", rows[0].median if rows else None)


def _longtable(table: Table) -> str:
    kinds = "".join("r" if column in table.numeric else "l" for column in table.columns)
    head = " & ".join(escaped(column) for column in table.columns) + r" \\"
    lines = [" & ".join(escaped(cell.text) for cell in row) + r" \\" for row in table.rows]
    caption = escaped(f"{table.title}. {table.note}".strip())
    label = re.sub(r"[^a-z0-9]+", "-", table.name.lower()).strip("-")
    return "\n".join(
        [
            rf"\begin{{longtable}}{{{kinds}}}",
            rf"\caption{{{caption}}}\label{{tab:{label}}} \\",
            r"\toprule",
            head,
            r"\midrule \endhead",
            *lines,
            r"\bottomrule",
            r"\end{longtable}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return _PATTERN.sub(lambda found: _SPECIAL[found.group()], " ".join(text.split()))
