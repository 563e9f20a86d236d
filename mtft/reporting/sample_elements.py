"""Examples as cards, folded per task and cell, with what filters need in their attributes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from mtft.reporting.heat import Place
from mtft.reporting.markup import Html, el, join
from mtft.reporting.results import Results
from mtft.reporting.samples import MAX_ANSWER, MAX_INPUT, Answer, Sample, right
from mtft.reporting.tables import language_label
from mtft.reporting.wording import CONTAMINATED, metric_name, plural, words

OVERLAPS = {
    "ngram": "shares n-grams with the training text",
    "exact": "stands in the training text",
    "item_group": "its item group was trained on",
}
_SCRIPTS = {"Hans", "Hant", "Jpan", "Kore", "Arab", "Cyrl", "Latn", "Deva"}


def place_of(sample: Sample) -> Place:
    """The cell that an example belongs to."""
    return (sample.task, sample.language, sample.config, sample.prompt_language)


def anchors_of(results: Results, samples: Sequence[Sample]) -> dict[Place, str]:
    """The element id of every cell's examples, in the order of the page."""

    def order(place: Place) -> tuple[object, ...]:
        return (results.task_order(place[0]), results.language_order(place[1]), place)

    places = sorted({place_of(sample) for sample in samples}, key=order)
    return {place: f"cell-{number}" for number, place in enumerate(places, 1)}


def samples_element(results: Results, samples: Sequence[Sample], anchors: Mapping[Place, str]) -> Html:
    """The examples, folded per task and cell."""
    of_place: dict[Place, list[Sample]] = {}
    for sample in samples:
        of_place.setdefault(place_of(sample), []).append(sample)
    number = {model.name: at for at, model in enumerate(results.models)}
    tasks = []
    for task, places in groupby(anchors, key=lambda place: place[0]):
        cells = [_cell(results, place, of_place[place], anchors[place], number) for place in places]
        title = el("summary", el("b", task), f" {plural(len(cells), 'cell')}")
        tasks.append(el("details", title, *cells, class_="task", data_task=task))
    return el(
        "div",
        *tasks,
        id="samples-list",
        data_models=json.dumps([model.name for model in results.models], ensure_ascii=False),
        data_focus=number.get(results.focus or ""),
        data_base=number.get(results.base or ""),
    )


def _cell(
    results: Results, place: Place, samples: Sequence[Sample], anchor: str, number: Mapping[str, int]
) -> Html:
    task, language, config, prompt_language = place
    label = language_label(results, language)
    more = [config] if config not in ("", language) else []
    more += [f"prompts in {results.language_name(prompt_language)}"] if prompt_language else []
    lang = lang_of(results, language)
    return el(
        "details",
        el("summary", " · ".join([label, *more])),
        *(sample_card(sample, number, lang) for sample in samples),
        class_="cell",
        id=anchor,
        data_task=task,
        data_language=language,
    )


def lang_of(results: Results, code: str) -> str | None:
    """The language as a `lang` attribute, which chooses glyphs: `zh-Hans`; None for what is no such tag."""
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]{2,4})?", code):
        return None
    script = str(results.languages.get(code, {}).get("script") or "")
    return f"{code}-{script}" if script in _SCRIPTS and "-" not in code else code


def sample_card(sample: Sample, number: Mapping[str, int], lang: str | None = None) -> Html:
    """One example: what the model read, the choices, the target, and each model's answer.

    Args:
        sample: The example.
        number: Model → its number in `data-right` and `data-wrong`.
        lang: The language of the row's text.
    """
    answers = sorted(sample.answers, key=lambda answer: number.get(answer.model, len(number)))
    # The evaluated inputs stand behind the shots, at the end.
    shown = (clipped_before if sample.shots else clipped)(sample.inputs, MAX_INPUT)
    targets = clipped(" / ".join(sample.targets), MAX_ANSWER)
    return el(
        "article",
        _head(sample),
        el("pre", shown, dir="auto", lang=lang) if sample.inputs else None,
        _choices(sample, answers, lang) if sample.choices else None,
        el("p", el("i", "target"), el("span", targets, dir="auto", lang=lang), class_="answer"),
        *(_answer(answer, lang) for answer in answers),
        class_="sample",
        data_template=sample.template,
        data_right=_numbers(sample, number, wanted=True),
        data_wrong=_numbers(sample, number, wanted=False),
    )


