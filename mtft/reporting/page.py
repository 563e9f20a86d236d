"""The HTML page: one file, offline, readable without scripts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files

from mtft.reporting import opening
from mtft.reporting.markup import Html, el
from mtft.reporting.records import Model
from mtft.reporting.results import Results
from mtft.reporting.samples import Samples
from mtft.reporting.sections import sections
from mtft.reporting.shots import shots_fact
from mtft.reporting.wording import items_per_cell

STYLES = ("report.css", "explore.css")
SCRIPTS = ("report.js", "explore.js", "drilldown.js")


def _resources(names: Sequence[str]) -> Html:
    return Html("".join((files("mtft.reporting") / name).read_text(encoding="utf-8") for name in names))


def page(results: Results, samples: Samples) -> str:
    """The whole document."""
    made = sections(results, samples)
    body = el(
        "body",
        el("a", "Skip to the report", href="#report", class_="skip"),
        _navigation(made),
        el("main", _masthead(results), opening.opening(results), *made, id="report", tabindex="-1"),
        el("script", _resources(SCRIPTS)),
        class_="with-nav",
    )
    return "<!doctype html>\n" + el("html", html_head(results.title), body, lang="en") + "\n"


def html_head(title: str, styles: Sequence[str] = STYLES, scripts: Sequence[str] = SCRIPTS) -> Html:
    """The head of a page that holds everything it needs.

    Args:
        title: Of the page.
        styles: Files of this room that become its one style element.
        scripts: Files of this room of which the page may have one script element, all of them joined.
    """
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=_policy(styles, scripts)),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("style", _resources(styles)),
    )


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Nothing is loaded, and no script or style works but the page's own, should escaping ever fail."""
    style, script = (_digest(_resources(names)) for names in (styles, scripts))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
    )


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _navigation(made: Sequence[Html]) -> Html:
    """Links to the sections that there are."""
    titles = [found.group(1) for part in made if (found := re.search(r"<h2[^>]*>(.*?)</h2>", part))]
    ids = [found.group(1) for part in made if (found := re.search(r'<section id="([^"]*)"', part))]
    links = (el("a", Html(title), href=f"#{at}") for title, at in zip(titles, ids, strict=True))
    return el("nav", el("div", *links, class_="toc"), aria_label="Sections")


def _masthead(results: Results) -> Html:
    suite = results.suite
    facts = {
        "suite": suite.get("name"),
        "protocol": suite.get("protocol"),
        "items per cell": items_per_cell(results.suite),
        "shots": shots_fact(results),
        "made": results.created,
    }
    shown = (el("span", el("i", name), str(value)) for name, value in facts.items() if value)
    models = (_model(model) for model in results.models)
    return el(
        "header",
        el("h1", results.title),
        el("p", *shown, class_="facts"),
        el("ul", *models, class_="models"),
        class_="masthead",
    )


def _model(model: Model) -> Html:
    details = [model.family, _size(model.parameters)]
    if model.step is not None:
        details.append(f"step {model.step:,.0f}")
    details.append(model.path if model.path != model.name else "")
    return el("li", el("b", model.name), el("span", " · ".join(d for d in details if d)))


def _size(parameters: float | None) -> str:
    if parameters is None:
        return ""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if parameters >= size:
            return f"{parameters / size:.3g} {unit} parameters"
    return f"{parameters:.0f} parameters"
