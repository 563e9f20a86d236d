"""The cards of some folders, by task name, and the tasks that a choice of languages and templates makes of
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from mtft import languages as language_table
from mtft.errors import TaskError, nearest
from mtft.prompting import Template, TemplateCollection
from mtft.tasks.card import FILE_NAME, CardFile, read_card
from mtft.tasks.task import Task

PROMPT_LANGUAGE = "en"
OWN = "own"  # among prompt languages: the language of the rows


@dataclass(frozen=True, eq=False)
class TaskCard(CardFile):
    """One dataset or subset: what its card says, and the tasks that it makes with templates."""

    def tasks(
        self,
        languages: Sequence[str] | None = None,
        templates: Sequence[str] | None = None,
        prompt_languages: Sequence[str] | None = None,
        collection: TemplateCollection | None = None,
    ) -> list[Task]:
        """The tasks of the card, one for each configuration.

        Args:
            languages: Codes (or aliases of them) or configurations; None for all.
            templates: Names or ids of templates, or patterns with `*`; None for all, an empty list for
                tasks without any.
            prompt_languages: Codes of the prompts' languages, `own` for the rows' language. None: English
                and the rows' own, or all where neither exists.
            collection: Where its templates are; None for the built-in ones.

        Raises:
            TaskError: A language or prompt language is not the card's; a template uses a column that the
                card lacks.
            TemplateError: A template is not the dataset's.
        """
        chosen = _named(self, collection, templates)
        return [
            Task(self, config, _fitting(self, config, chosen, prompt_languages))
            for config in _configs(self, languages)
        ]


def load_card(path: Path, name: str | None = None) -> TaskCard:
    """The card of a file; `name` is what its folder says it is.

    Raises:
        TaskError: A key, a value or a combination of them breaks a rule.
    """
    return read_card(TaskCard, path, name)


class CardIndex(Mapping[str, TaskCard]):
    """Cards by task name.

    Args:
        cards: They; names are unique.
    """

    def __init__(self, cards: Iterable[TaskCard]) -> None:
        self._cards = {card.name: card for card in cards}

    @classmethod
    def load(cls, folders: Sequence[str | Path]) -> CardIndex:
        """The cards under some folders, laid out as `<dataset>/[<subset>/]task.yaml`; the first folder that
        has a name wins.

        Raises:
            TaskError: A folder does not exist, or a card breaks a rule.
        """
        paths: dict[str, Path] = {}
        for folder in map(Path, folders):
            if not folder.is_dir():
                raise TaskError("A folder of cards must exist.", found=folder)
            for path in sorted(folder.rglob(FILE_NAME)):
                paths.setdefault(path.parent.relative_to(folder).as_posix(), path)
        return cls(load_card(path, name) for name, path in sorted(paths.items()))

    def __getitem__(self, name: str) -> TaskCard:
        if name not in self._cards:
            remedy = nearest(name, self._cards)
            raise TaskError("A task must have a card.", found=f"`{name}`", remedy=remedy)
        return self._cards[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, name: object) -> bool:
        return name in self._cards

    def get(self, name: str) -> TaskCard:  # type: ignore[override]
        """The card of a task.

        Raises:
            TaskError: There is none; the nearest names are given.
        """
        return self[name]

    def names(self) -> list[str]:
        """The names of all tasks, sorted."""
        return sorted(self._cards)

    def clusters(self) -> dict[str, list[str]]:
        """Cluster → the names of its tasks."""
        found: dict[str, list[str]] = {}
        for name in self.names():
            found.setdefault(self[name].cluster, []).append(name)
        return dict(sorted(found.items()))


def _configs(card: CardFile, languages: Sequence[str] | None) -> list[str]:
    """The configurations that codes, aliases or configuration names mean, in the card's order."""
    if languages is None:
        return list(card.variants)
    wanted: set[str] = set()
    for name in languages:
        found = {c for c in card.variants if name in (c, card.language_of(c))} or _by_alias(card, name)
        if not found:
            known = {card.language_of(config) for config in card.variants}
            raise TaskError(
                "A language must be one of the card's.",
                found=f"`{name}`",
                where=card.name,
                remedy=nearest(name, known),
            )
        wanted |= found
    return [config for config in card.variants if config in wanted]


def _by_alias(card: CardFile, name: str) -> set[str]:
    try:
        code = language_table.canonical(name)
    except TaskError:
        return set()
    return {config for config in card.variants if card.language_of(config) == code}


def _named(
    card: CardFile, collection: TemplateCollection | None, names: Sequence[str] | None
) -> list[Template]:
    """The templates that names or ids mean, checked against the card's columns; none for prompted rows."""
    if card.source.kind == "prompted" or (names is not None and not names):
        return []
    found = (collection or TemplateCollection.builtin()).get(card.dataset, card.subset)
    ids = {template.id for template in found.values()}
    if names is None:
        chosen = list(found.values())
    else:
        asked = [name for pattern in names for name in _matching(pattern, found)]
        chosen = [found.by_id(n) if n in ids else found[n] for n in dict.fromkeys(asked)]
    for template in chosen:
        for unknown in sorted(template.fields() - set(card.columns)) if card.columns else ():
            raise TaskError(
                "A template may use only the card's columns.",
                found=f"`{unknown}`",
                where=template.place,
                remedy=nearest(unknown, card.columns),
            )
    return chosen


def _matching(name: str, found: Mapping[str, Template]) -> list[str]:
    """The names that a pattern with `*` fits; a name or id, or a pattern that fits none, as it is."""
    return [known for known in found if "*" in name and fnmatchcase(known, name)] or [name]


def _fitting(
    card: CardFile, config: str, templates: Sequence[Template], prompt_languages: Sequence[str] | None
) -> tuple[Template, ...]:
    """The templates whose language was asked for."""
    own = card.language_of(config)
    if prompt_languages is None:
        return tuple(t for t in templates if t.language in (PROMPT_LANGUAGE, own)) or tuple(templates)
    wanted = {own if code == OWN else code for code in prompt_languages}
    fitting = tuple(template for template in templates if template.language in wanted)
    if templates and not fitting:
        raise TaskError(
            "A task must have a template in one of the prompt languages asked for.",
            found=", ".join(sorted(wanted)),
            where=f"{card.name}:{config}",
            remedy=nearest(" ".join(sorted(wanted)), {template.language for template in templates}),
        )
    return fitting
