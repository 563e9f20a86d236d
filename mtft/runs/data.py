"""The data side of a run: cards, templates, mixture and suite, all checked before any model is loaded."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path

from mtft.evaluation import EvalExample, Suite
from mtft.mixing import BuiltMixture, MixtureCells, MixtureSpec, Sampling, build_mixture
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder, cache_folder, data_root
from mtft.runs.arguments import RunArguments
from mtft.runs.development import Development, development
from mtft.runs.folder import on_main_first
from mtft.runs.pretraining import pretrained_languages
from mtft.runs.subset import check_tasks
from mtft.runs.validation_data import ValidationData, validation_data
from mtft.synthetic import world
from mtft.tasks import CardIndex, Problems, Sources
from mtft.training import MultitaskArguments

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Library:
    """Task cards and templates, the user's own before the built-in ones, and how rows are reached."""

    cards: CardIndex
    templates: TemplateCollection
    sources: Sources

    @classmethod
    def open(cls, prompts: list[str], root: str | None, *, strict: bool) -> Library:
        """The cards and templates of these folders and of mtft.

        Raises:
            MtftError: A folder or a card in it is malformed, or the data root is no folder.
        """
        folders = [*map(Path, prompts), builtin_folder("prompts")]
        sources = Sources(data_root=data_root(root), strict=strict)
        return cls(CardIndex.load(folders), TemplateCollection.from_folders(folders), sources)


@dataclass(frozen=True)
class RunData:
    """What a run trains on and is scored on.

    Attributes:
        built: The mixture's rendered rows.
        suite: What is evaluated, or None.
        examples: The suite's examples.
        problems: What was dropped while the suite was rendered; the mixture counts its own.
        validation: What checkpoints are chosen on, where the run asks for it.
        development: What diagnostics score, where the run asks for it.
    """

    built: BuiltMixture
    suite: Suite | None
    examples: list[EvalExample]
    problems: Problems
    validation: ValidationData | None = None
    development: Development | None = None

    def documents(self, seed: int) -> Iterator[str]:
        """Raw text to pretrain on: the micro-world's where the mixture stands in it, else its own, repeated."""
        for cell in self.built.cells.train:
            source = cell.task.card.source
            if source.kind == "synthetic":
                return world(**source.world).documents(seed)
        return chain.from_iterable(self.built.texts() for _ in repeat(None))


def _sampling(run: RunArguments) -> Sampling | None:
    return replace(Sampling.parse(run.sample), stratify=run.stratify) if run.sample else None


def mixture_cells(run: RunArguments, library: Library) -> tuple[MixtureSpec, MixtureCells]:
    """A run's mixture, and its cells; nothing is rendered yet.

    Raises:
        MtftError: The mixture is malformed, a task or template of it unknown, or one of `only_tasks` not trained by it.
    """
    spec = MixtureSpec.load(run.mixture).with_templates(run.templates).with_sample(_sampling(run))
    spec = spec.with_over_long(run.over_long, "--over_long").with_exemplars(run.exemplars, "--exemplars")
    cells = spec.resolve(library.cards, library.templates)
    check_tasks(cells, run.only_tasks)
    return spec, cells


def prepare_data(run: RunArguments, training: MultitaskArguments | None = None) -> RunData:
    """Cards, templates, mixture and suite; the main process renders the mixture, the others find it in the cache.

    Args:
        run: The run's settings.
        training: The trainer's, where it may ask for diagnostics.

    Raises:
        MtftError: Anything the user gave is unknown, missing or malformed.
    """
    library = Library.open(run.prompts, run.data_root, strict=run.strict)
    spec, cells = mixture_cells(run, library)
    suite = Suite.load(run.suite or spec.name).with_items(run.max_items_per_cell) if run.evaluate else None
    suite = suite.with_protocol(run.protocol) if suite else None
    problems = Problems(strict=run.strict)
    examples = (
        suite.examples(
            library.cards,
            library.templates,
            library.sources,
            problems,
            mixture=spec,
            pretrained=pretrained_languages(run.model),
        )
        if suite
        else []
    )
    validation = validation_data(run, spec, cells, examples, library)
    measured = (
        development(training, spec, library, batch_tokens=run.eval_batch_tokens, strict=run.strict)
        if training
        else None
    )
    with on_main_first() as main:
        built = build_mixture(spec, cells, library.sources, cache_folder() / "mixtures", progress=main)
    logger.info("%d rows to train on, %d examples to score.", sum(map(len, built.shards)), len(examples))
    return RunData(built, suite, examples, problems, validation, measured)
