"""Tables and samples as HTML elements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from mtft.reporting.markup import Html, breakable, el, identifier, join
from mtft.reporting.results import Results
from mtft.reporting.samples import Answer, Sample, right
from mtft.reporting.tables import Cell, Table, language_label
from mtft.reporting.wording import metric_name, plural

MAX_INPUT = 1600
MAX_ANSWER = 400
WIDE = 8


def table_element(table: Table, *, filterable: bool = False) -> Html:
    """The table in a box that scrolls sideways on narrow screens; scripts add sorting and filtering."""
    head = el("thead", el("tr", *(_header(table, column) for column in table.columns)))
    body = el("tbody", *(el("tr", *_cells(table, row)) for row in table.rows))
    kind = "data wide" if len(table.columns) > WIDE else "data"
    made = el(
        "table", el("caption", table.title, class_="sr"), head, body, class_=kind, data_filter=filterable
    )
    note = el("p", table.note, class_="note") if table.note else None
    return join([el("div", made, class_="scroll", tabindex="0", role="region", aria_label=table.title), note])


def _header(table: Table, column: str) -> Html:
    return el("th", column, scope="col", class_="num" if column in table.numeric else None)


def _cells(table: Table, row: Sequence[Cell]) -> Iterable[Html]:
    for column, cell in zip(table.columns, row, strict=True):
        numeric = column in table.numeric
        kind = " ".join(k for k in ("num" if numeric else "", cell.tone) if k)
        shown = breakable(cell.text) if column == "task" else cell.text
        value = None if cell.value is None else repr(cell.value)
        yield el("td", shown, class_=kind or None, data_value=value, dir=None if numeric else "auto")


def samples_element(results: Results, samples: Sequence[Sample]) -> Html:
    """The examples, folded per task and language; right-to-left text finds its own direction."""
    ordered = sorted(samples, key=lambda s: (results.task_order(s.task), results.language_order(s.language)))
    tasks = []
    for task, of_task in groupby(ordered, key=lambda s: s.task):
        cells = [
            _language_samples(results, code, list(found))
            for code, found in groupby(of_task, key=lambda s: s.language)
        ]
        tasks.append(
            el("details", el("summary", el("b", task), f" {len(cells)} languages"), *cells, class_="task")
        )
    return el("div", *tasks, id="samples-list")


def _language_samples(results: Results, code: str, samples: Sequence[Sample]) -> Html:
    cards = [sample_card(sample) for sample in samples]
    return el("details", el("summary", language_label(results, code)), *cards, class_="cell")


def sample_card(sample: Sample) -> Html:
    """One example: what the model read, the choices, the target, and each model's answer."""
    prompts = f" · prompt in {sample.prompt_language}" if sample.prompt_language else ""
    config = f"{sample.config} · " if sample.config else ""
    shots = f" · {plural(sample.shots, 'shot')}" if sample.shots else ""
    head = el("header", el("b", sample.template or "no template"), f" {config}{sample.id}{prompts}{shots}")
    # The evaluated inputs stand behind the shots, at the end.
    shown = (clipped_before if sample.shots else clipped)(sample.inputs, MAX_INPUT)
    inputs = el("pre", shown, dir="auto") if sample.inputs else None
    choices = _choices(sample) if sample.choices else None
    targets = " / ".join(sample.targets)
    target = el("p", el("i", "target"), el("span", clipped(targets, MAX_ANSWER), dir="auto"), class_="answer")
    return el("article", head, inputs, choices, target, *map(_answer, sample.answers), class_="sample")


def clipped(value: str, limit: int) -> str:
    """The text, cut at `limit` characters with the number of those left out."""
    if len(value) <= limit:
        return value
    return f"{value[:limit]} … ({len(value) - limit:,} more characters)"


def clipped_before(value: str, limit: int) -> str:
    """The text's last `limit` characters with the number of those left out before them."""
    if len(value) <= limit:
        return value
    return f"({len(value) - limit:,} characters before) … {value[-limit:]}"


def _choices(sample: Sample) -> Html:
    rows = []
    for number, choice in enumerate(sample.choices):
        scores = [_loglikelihood(answer, number) for answer in sample.answers]
        mark = "✓" if choice in sample.targets else ""
        rows.append(
            el(
                "tr",
                el("td", mark),
                el("td", clipped(choice, MAX_ANSWER), dir="auto"),
                *(el("td", s) for s in scores),
            )
        )
    names = (el("th", answer.model, scope="col") for answer in sample.answers)
    head = el("tr", el("td", ""), el("th", "choice", scope="col"), *names)
    caption = el("caption", "log-likelihood of each choice", class_="sr")
    return el("table", caption, el("thead", head), el("tbody", *rows), class_="choices")


def _loglikelihood(answer: Answer, number: int) -> str:
    values = answer.loglikelihoods
    value = values[number] if number < len(values) else None
    return "–" if value is None else f"{value:.2f}".replace("-", "\u2212")


def _answer(answer: Answer) -> Html:
    verdict = right(answer.scores)
    mark = {True: "✓", False: "✗", None: ""}[verdict]
    shown = {name: value for name, value in answer.scores.items() if value is not None}
    scores = ", ".join(f"{metric_name(name)} {value:.3g}" for name, value in shown.items())
    unscored = f"unscored: {answer.unscored_reason}" if answer.unscored_reason else ""
    prediction = clipped(answer.prediction, MAX_ANSWER) if answer.prediction is not None else "–"
    return el(
        "p",
        el("i", answer.model),
        el("span", prediction, dir="auto", class_={True: "good", False: "bad", None: None}[verdict]),
        el("small", " ".join(part for part in (mark, unscored or scores) if part)),
        class_="answer",
    )


def section(title: str, *children: Html | None, lead: str | Html | None = None) -> Html:
    """A section of the page with its heading, reachable by a link."""
    name = identifier(title)
    first = el("p", lead, class_="lead") if lead else None
    return el(
        "section", el("h2", title, id=f"h-{name}"), first, *children, id=name, aria_labelledby=f"h-{name}"
    )
