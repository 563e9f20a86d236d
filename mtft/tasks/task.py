"""A task: one configuration of a card with its templates; it gives rows, and examples of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

from mtft.errors import TaskError, nearest
from mtft.languages import Language
from mtft.prompting import Rendered, RenderError, Template, Truncation
from mtft.tasks.card import CardFile
from mtft.tasks.copies import CopyGuard
from mtft.tasks.division import SIDES, Side, draw_groups
from mtft.tasks.problems import Problems, Reporter
from mtft.tasks.reach import Sources, source_fingerprint
from mtft.tasks.records import Example, Row
from mtft.tasks.rows import card_rows, lower_sides, published_rows

COPY = "copy_of_another_dataset"  # why a guard leaves a row out
PROMPTED = "prompted"  # template id of rows that came with their prompt


@dataclass(frozen=True, eq=False)
class Task:
    """One language (or direction of translation) of a card.

    Attributes:
        card: The card.
        config: The configuration: a language's folder, a direction.
        templates: Those that are applied to every row; none for rows that are prompted already.
        guard: Leaves out the rows that were taken from other datasets.
    """

    card: CardFile
    config: str
    templates: tuple[Template, ...] = ()
    guard: CopyGuard | None = None

    @property
    def name(self) -> str:
        """The task's name, `dataset` or `dataset/subset`."""
        return self.card.name

    @property
    def key(self) -> str:
        """Name and configuration, `xcopa:et`."""
        return f"{self.name}:{self.config}"

    @property
    def cluster(self) -> str:
        """The task cluster."""
        return self.card.cluster

    @property
    def language(self) -> str:
        """Code of the rows' language; of the one translated into."""
        return self.card.language_of(self.config)

    @property
    def language_info(self) -> Language:
        """Name, script and direction of the language."""
        return self.card.language_info(self.config)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the card, the configuration, the templates and the guard; not of the data."""
        parts = [self.card.fingerprint, self.config, *(template.fingerprint for template in self.templates)]
        parts += [self.guard.fingerprint] if self.guard else []
        return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    def source_fingerprint(self, sources: Sources) -> str:
        """A hash of what the rows are read from."""
        return source_fingerprint(self.card, self.config, sources)

    def rows(self, side: Side, sources: Sources, problems: Problems) -> Iterator[Row]:
        """The rows of a side, in the order of splits and files.

        Raises:
            TaskError: The source cannot be reached at all; under strict, the first problem.
        """
        if side not in SIDES:
            raise TaskError("A side must be train, validation or test.", found=f"`{side}`", where=self.key)
        problems.strict |= sources.strict
        taken = lower_sides(self.card, side, sources)
        reporter = Reporter(problems, self.name)
        rows = _outside(taken, card_rows(self.card, self.config, side, sources, reporter), reporter)
        yield from self._guarded(rows, sources, reporter)

    def split_rows(self, splits: Sequence[str], sources: Sources, problems: Problems) -> Iterator[Row]:
        """All rows of published splits, whatever side the card's division puts them on.

        For scores that stand beside published ones; a model must not have been finetuned on the card.

        Raises:
            TaskError: The card has no such split, or the source cannot be reached; under strict, the first problem.
        """
        for split in splits:
            if split not in self.card.splits:
                remedy = nearest(split, self.card.splits)
                raise TaskError(
                    "A split must be one of the card's.", found=f"`{split}`", where=self.key, remedy=remedy
                )
        problems.strict |= sources.strict
        reporter = Reporter(problems, self.name)
        rows = published_rows(self.card, self.config, splits, sources, reporter)
        yield from self._guarded(rows, sources, reporter)

    def _guarded(self, rows: Iterator[Row], sources: Sources, reporter: Reporter) -> Iterator[Row]:
        """The rows without copies of another dataset's."""
        for row in rows:
            if self.guard is not None and self.guard.leaves_out(row.fields, sources):
                reporter.note(COPY, row.where)
            else:
                yield row

    def render(
        self, row: Row, template: Template | None, problems: Problems, seed: int = 0
    ) -> Example | None:
        """The example that a template makes of a row; None where it leaves the row out or cannot render it.

        Args:
            row: The row.
            template: The template; None for rows that are prompted already.
            problems: Counts what could not be rendered, by the fault's code; skipped rows are noted.
            seed: Of the templates' random choices.

        Raises:
            TaskError: Under strict, a row could not be rendered.
        """
        if template is None:
            return self._example(row, _prompted(row.fields), PROMPTED, row.language)
        try:
            rendered = template.render(row.fields, example_id=_example_id(row), seed=seed)
        except RenderError as error:
            problems.add(
                error.fault, self.name, row.where, f"template `{template.name}`: {error.rule} {error.found}"
            )
            return None
        if rendered is None:
            problems.note("skipped_by_template", self.name, row.where, template.id)
            return None
        return self._example(row, rendered, template.id, template.language)

    def fit(
        self,
        row: Row,
        template: Template,
        max_tokens: int,
        count: Callable[[str], int],
        seed: int = 0,
        *,
        side: Literal["left", "right"] = "right",
    ) -> Rendered | None:
        """What a template makes of a row, the column that the card lets it shorten cut where the input is too long.

        Args:
            row: The row.
            template: The template.
            max_tokens: The most tokens that the input may have.
            count: Tokens of a text.
            seed: Of the templates' random choices.
            side: The side of the column that goes.

        Returns:
            Targets and choices as `render` makes them; None where the card names no column, or the template's
            `fit` refuses the row (`too_long`, `cut_changes_target`).
        """
        column = self.truncatable(template)
        if column is None:
            return None
        budget = Truncation(column, max_tokens, count, side)
        try:
            return template.fit(row.fields, budget, example_id=_example_id(row), seed=seed).rendered
        except RenderError:
            return None

    def truncatable(self, template: Template) -> str | None:
        """The column that may be shortened under a template, where the card names one."""
        extras = self.card.templates.get(template.id)
        return None if extras is None else extras.truncatable

    def examples(
        self, side: Side, sources: Sources, problems: Problems, seed: int = 0, max_groups: int | None = None
    ) -> Iterator[Example]:
        """Every row of a side under every template.

        Args:
            side: The side.
            sources: How rows are reached.
            problems: Where to count.
            seed: Of the templates' random choices.
            max_groups: At most so many item groups, drawn by their hash alone: languages, templates and
                sibling datasets get the same ones.
        """
        rows = self.rows(side, sources, problems)
        if max_groups is not None:
            kept = list(rows)
            drawn = draw_groups((row.item_group for row in kept), max_groups)
            rows = (row for row in kept if row.item_group in drawn)
        for row in rows:
            for template in self.templates or (None,):
                example = self.render(row, template, problems, seed)
                if example is not None:
                    yield example

    def _example(self, row: Row, rendered: Rendered, template_id: str, prompt_language: str) -> Example:
        return Example(
            inputs=rendered.inputs,
            targets=rendered.targets,
            answer_choices=rendered.answer_choices,
            dataset=self.card.dataset,
            config=self.config,
            split=row.split,
            row_id=row.row_id,
            item_group=row.item_group,
            template_id=template_id,
            language=row.language,
            prompt_language=prompt_language,
            task=self.name,
            source_revision=row.revision,
        )


def _outside(groups: Collection[str], rows: Iterator[Row], reporter: Reporter) -> Iterator[Row]:
    """The rows whose item does not stand on a later side."""
    for row in rows:
        if row.item_group in groups:
            reporter.note("stands_on_another_side", row.where)
        else:
            yield row


def _example_id(row: Row) -> str:
    """What the templates' random choices follow from, beside the seed."""
    return f"{row.split}/{row.row_id}"


def _prompted(fields: Mapping[str, Any]) -> Rendered:
    targets = fields["targets"]
    return Rendered(fields["inputs"], (targets,) if isinstance(targets, str) else tuple(targets), None)


def with_templates(task: Task, templates: Sequence[Template]) -> Task:
    """The task with other templates."""
    return replace(task, templates=tuple(templates))