def _numbers(sample: Sample, number: Mapping[str, int], *, wanted: bool) -> str | None:
    """The numbers of the models that were right, or wrong."""
    found = (number.get(a.model) for a in sample.answers if right(a.scores) is wanted)
    return " ".join(str(n) for n in found if n is not None) or None


def _head(sample: Sample) -> Html:
    facts = [
        sample.config,
        sample.id,
        f"prompt in {sample.prompt_language}" if sample.prompt_language else "",
    ]
    facts.append(plural(sample.shots, "shot") if sample.shots else "")
    marks = sample.contamination.split("+") if sample.contamination else []
    overlap = f"{CONTAMINATED} {', '.join(OVERLAPS.get(m, words(m)) for m in marks)}"
    return el(
        "header",
        el("b", el("bdi", sample.template or "no template")),
        " ",
        el("bdi", " · ".join(fact for fact in facts if fact)),
        el("span", f" {overlap}", class_="bad") if marks else None,
    )


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


def _choices(sample: Sample, answers: Sequence[Answer], lang: str | None) -> Html:
    """The score of every choice by every model, each model's own choice marked."""
    scored = [answer for answer in answers if answer.loglikelihoods]
    tokens = len(sample.choice_tokens) == len(sample.choices)
    best = [_best(answer.loglikelihoods) for answer in scored]
    rows = []
    for at, choice in enumerate(sample.choices):
        row = [
            el("td", "✓" if choice in sample.targets else ""),
            el("td", clipped(choice, MAX_ANSWER), dir="auto", lang=lang),
            el("td", sample.choice_tokens[at]) if tokens else None,
        ]
        for answer, top in zip(scored, best, strict=True):
            row.append(el("td", _number(answer.loglikelihoods, at), class_="top" if at == top else None))
            if answer.prior_loglikelihoods:
                row.append(el("td", _number(answer.prior_loglikelihoods, at), class_="prior"))
        rows.append(el("tr", *row))
    names = []
    for answer in scored:
        names.append(el("th", answer.model, scope="col"))
        if answer.prior_loglikelihoods:
            names.append(el("th", "prior", scope="col"))
    counted = el("th", "tokens", scope="col") if tokens else None
    head = el("tr", el("td", ""), el("th", "choice", scope="col"), counted, *names)
    caption = el("caption", "log-likelihood of each choice", class_="sr")
    table = el("table", caption, el("thead", head), el("tbody", *rows), class_="choices")
    return el("div", table, class_="scroll")


def _best(values: Sequence[float | None]) -> int | None:
    known = [(value, -at) for at, value in enumerate(values) if value is not None]
    return -max(known)[1] if known else None


def _number(values: Sequence[float | None], at: int) -> str:
    value = values[at] if at < len(values) else None
    return "–" if value is None else f"{value:.2f}".replace("-", "\u2212")


def _answer(answer: Answer, lang: str | None) -> Html:
    verdict = right(answer.scores)
    mark = {True: "✓ ", False: "✗ ", None: ""}[verdict]
    known = {name: value for name, value in answer.scores.items() if value is not None}
    scores = ", ".join(f"{metric_name(name)} {value:.3g}" for name, value in known.items())
    unscored = f"unscored: {answer.unscored_reason}" if answer.unscored_reason else ""
    prediction = clipped(answer.prediction, MAX_ANSWER) if answer.prediction is not None else "–"
    tone = {True: "good", False: "bad", None: None}[verdict]
    return el(
        "p",
        el("i", answer.model),
        join([el("span", prediction or "(empty)", dir="auto", lang=lang, class_=tone)]),
        el("small", mark + (unscored or scores)),
        class_="answer",
    )
