"""`task.yaml`: what a dataset is, where its rows come from, and how they are divided."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from mtft import languages as language_table
from mtft.errors import TaskError, nearest
from mtft.languages import Language
from mtft.synthetic import world
from mtft.tasks import expression
from mtft.tasks.context import Transform
from mtft.tasks.declared import Declared
from mtft.tasks.division import Division
from mtft.tasks.filtering import Best
from mtft.tasks.pairs import Pairs
from mtft.tasks.readers import READERS
from mtft.tasks.references import Copies
from mtft.tasks.schema import build, read_mapping
from mtft.tasks.source import Source, Variant
from mtft.tasks.transforms import TRANSFORMS

FILE_NAME = "task.yaml"
CLUSTERS = (
    "closed_book_qa", "code_misc", "coreference", "extractive_qa", "layout", "multiple_choice_qa",
    "natural_language_inference", "paraphrase", "program_synthesis", "random_labels", "ranking", "sentence_completion",
    "sentiment", "simplification", "structure_to_text", "summarization", "tagging",
    "topic_classification", "translation", "word_sense",
)  # fmt: skip
METRICS = (
    "accuracy", "chrf", "span_f1", "qa", "ndcg", "bleu", "ter", "rouge", "meteor", "bertscore", "parent",
    "slot_error", "coverage", "tag_accuracy", "tag_f1", "boxes", "roc_auc",
)  # fmt: skip
_NON_COMMERCIAL = re.compile(r"\bNC\b")
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True)
class TemplateExtras:
    """What the template format has no key for.

    Attributes:
        truncatable: The column that may be shortened to fit a model's length.
        origin: Where the prompt comes from.
        licence: Its licence, where it is not the project's.
        translation_of: Id of the template that it was translated from, where its name does not say.
    """

    truncatable: str | None = None
    origin: str | None = None
    licence: str | None = None
    translation_of: str | None = None


@dataclass(frozen=True, eq=False)
class CardFile:
    """What the card of a dataset or subset says; `TaskCard` adds its tasks.

    Attributes:
        dataset: Its name.
        cluster: Task cluster; one of `CLUSTERS` or an own one in snake_case.
        source: Where the rows come from.
        subset: The subset, where the dataset holds several tasks.
        title: For people.
        licence: Of the data.
        non_commercial: Whether the licence forbids commercial use.
        citation: Of the data.
        homepage: Of the data.
        notes: What a user should know.
        languages: Language code → folder (or a mapping, see `Variant`).
        configs: Configuration → mapping, where a language does not name one uniquely (translation
            directions).
        pairs: Directions of translation among a list of languages, in place of a configuration each.
        best: Of each split, only the records with the largest scores.
        splits: Published name of a split → what `{file}` stands for in paths.
        division: How rows are dealt to train, validation and test.
        item_group: Expression for `Row.item_group`; by default the hash of all values.
        row_id: Expression for `Row.row_id`; by default the record's number.
        labels: Names of the labels, in the order of their numbers.
        columns: The columns templates may use; others are left out. None given: all there are.
        transforms: Changes to rows, in order, each a mapping of one name.
        reader: Named reader for formats that need one, in place of the format's.
        copies: Other datasets that some rows were taken from; the rows have a column `references`.
        metrics: Of `METRICS`, the first is primary.
        slices: Columns by whose values results are also reported, `[category, size]`.
        max_new_tokens: Tokens to generate at most.
        templates: Template id → what the template format has no key for.
        declared: What is known of the data without reading it, and from where.
        sample: One raw record as the source gives it, of our own wording: templates are shown and tested on
            it where the data is not at hand.
        path: The card's file.
        fingerprint: Hash of its text.
    """

    dataset: str
    cluster: str
    source: Source
    subset: str | None = None
    title: str = ""
    licence: str = "unknown"
    non_commercial: bool = False
    citation: str = ""
    homepage: str = ""
    notes: str = ""
    languages: dict[str, Variant] = field(default_factory=dict)
    configs: dict[str, Variant] = field(default_factory=dict)
    pairs: Pairs | None = None
    best: Best | None = None
    splits: dict[str, str] = field(default_factory=dict)
    division: Division = field(default_factory=Division)
    item_group: str | None = None
    row_id: str | None = None
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    transforms: tuple[dict[str, Any], ...] = ()
    reader: str | None = None
    copies: Copies | None = None
    metrics: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    max_new_tokens: int | None = None
    templates: dict[str, TemplateExtras] = field(default_factory=dict)
    declared: Declared = field(default_factory=Declared)
    sample: dict[str, Any] = field(default_factory=dict)
    path: Path = field(default=Path(FILE_NAME), metadata={"own": True})
    fingerprint: str = field(default="", metadata={"own": True})

    @property
    def name(self) -> str:
        """The task's name, `dataset` or `dataset/subset`."""
        return self.dataset if self.subset is None else f"{self.dataset}/{self.subset}"

    @cached_property
    def variants(self) -> dict[str, Variant]:
        """Configuration → variant, each with its language; a language's configuration is named by its
        folder.
        """
        if self.source.kind == "synthetic" and not (self.languages or self.configs):
            return {code: self._synthetic(code) for code in world().languages()}
        found = {v.folder or code: replace(v, language=code) for code, v in self.languages.items()}
        return {**found, **(self.pairs.variants() if self.pairs else {}), **self.configs}

    @cached_property
    def steps(self) -> tuple[Transform, ...]:
        """The transforms, ready to use."""
        return tuple(_transform(step, str(self.path)) for step in self.transforms)

    def language_of(self, config: str) -> str:
        """Code of a configuration's language."""
        return str(self.variants[config].language)

    def may_lack(self, config: str, split: str) -> bool:
        """Whether a split of a configuration is known to be empty, or not to be there."""
        variant = self.variants[config]
        return split in (*variant.empty, *variant.leave_out, *self.source.optional)

    def language_info(self, config: str) -> Language:
        """Name, script and direction of a configuration's language, those of own and invented ones
        included.
        """
        variant, code = self.variants[config], self.language_of(config)
        if variant.name and variant.script:
            return Language(
                code, variant.name, variant.script, "rtl" if variant.direction == "rtl" else "ltr"
            )
        return language_table.get(code)

    @staticmethod
    def _synthetic(code: str) -> Variant:
        language = world().language(code)
        return Variant(code, code, name=language.name, script=language.script)


