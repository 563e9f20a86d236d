"""The micro-world as a whole: languages, rows of every task and side, documents, and what languages share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice

from mtft.errors import ConfigError, nearest
from mtft.synthetic.concepts import DIGITS
from mtft.synthetic.documents import DocumentMix, DocumentWriter
from mtft.synthetic.grammar import Grammar, grammars
from mtft.synthetic.languages import BY_CODE, LANGUAGES, MicroLanguage, build_lexicons, spelled_names
from mtft.synthetic.older import OLDER_TASKS, older_rows
from mtft.synthetic.rows import SCENE_TASKS, RowDict, lexicon_rows, translation_rows
from mtft.synthetic.scenes import Fact, Scene, build_scenes, side_of

SIDES = ("train", "validation", "test")
TASKS = (*SCENE_TASKS, "translation", "lexicon", *OLDER_TASKS)
TRAIN_ONLY = ("lexicon", "noise")
# Short English words that prompts may use; longer ones cannot arise from two syllables of these phonologies,
# which a test holds for the built-in templates.
RESERVED = frozenset(
    ("is", "it", "of", "the", "to", "in", "on", "no", "not", "yes", "so", "do", "by", "for", "from")
)


@dataclass(frozen=True)
class WorldSettings:
    """What decides the micro-world; equal settings are an equal world, everywhere and always.

    Attributes:
        seed: Of lexicons and scenes.
        scenes: How many items there are in all.
        validation_share: Of the scenes, by hash of their item group.
        test_share: Likewise.
    """

    seed: int = 0
    scenes: int = 4000
    validation_share: float = 0.06
    test_share: float = 0.14

    @property
    def shares(self) -> dict[str, float]:
        """Side → share, in the order of the sides."""
        return {
            "train": 1 - self.validation_share - self.test_share,
            "validation": self.validation_share,
            "test": self.test_share,
        }


@dataclass(frozen=True)
class World:
    """The generated multilingual micro-world; see `docs/micro_world.md`."""

    settings: WorldSettings = field(default_factory=WorldSettings)

    @staticmethod
    def languages() -> list[str]:
        """The codes of its languages, English first."""
        return [language.code for language in LANGUAGES]

    @staticmethod
    def language(code: str) -> MicroLanguage:
        """Name, script and word order of a language.

        Raises:
            ConfigError: The micro-world has no such language.
        """
        if code not in BY_CODE:
            raise ConfigError(
                "A language must be one of the micro-world's.", found=code, remedy=nearest(code, BY_CODE)
            )
        return BY_CODE[code]

    @staticmethod
    def tasks() -> list[str]:
        """The names of its tasks."""
        return list(TASKS)

    @cached_property
    def grammars(self) -> dict[str, Grammar]:
        """Language code → how it says things."""
        return grammars(build_lexicons(self.settings.seed, RESERVED))

    @cached_property
    def scenes(self) -> dict[str, list[Scene]]:
        """Side → its scenes."""
        sides: dict[str, list[Scene]] = {side: [] for side in SIDES}
        for scene in build_scenes(self.settings.seed, self.settings.scenes):
            sides[side_of(scene.item_group, self.settings.shares)].append(scene)
        return sides

    def rows(self, task: str, language: str, side: str) -> Iterator[RowDict]:
        """The rows of a task in a language: dicts of `fields`, `row_id` and `item_group`.

        For `translation` and `lexicon` the language is the one translated into. `lexicon` is a dictionary
        and the labels of `noise` are drawn at random: both have a train side only.

        Raises:
            ConfigError: Task, language or side is unknown.
        """
        self.language(language)
        for name, options, what in ((task, TASKS, "task"), (side, SIDES, "side")):
            if name not in options:
                raise ConfigError(
                    f"A micro-world {what} must be known.", found=name, remedy=nearest(name, options)
                )
        return self._rows(task, language, side)

    def _rows(self, task: str, language: str, side: str) -> Iterator[RowDict]:
        if task in TRAIN_ONLY and side != "train":
            return
        if task == "lexicon":
            yield from lexicon_rows(language, self.grammars)
        elif task == "translation":
            yield from translation_rows(self.scenes[side], language, self.grammars)
        elif task in OLDER_TASKS:
            yield from older_rows(task, self.scenes[side], self.grammars[language])
        else:
            for scene in self.scenes[side]:
                fields = SCENE_TASKS[task](scene, self.grammars[language])
                yield {"fields": fields, "row_id": str(scene.number), "item_group": scene.item_group}

    @cached_property
    def evaluated_facts(self) -> frozenset[Fact]:
        """The facts of the validation and test sides, which no document states."""
        return frozenset(fact for side in SIDES[1:] for scene in self.scenes[side] for fact in scene.facts)

    def documents(
        self, seed: int = 0, count: int | None = None, mix: DocumentMix | None = None
    ) -> Iterator[str]:
        """Raw text for pretraining, one short document after the other.

        Args:
            seed: Another seed is other documents of the same languages.
            count: How many; None for no end.
            mix: Shares of single-language, code-mixed and parallel documents.
        """
        writer = DocumentWriter(self.grammars, self.evaluated_facts, mix or DocumentMix(), seed)
        return islice(writer, count)

    def vocabulary(self, language: str) -> frozenset[str]:
        """Every word of the language, names and digits included."""
        own = self.language(language)
        words = self.grammars[language].lexicon.values()
        return frozenset({*words, *spelled_names(own.script), *map(str, DIGITS)})

    def vocabulary_overlap(self) -> dict[str, dict[str, float]]:
        """Language → language → words of both as a share of the words of either (Jaccard)."""
        words = {code: self.vocabulary(code) for code in self.languages()}
        return {a: {b: len(words[a] & words[b]) / len(words[a] | words[b]) for b in words} for a in words}


@lru_cache(maxsize=4)
def world(
    seed: int = 0, scenes: int = 4000, validation_share: float = 0.06, test_share: float = 0.14
) -> World:
    """The micro-world of these settings, made once."""
    return World(WorldSettings(seed, scenes, validation_share, test_share))
