"""The Markdown report: the same tables as the page, in plain text."""

from __future__ import annotations

import re

from mtft.reporting import headline, tables
from mtft.reporting.all_tables import all_tables
from mtft.reporting.comparison_tables import pairs_of, sentence, verdicts
from mtft.reporting.fact_sections import problem_tables
from mtft.reporting.opening import COMPARED, QUESTION, RULE
from mtft.reporting.plain import tables_of
from mtft.reporting.results import Results
from mtft.reporting.score_tables import signatures
from mtft.reporting.shots import shots_fact
from mtft.reporting.tables import Table
from mtft.reporting.wording import Scales, items_per_cell

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def markdown(results: Results) -> str:
    """The whole document."""
    blocks = [
        f"# {escaped(results.title)}",
        _facts(results),
        *(_comparison(results) if results.rivals else _answer(results)),
        *(_titled(table) for table in all_tables(results, Scales(results))),
        _problems(results),
        _reproduce(results),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _answer(results: Results) -> list[str]:
    total = headline.tallies(results)[0]
    return [
        f"## {QUESTION}",
        f"**{total.verdict.capitalize()}.** {escaped(headline.sentence(results))}",
        table_text(tables.answers(results)) if total.cells else "",
        escaped(headline.rule(results)) if total.cells else "",
    ]


def _comparison(results: Results) -> list[str]:
    table = verdicts(results)
    known = any(row[1].value for row in table.rows)
    text = escaped(sentence(results, pairs_of(results)))
    return [f"## {COMPARED}", text, table_text(table) if known else "", escaped(RULE)]


def _facts(results: Results) -> str:
    suite = results.suite
    facts = {
        "Suite": suite.get("name"),
        "Protocol": suite.get("protocol"),
        "Items per cell": items_per_cell(results.suite),
        "Shots": shots_fact(results),
        "Made": results.created,
        "Models": ", ".join(m.name + (f" ({m.path})" if m.path else "") for m in results.models),
    }
    return "\n".join(f"- {name}: {escaped(str(value))}" for name, value in facts.items() if value)


def _problems(results: Results) -> str:
    shown = [_titled(table) for table in problem_tables(results)]
    return "\n\n".join(shown) or "## Problems\n\nNone: every row was used and scored."


def _reproduce(results: Results) -> str:
    known = dict(results.reproduce)
    command = str(known.pop("command", "") or "")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
    block = f"## Reproduce\n\n{fence}sh\n{command}\n{fence}" if command else ""
    shown = [*tables_of("settings", "Versions and settings", known), signatures(results)]
    return "\n\n".join(part for part in (block, *(_titled(table) for table in shown if table.rows)) if part)


def _titled(table: Table) -> str:
    note = f"\n\n{escaped(table.note)}" if table.note else ""
    return f"## {escaped(table.title)}\n\n{table_text(table)}{note}"


def table_text(table: Table) -> str:
    """A pipe table; numbers stand at the right."""
    rules = ("---:" if column in table.numeric else "---" for column in table.columns)
    rows = [[cell.text for cell in row] for row in table.rows]
    lines = [map(escaped, table.columns), rules, *(map(escaped, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