C = TypeVar("C", bound=CardFile)


def read_card(cls: type[C], path: Path, name: str | None = None) -> C:
    """The card of a file.

    Args:
        cls: The class to make.
        path: The file.
        name: The name its folder gives it, which it must say itself.

    Raises:
        TaskError: A key, a value or a combination of them breaks a rule.
    """
    card = build(cls, read_mapping(path), str(path))
    fingerprint = blake2b(path.read_bytes(), digest_size=16).hexdigest()
    card = replace(card, path=path, fingerprint=fingerprint)
    if name is not None and card.name != name:
        rule = "A card's `dataset` and `subset` must be those of its folder."
        raise TaskError(rule, found=f"`{card.name}` in folder `{name}`", where=path)
    _check(card, str(path))
    return card


def _check(card: CardFile, where: str) -> None:
    _check_words(card, where)
    # A named reader knows its files' format itself.
    card.source.check(() if card.reader else card.splits.values(), f"{where} `source`")
    card.division.check(_splits(card), f"{where} `division`")
    for text in (card.item_group, card.row_id):
        expression.check(text or "", where)
    if _NON_COMMERCIAL.search(card.licence.replace("-", " ")) and not card.non_commercial:
        rule = "A non-commercial licence must be flagged."
        raise TaskError(rule, found=card.licence, where=where, remedy="Add `non_commercial: true`.")
    if card.source.kind != "synthetic" and not card.splits:
        raise TaskError("A card must name its splits.", found="none", where=where)
    for part, key in ((card.pairs, "pairs"), (card.best, "best")):
        if part is not None:
            part.check(f"{where} `{key}`")
    _ = card.steps  # built here, so that a mistake in a transform is found with the card
    _check_variants(card, where)
    if unknown := set(card.source.optional) - set(card.splits):
        rule = "`optional` must name splits."
        raise TaskError(rule, found=unknown, where=f"{where} `source`", remedy=nearest("", card.splits))
    card.declared.check(card.variants, card.splits, f"{where} `declared`")


def _splits(card: CardFile) -> list[str]:
    return list(card.splits) or ["train", "validation", "test"]


def _check_words(card: CardFile, where: str) -> None:
    """The words that must be of a list; a cluster may be new, but not a misspelt known one."""
    for metric in card.metrics:
        if metric not in METRICS:
            rule = "A metric must be known."
            raise TaskError(rule, found=f"`{metric}`", where=where, remedy=nearest(metric, METRICS))
    for column in card.slices:
        if card.columns and column not in card.columns:
            rule = "A slice must be one of the card's columns."
            raise TaskError(rule, found=f"`{column}`", where=where, remedy=nearest(column, card.columns))
    if card.reader is not None and card.reader not in READERS:
        rule = "A reader must be known."
        raise TaskError(rule, found=f"`{card.reader}`", where=where, remedy=nearest(card.reader, READERS))
    misspelt = difflib.get_close_matches(card.cluster, CLUSTERS, n=1, cutoff=0.75)
    if card.cluster not in CLUSTERS and (misspelt or not _NAME.match(card.cluster)):
        rule = "A cluster must be a known one, or a new one in snake_case that is not like a known one."
        raise TaskError(rule, found=f"`{card.cluster}`", where=where, remedy=nearest(card.cluster, CLUSTERS))


def _check_variants(card: CardFile, where: str) -> None:
    if not card.variants:
        raise TaskError("A card must name its languages.", found="none", where=where)
    for config, variant in card.variants.items():
        place = f"{where} config `{config}`"
        if variant.language is None:
            raise TaskError("A config must name its `language`.", found="none", where=place)
        try:
            card.language_info(config)
            if variant.source is not None:
                language_table.get(variant.source)
        except TaskError as error:
            remedy = f"{error.remedy} Or give the language's `name` and `script` here."
            raise TaskError(error.rule, found=error.found, where=place, remedy=remedy) from None
        if unknown := {*variant.empty, *variant.leave_out} - set(card.splits):
            raise TaskError(
                "`empty` and `leave_out` must name splits.",
                found=unknown,
                where=place,
                remedy=nearest("", card.splits),
            )


def _transform(step: Mapping[str, Any], where: str) -> Transform:
    """The transform that a mapping of one name describes."""
    if len(step) != 1:
        raise TaskError("A transform must be a mapping of one name.", found=dict(step), where=where)
    name, settings = next(iter(step.items()))
    if name not in TRANSFORMS:
        raise TaskError(
            "A transform must be known.", found=f"`{name}`", where=where, remedy=nearest(name, TRANSFORMS)
        )
    place = f"{where} `{name}`"
    try:
        return build(TRANSFORMS[name], settings, place)
    except TaskError as error:
        if error.where is not None:
            raise
        raise TaskError(error.rule, found=error.found, where=place, remedy=error.remedy) from None
