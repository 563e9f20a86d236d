"""The page's opening: the answer of one run, or which of several runs is better."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.reporting import headline
from mtft.reporting.comparison_tables import Score, pairs_of, score, sentence, verdicts
from mtft.reporting.elements import table_element
from mtft.reporting.markup import Html, el, join
from mtft.reporting.results import Results
from mtft.reporting.wording import HELD_OUT, MARKS

QUESTION = "Does it generalise to languages and tasks it was not finetuned on?"
COMPARED = "Which run is better?"
RULE = (
    "A run is better in a cell when the paired test on the same items, corrected after Holm over all cells, says so at "
    "the 5 % level. A cell is one task in one language with the prompts of one language."
)


def answer(results: Results) -> str:
    """Verdict and sentence: `Partly. 3 of 12 held-out cells generalise: …`, or the comparison of the runs."""
    if results.rivals:
        return sentence(results, pairs_of(results))
    return f"{headline.tallies(results)[0].verdict.capitalize()}. {headline.sentence(results)}"


def opening(results: Results) -> Html:
    """The box that the page begins with."""
    return _compared(results) if results.rivals else _answered(results)


def _answered(results: Results) -> Html:
    """A verdict per way of holding out, in words and numbers."""
    found = headline.tallies(results)
    cards = [_verdict(t) for t in found[1:]]
    return el(
        "section",
        el("h2", QUESTION),
        el("p", el("strong", _summary_word(found[0])), " ", headline.sentence(results), class_="verdict"),
        el("div", *cards, class_="cards") if cards else None,
        el("p", headline.rule(results), class_="note") if found[0].cells else None,
        class_=f"answer-box {found[0].verdict.replace(' ', '-')}",
    )


def _summary_word(total: headline.Tally) -> str:
    return {"yes": "Yes.", "partly": "Partly.", "no": "No."}.get(total.verdict, "Not measured.")


def _verdict(found: headline.Tally) -> Html:
    won, measured = found.generalise
    lines = [
        (name, pair)
        for name, pair in (("chance", found.chance), ("base", found.base), ("all controls", found.controls))
        if pair[1]
    ]
    return el(
        "div",
        el("h3", el("span", MARKS[found.kind], class_="mark"), " ", HELD_OUT[found.kind]),
        el("p", el("b", f"{won:,}"), f" of {measured:,} cells generalise", class_="big"),
        bar([(won, "won"), (measured - won, "")]),
        el("dl", *(join([el("dt", f"beat {n}"), el("dd", f"{w:,} of {m:,}")]) for n, (w, m) in lines)),
        class_=f"card {found.verdict.replace(' ', '-')}",
    )


def bar(parts: Sequence[tuple[int, str]]) -> Html:
    """A bar of counts side by side, each of a class."""
    total, at, drawn = max(1, sum(count for count, _ in parts)), 0.0, []
    for count, kind in parts:
        width = 100 * count / total
        drawn.append(el("rect", x=round(at, 2), y=0, width=round(width, 2), height=4, class_=kind or None))
        at += width
    return el(
        "svg", *drawn, viewBox="0 0 100 4", preserveAspectRatio="none", class_="bar", aria_hidden="true"
    )


def _compared(results: Results) -> Html:
    """One card per pair of runs."""
    pairs = pairs_of(results)
    cards = [_pair(score(results, a, b)) for a, b in pairs]
    table = verdicts(results)
    known = any(row[1].value for row in table.rows)
    return el(
        "section",
        el("h2", COMPARED),
        el("p", sentence(results, pairs), class_="verdict"),
        el("div", *cards, class_="cards"),
        table_element(table) if known else None,
        el("p", RULE, class_="note"),
        class_="answer-box",
    )


def _pair(found: Score) -> Html:
    lines = [(f"{found.a} better", found.a_wins), (f"{found.b} better", found.b_wins)]
    lines.append(("cannot tell", found.undecided))
    return el(
        "div",
        el("h3", f"{found.a} against {found.b}"),
        el(
            "p", el("b", str(found.a_wins)), f" won, {found.b_wins} lost of {found.cells} cells", class_="big"
        ),
        bar([(found.a_wins, "won"), (found.undecided, ""), (found.b_wins, "lost")]),
        el("dl", *(join([el("dt", name), el("dd", str(count))]) for name, count in lines)),
        class_="card",
    )
