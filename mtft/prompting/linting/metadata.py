"""Rules on what templates say of themselves."""

from __future__ import annotations

from collections.abc import Iterator

from mtft import languages
from mtft.errors import TaskError, nearest
from mtft.prompting.linting.case import Case
from mtft.prompting.linting.finding import IN_PROMPT, LANGUAGES, METRICS_KEY, Fix, Found, rule
from mtft.prompting.linting.pairing import named_language

# promptsource's thirteen, then ours.
METRICS = frozenset(
    {
        *("BLEU", "ROUGE", "Squad", "Trivia QA", "Accuracy", "Pearson Correlation", "Spearman Correlation"),
        *("MultiRC", "AUC", "COQA F1", "Edit Distance", "Mean Reciprocal Rank", "Other"),
        *("chrF", "Span F1", "nDCG"),
    }
)
_METRIC_OF = {"".join(filter(str.isalnum, metric)).casefold(): metric for metric in METRICS}


@rule("language", "warning", "`languages` names the one language that the prompt is written in.")
def language(case: Case) -> Iterator[Found]:
    """No code, several, an unknown one, or another than the name ends in; `--fix` writes aliases right."""
    codes = case.template.metadata.languages
    if len(codes) != 1:
        yield Found(
            f"has {len(codes)} codes in `metadata.languages`; give the one language the prompt is written in.",
            LANGUAGES,
        )
    for number, code in enumerate(codes):
        if (found := _code_problem(code, number)) is not None:
            yield found
    named = named_language(case.template.name)
    if named is not None and codes and case.source is not None and _base(codes[0]) != _base(named.language):
        yield Found(f"is called `{case.template.name}` and says its language is `{codes[0]}`.", LANGUAGES)


def _base(code: str) -> str:
    return code.partition("_")[0]


def _code_problem(code: str, number: int) -> Found | None:
    """An error for a code that is not the one for its language."""
    try:
        languages.get(code)
        return None
    except TaskError as error:
        key = (*LANGUAGES, number)
        try:
            known = languages.canonical(code)
        except TaskError:
            return Found(f"names the unknown language `{code}`. {error.remedy}", key, severity="error")
        fix = Fix(key, known)
        return Found(
            f"names the language `{code}`, which is written `{known}`.", key, fix=fix, severity="error"
        )


@rule("metric", "warning", "`metrics` names known metrics, at least one.")
def metric(case: Case) -> Iterator[Found]:
    """An unknown metric, or none; `--fix` writes case and spaces right."""
    for number, name in enumerate(case.template.metadata.metrics):
        if name not in METRICS:
            key = (*METRICS_KEY, number)
            meant = _METRIC_OF.get("".join(filter(str.isalnum, name)).casefold())
            message = f"names the unknown metric `{name}`. {nearest(name, METRICS)}"
            yield Found(message, key, fix=Fix(key, meant) if meant else None)
    if not case.template.metadata.metrics:
        yield Found("names no metric.", METRICS_KEY)


@rule("choices-unsaid", "warning", "A template with choices says whether the prompt shows them.")
def choices_unsaid(case: Case) -> Iterator[Found]:
    """`choices_in_prompt: null` beside answer choices."""
    if case.view.has_choices and case.template.metadata.choices_in_prompt is None:
        yield Found("does not say whether the prompt shows its choices.", IN_PROMPT)


@rule("original-task", "warning", "`original_task` is true or false.")
def original_task(case: Case) -> Iterator[Found]:
    """Metadata that does not say whether the dataset's own task is asked for."""
    if case.template.metadata.original_task is None:
        yield Found(
            "does not say whether it asks the dataset's original task.", ("metadata", "original_task")
        )
