"""A page of a heading and sections, in the report's style: offline, one file, with nothing to load."""

from __future__ import annotations

from importlib.resources import files

from mtft.reporting.markup import Html, el

STYLE = "report.css"


def simple_page(title: str, facts: str, *sections: Html) -> str:
    """The document.

    Args:
        title: Its heading.
        facts: One line below it.
        sections: Its content.
    """
    style = Html((files("mtft.reporting") / STYLE).read_text(encoding="utf-8"))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", style),
    )
    masthead = el("header", el("h1", title), el("p", facts, class_="facts"), class_="masthead")
    body = el("body", el("main", masthead, *sections, id="report"))
    return "<!doctype html>\n" + el("html", head, body, lang="en") + "\n"
