"""What probes are fitted to and tested on: prompts with a class, divided so that no item stands on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mtft.errors import SuiteError
from mtft.evaluation.examples import EvalExample
from mtft.tasks.division import fraction

FREE_TEXT, NO_CLASS, UNFITTED = "no answer choices", "target is no choice", "template has no rows to fit"


@dataclass(frozen=True)
class ProbeRow:
    """One prompt and its class.

    Attributes:
        task: The card's name.
        template: The template's name; each has a probe of its own, since it decides the order of the classes.
        language: Code.
        seen: Whether the mixture trains on the cell; see `EvalCell.seen`.
        id: Of the row.
        item_group: The item, the same in every language.
        inputs: The prompt.
        label: Place of the target among the answer choices, the same class whatever language they are in.
    """

    task: str
    template: str
    language: str
    seen: str
    id: str
    item_group: str
    inputs: str
    label: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from all others, whichever model reads it."""
        return self.task, self.template, self.language, self.id


@dataclass(frozen=True)
class Division:
    """Rows of one task under one template.

    Attributes:
        fitted_on: Languages of the rows that are fitted to.
        fit: These rows.
        test: The rows that are tested on, of all languages; none of their item groups is in `fit`.
    """

    fitted_on: tuple[str, ...]
    fit: tuple[ProbeRow, ...]
    test: tuple[ProbeRow, ...]


def probe_rows(examples: Iterable[EvalExample]) -> tuple[list[ProbeRow], Counter[tuple[str, str]]]:
    """The examples that have a class, and how many of each task have none, by (task, reason)."""
    rows: list[ProbeRow] = []
    left_out: Counter[tuple[str, str]] = Counter()
    for each in examples:
        example, cell = each.example, each.cell
        choices = example.answer_choices or ()
        if len(choices) < 2 or example.target not in choices:
            left_out[cell.task, NO_CLASS if len(choices) > 1 else FREE_TEXT] += 1
            continue
        place = f"{cell.config}/{example.split}/{example.row_id}"
        label = choices.index(example.target)
        given = (cell.task, each.template, cell.language, cell.seen, place, example.item_group)
        rows.append(ProbeRow(*given, inputs=example.inputs, label=label))
    return rows, left_out


def divided(
    rows: Sequence[ProbeRow],
    fit_languages: Sequence[str],
    share: float,
    fit_rows: Sequence[ProbeRow] | None = None,
) -> tuple[list[Division], Counter[tuple[str, str]]]:
    """A division per task and template, and how many rows of each task are in none, by (task, reason).

    Args:
        rows: What is tested on, and fitted to where there are no other rows for that.
        fit_languages: Fitted to; a task without any of them is fitted to its language of most rows.
        share: Of the item groups, chosen by hash, that are fitted to; the same ones in every language and task.
        fit_rows: Other rows to fit to, such as another side's, instead of a share of these; theirs are the item
            groups that are not tested on.

    Raises:
        SuiteError: No probe can be fitted.
    """
    made: list[Division] = []
    left_out: Counter[tuple[str, str]] = Counter()
    source = rows if fit_rows is None else fit_rows
    languages = {task: _fitted_on(own, fit_languages) for (task,), own in _by(source, "task").items()}
    given = {key: tuple(own) for key, own in _by(source, "task", "template").items()}
    for (task, template), own in _by(rows, "task", "template").items():
        chosen = [row for row in given.get((task, template), ()) if row.language in languages[task]]
        if fit_rows is None:
            chosen = [row for row in chosen if _is_fitted(row, share)]
        groups = {row.item_group for row in chosen}
        held = [row for row in own if row.item_group not in groups]
        test = [row for row in held if fit_rows is not None or not _is_fitted(row, share)]
        if len({row.label for row in chosen}) < 2 or not test:
            left_out[task, UNFITTED] += len(own)
            continue
        made.append(Division(languages[task], tuple(chosen), tuple(test)))
    if not made:
        raise SuiteError(
            "Probes need rows of at least two classes to fit, and others to test on.",
            found=f"{len(rows)} rows with a class, none of them enough",
            remedy="Take more items per cell, or tasks with answer choices.",
        )
    return made, left_out


def _is_fitted(row: ProbeRow, share: float) -> bool:
    return fraction("probe", row.item_group) < share


def _fitted_on(rows: Sequence[ProbeRow], wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted languages that there are, else the one of most rows."""
    counts = Counter(row.language for row in rows)
    return tuple(code for code in wanted if code in counts) or (
        min(counts, key=lambda code: (-counts[code], code)),
    )


def _by(rows: Iterable[ProbeRow], *names: str) -> dict[tuple[str, ...], list[ProbeRow]]:
    """The rows by these of their attributes, in the order of first sight."""
    found: dict[tuple[str, ...], list[ProbeRow]] = {}
    for row in rows:
        found.setdefault(tuple(getattr(row, name) for name in names), []).append(row)
    return found
