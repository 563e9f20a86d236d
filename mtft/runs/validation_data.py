"""What checkpoints are chosen on: cells that neither train nor are reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtft.errors import ConfigError, SuiteError
from mtft.evaluation import EvalExample, Suite
from mtft.mixing import MixtureCells, MixtureSpec
from mtft.runs.arguments import RunArguments
from mtft.tasks import Problems

if TYPE_CHECKING:
    from mtft.runs.data import Library

DEFAULT_ITEMS = 50
EXPORTS = ("last", "best")


@dataclass(frozen=True)
class ValidationData:
    """A validation suite and its examples.

    Attributes:
        suite: On the validation side.
        examples: Disjoint from what trains and from what is reported.
        problems: What was dropped while they were rendered.
    """

    suite: Suite
    examples: list[EvalExample]
    problems: Problems


def check_settings(run: RunArguments) -> None:
    """Refuse settings of validation that mean nothing.

    Raises:
        ConfigError: A value is out of range, or needs a validation that is not asked for.
    """
    for name, holds, rule in (
        ("export_checkpoint", run.export_checkpoint in EXPORTS, f"be one of {', '.join(EXPORTS)}"),
        ("validate_every", run.validate_every >= 0, "be at least 0"),
        ("early_stopping_patience", run.early_stopping_patience >= 0, "be at least 0"),
        (
            "early_stopping_patience",
            run.validate_every or not run.early_stopping_patience,
            "come with validation",
        ),
        ("export_checkpoint", run.validate_every or run.export_checkpoint == "last", "come with validation"),
    ):
        if not holds:
            raise ConfigError(
                f"`{name}` must {rule}.",
                found=f"`{getattr(run, name)}`, and `validate_every` {run.validate_every}",
                remedy="Give --validate_every 100, or leave it out.",
            )


def validation_suite(run: RunArguments, spec: MixtureSpec, cells: MixtureCells) -> Suite:
    """The suite named, or the mixture's cells held out for validation.

    Raises:
        ConfigError: There is no suite of that name, or the mixture holds nothing out.
        SuiteError: The suite looks at the test side.
    """
    if run.validation_suite is None:
        if not cells.validation:
            raise ConfigError(
                "Validation needs tasks or languages that do not train.",
                found="none under `held_out.validation`",
                where=spec.path,
                remedy="Hold some out in the mixture, give --validation_suite, or --validate_every 0.",
            )
        suite = Suite(
            name=f"{spec.name}_validation",
            side="validation",
            cells=("validation",),
            mixture=spec.name,
            seed=spec.seed,
            max_items_per_cell=DEFAULT_ITEMS,
            max_input_tokens=run.max_input_tokens or spec.limits.max_input_tokens,
            path=spec.path,
        )
    else:
        suite = load_validation_side(run.validation_suite, "Checkpoints are chosen on the validation side.")
    return suite.with_items(run.validation_items)


def load_validation_side(name: str, rule: str) -> Suite:
    """The suite of this name or path, which must look at the validation side.

    Args:
        name: As the user gave it.
        rule: What needs the validation side, for the error.

    Raises:
        ConfigError: There is no suite of that name.
        SuiteError: The suite looks at another side.
    """
    suite = Suite.load(name)
    if suite.side != "validation":
        raise SuiteError(
            rule,
            found=f"side `{suite.side}`",
            where=suite.path,
            remedy="Write `side: validation` in a suite of its own.",
        )
    return suite


def validation_data(
    run: RunArguments,
    spec: MixtureSpec,
    cells: MixtureCells,
    reported: Sequence[EvalExample],
    library: Library,
) -> ValidationData | None:
    """The validation of a run, or None where it asks for none.

    Args:
        run: Which suite, and how many items.
        spec: The mixture.
        cells: Its cells.
        reported: The examples of the suite that the run reports.
        library: Cards, templates and rows.

    Raises:
        ConfigError: There is nothing to validate on, or a setting means nothing.
        SuiteError: A cell or an item of it trains or is reported.
    """
    check_settings(run)
    if not run.validate_every:
        return None
    suite = validation_suite(run, spec, cells)
    problems = Problems(strict=run.strict)
    examples = suite.examples(library.cards, library.templates, library.sources, problems, mixture=spec)
    refuse_overlap(suite, examples, reported, cells)
    return ValidationData(suite, examples, problems)


def refuse_overlap(
    suite: Suite, examples: Iterable[EvalExample], reported: Iterable[EvalExample], cells: MixtureCells
) -> None:
    """Raise where what selects checkpoints is trained on or reported, as a cell or as an item.

    Raises:
        SuiteError: It is; the cells are named.
    """
    own: dict[str, set[str]] = {}
    for each in examples:
        own.setdefault(_cell(each), set()).add(each.example.item_group)
    told: dict[str, set[str]] = {}
    for each in reported:
        told.setdefault(_cell(each), set()).add(each.example.item_group)
    trained = {cell.task.key for cell in cells.train}
    kept = {task.key for task in cells.report}
    found = [f"{name} (trained)" for name in sorted(own.keys() & trained)]
    found += [f"{name} (reported)" for name in sorted(own.keys() & (told.keys() | kept))]
    groups = {group for each in told.values() for group in each}
    shared = {name: len(each & groups) for name, each in own.items() if each & groups}
    found += [
        f"{name} ({count:,} items reported)" for name, count in sorted(shared.items()) if name not in told
    ]
    if found:
        raise SuiteError(
            "What chooses checkpoints must neither train nor be reported.",
            found=", ".join(found),
            where=suite.path,
            remedy="Leave it out of the validation suite, of the suite, or of the mixture's trained cells.",
        )


def _cell(example: EvalExample) -> str:
    """As `Task.key`."""
    return f"{example.cell.task}:{example.cell.config}"
