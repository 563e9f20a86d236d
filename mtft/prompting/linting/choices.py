"""Rules on answer choices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from jinja2 import nodes

from mtft.prompting.linting.case import Case
from mtft.prompting.linting.expressions import names
from mtft.prompting.linting.finding import CHOICES, IN_PROMPT, Fix, Found, rule
from mtft.prompting.linting.view import View

_NAME = "answer_choices"
_SHORT = 2  # such a choice, `A`, is looked for as a word of its own


@rule("choices-in-prompt", "error", "`choices_in_prompt: true`: the prompt shows every choice.")
def choices_in_prompt(case: Case) -> Iterator[Found]:
    """A prompt that asks to choose and does not say among what."""
    view = case.view
    if not case.template.metadata.choices_in_prompt:
        return
    if not view.has_choices:
        message = "says `choices_in_prompt: true` and has no answer choices."
        yield Found(message, IN_PROMPT, fix=Fix(IN_PROMPT, False))
    elif not _shown_in_rows(case) and (absent := absent_choices(view)):
        yield Found(
            f"says `choices_in_prompt: true`; absent from the prompt: {', '.join(absent)}.", IN_PROMPT
        )


def _shown_in_rows(case: Case) -> bool:
    """Whether rows are at hand, and their inputs show all choices: a column may hold them."""
    return case.outcomes.rendered > 0 and not case.outcomes.unshown


def absent_choices(view: View) -> list[str]:
    """The choices, or the columns they are made of, that the prompt does not show."""
    if _NAME in view.prompt_names or view.assigned:
        return []
    if view.choices is None:
        used = names(view.choices_tree) if view.choices_tree is not None else set()
        return [f"`{name}`" for name in sorted((used & view.template.fields()) - view.prompt_names)]
    return [choice for choice in view.choices if not _stands_in(choice, view.prompt)]


def _stands_in(choice: str, prompt: str) -> bool:
    folded, text = choice.casefold(), prompt.casefold()
    return _is_word(folded, text) if len(choice) <= _SHORT else folded in text


def _is_word(choice: str, text: str) -> bool:
    """Whether it stands there between no other ASCII letters or digits: other scripts join words."""
    return re.search(rf"(?<![a-z0-9]){re.escape(choice)}(?![a-z0-9])", text, re.IGNORECASE) is not None


@rule("choices-shown", "warning", "`choices_in_prompt: false`: the prompt does not list the choices.")
def choices_shown(case: Case) -> Iterator[Found]:
    """Metadata that says no where the prompt lists every choice."""
    view = case.view
    if case.template.metadata.choices_in_prompt is not False or not view.has_choices:
        return
    choices = view.choices or ()
    if _lists_choices(view) or (len(choices) > 1 and all(_verbatim(c, view.prompt) for c in choices)):
        yield Found("says `choices_in_prompt: false`; the prompt shows all of its choices.", IN_PROMPT)


def _verbatim(choice: str, prompt: str) -> bool:
    return re.search(rf"(?<![^\W_]){re.escape(choice)}(?![^\W_])", prompt) is not None


def _lists_choices(view: View) -> bool:
    """Whether the prompt joins or loops over the choices, not picking single ones."""
    for item in view.code(target=False):
        picked = {id(node.node) for node in item.node.find_all(nodes.Getitem)}
        picked |= {id(item.node.node)} if isinstance(item.node, nodes.Getitem) else set()
        uses = [node for node in item.node.find_all(nodes.Name) if node.name == _NAME]
        uses += [item.node] if isinstance(item.node, nodes.Name) and item.node.name == _NAME else []
        if any(id(node) not in picked for node in uses) and "length" not in item.text:
            return True
    return False


@rule("choices-unused", "warning", "A template with choices takes its target from them.")
def choices_unused(case: Case) -> Iterator[Found]:
    """Choices that the text never uses, or a text that uses choices it does not have."""
    used = re.search(rf"\b{_NAME}\b", case.template.jinja) is not None
    if case.view.has_choices and not used:
        yield Found("never uses its `answer_choices`: the target may not be one of them.", CHOICES)
    if used and not case.view.has_choices:
        yield Found("uses `answer_choices` and has none.")


@rule("choices-blank", "error", "`answer_choices` is null or has no empty choice.")
def choices_blank(case: Case) -> Iterator[Found]:
    """An empty text where null is meant, or an empty choice; `--fix` writes null."""
    text = case.template.answer_choices
    if text is not None and not text.strip():
        yield Found("has empty `answer_choices`; write null for none.", CHOICES, fix=Fix(CHOICES, None))
    if "" in (case.view.choices or ()):
        yield Found("has an empty answer choice.", CHOICES)


@rule("choices-alike", "error", "The choices differ.")
def choices_alike(case: Case) -> Iterator[Found]:
    """A choice that stands there twice, which no score can tell apart."""
    counts = Counter(" ".join(choice.casefold().split()) for choice in case.view.choices or () if choice)
    for choice, count in counts.items():
        if count > 1:
            yield Found(f"has the answer choice {choice!r} {count} times.", CHOICES)


@rule("choice-count", "error", "There are as many choices as the dataset has labels.")
def choice_count(case: Case) -> Iterator[Found]:
    """`answer_choices[label]` over too few or too many choices."""
    choices, labels = case.view.choices, case.facts.labels
    if choices is None or not labels or len(choices) == len(labels):
        return
    for item, index in case.view.indexed:
        if _is_label(index, case):
            yield Found(
                f"indexes {len(choices)} choices with `{index}`, of which the dataset has {len(labels)}:"
                f" {', '.join(labels)}.",
                line=item,
            )
            return


def _is_label(column: str, case: Case) -> bool:
    """Whether a column holds the number of a label, as far as rows show."""
    values = [row[column] for row in case.facts.examples if column in row]
    if not values:
        return column == "label"
    return all(isinstance(value, int) and -1 <= value < len(case.facts.labels) for value in values)


@rule("label-guard", "warning", "A template leaves out rows whose label is hidden (-1).")
def label_guard(case: Case) -> Iterator[Found]:
    """`answer_choices[label]` without a condition on the label: -1 is the last choice in Python."""
    sure = case.facts.hidden_labels or case.outcomes.hidden > 0
    if case.facts.hidden_labels is False and not sure:
        return
    guarded = frozenset().union(*(names(item.node) for item in case.view.code() if item.kind == "control"))
    for line, index in case.view.indexed:
        if index not in guarded:
            yield Found(
                f"takes `answer_choices[{index}]` of any row; {'rows' if sure else 'unlabelled splits'} have -1:"
                f" put `{{% if {index} != -1 %}}` around the text.",
                line=line,
                severity=None if sure else "note",
            )
            return
