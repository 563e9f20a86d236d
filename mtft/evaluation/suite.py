"""Suites: which tasks, languages and templates are evaluated, read strictly from YAML."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtft.errors import SuiteError, TaskError, nearest
from mtft.evaluation.answering import Answering
from mtft.evaluation.cells import Asked, asked_of_mixture, asked_of_task, eval_cell
from mtft.evaluation.choosing import chosen, refuse_overlap
from mtft.evaluation.drawing import reachable_examples
from mtft.evaluation.examples import EvalExample
from mtft.evaluation.fewshot import Shots
from mtft.evaluation.protocols import PROTOCOLS
from mtft.evaluation.score_functions import FREE, SUM
from mtft.evaluation.scorers import find_scorer
from mtft.evaluation.suite_task import SuiteTask
from mtft.evaluation.trained_on import TrainedOn
from mtft.languages import pretrained_codes
from mtft.mixing import MixtureSpec
from mtft.resources import builtin_folder, find_yaml
from mtft.tasks.division import Side
from mtft.tasks.schema import build, read_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtft.mixing import MixtureCells
    from mtft.prompting import TemplateCollection
    from mtft.tasks import CardIndex, Problems, Sources

SHOT_KEYS = {"shots": "count", "shots_seed": "seed", "shots_from": "side", "shots_balanced": "balanced"}
_SIDE_OF = {"report": "test", "trained": "test", "validation": "validation"}


@dataclass(frozen=True)
class Suite:
    """What is evaluated and how; one YAML file.

    Attributes:
        name: In results and reports.
        title: For people.
        protocol: Scoring protocol; None takes the model family's.
        side: `test`, or `validation` for choosing checkpoints.
        seed: Of random choices in templates.
        max_items_per_cell: Most items per task and language, drawn by hash of the item group; None for all.
        max_input_tokens: Longer prompts lose the beginning of the column that their card names, or are unscored;
        None takes the protocol's limit.
        shots: Answered examples before each prompt (`mtft.evaluation.fewshot`).
        shots_seed: Of their choice.
        shots_from: The side that they come from: `train`, `validation`, or `either` (train, else validation).
        shots_balanced: Whether each answer choice is the target of as many shots as any other.
        score_function: What ranks answer choices (`mtft.evaluation.score_functions`); published protocols sum.
        score_functions: Those whose accuracy is reported too; `pmi` asks each set of choices once more, after an empty
            prompt.
        min_new_tokens: Generated answers have at least so many tokens.
        tasks: The tasks; without any, the cells of `mixture`.
        mixture: The mixture against which cells are seen or held out.
        cells: Which of the mixture's cells: `report`, `trained`, `validation`.
        trained_languages_per_task: Most trained cells of a task, for contrast; None for all.
        templates: Names of templates to take, in cells of the mixture; none named: the mixture's.
        pretrained_languages: Languages the base model was pretrained on: codes, `bloom`, `mc4` or `all`; none named:
            what is known of the model.
        only_tasks: See `restricted_to`.
        only_languages: See `restricted_to`.
        path: The file.
    """

    name: str
    title: str = ""
    protocol: str | None = None
    side: str = "test"
    seed: int = 0
    max_items_per_cell: int | None = None
    max_input_tokens: int | None = None
    shots: int = 0
    shots_seed: int = 0
    shots_from: str = "train"
    shots_balanced: bool = False
    score_function: str = SUM
    score_functions: tuple[str, ...] = FREE
    min_new_tokens: int = 0
    tasks: tuple[SuiteTask, ...] = ()
    mixture: str | None = None
    cells: tuple[str, ...] = ("report", "trained")
    trained_languages_per_task: int | None = None
    templates: tuple[str, ...] = ()
    pretrained_languages: tuple[str, ...] = ()
    only_tasks: tuple[str, ...] = field(default=(), metadata={"own": True})
    only_languages: tuple[str, ...] = field(default=(), metadata={"own": True})
    path: Path = field(default=Path("suite.yaml"), metadata={"own": True})

    @classmethod
    def load(cls, name_or_path: str | Path) -> Suite:
        """The built-in suite of that name, or the one in that file.

        Raises:
            ConfigError: There is none; the nearest names are given.
            SuiteError: A key or a value in it breaks a rule.
        """
        path = find_yaml(name_or_path, builtin_folder("eval") / "suites", what="suite")
        try:
            suite = dataclasses.replace(build(cls, read_mapping(path), str(path)), path=path)
        except TaskError as error:
            rule = error.rule.replace("A card", "A suite")
            raise SuiteError(rule, found=error.found, where=error.where, remedy=error.remedy) from None
        suite._check()
        return suite

    def _check(self) -> None:
        protocols = (self.protocol, *(task.protocol for task in self.tasks))
        for what, name, options in (
            ("side", self.side, {"test", "validation"}),
            *(("protocol", name, PROTOCOLS) for name in protocols if name is not None),
            *(("entry of `cells`", name, _SIDE_OF) for name in self.cells),
        ):
            if name not in options:
                raise SuiteError(
                    f"A suite's {what} must be known.",
                    found=f"`{name}`",
                    where=self.path,
                    remedy=nearest(str(name), options),
                )
        if not self.tasks and self.mixture is None:
            raise SuiteError("A suite must name `tasks` or a `mixture`.", where=self.path)
        if not self.tasks and any(_SIDE_OF[name] != self.side for name in self.cells):
            raise SuiteError(
                "Validation cells are looked at on the validation side, reported ones on the test side.",
                found=f"cells {list(self.cells)} on side {self.side}",
                where=self.path,
            )
        for entry in self.tasks:
            for metric in entry.metrics:
                find_scorer(metric, where=f"{self.path}: {entry.task}")
        for items in (self.max_items_per_cell, *(entry.max_items_per_cell for entry in self.tasks)):
            if items is not None and items < 1:
                raise SuiteError("`max_items_per_cell` must be at least 1.", found=items, where=self.path)
        for task in (None, *self.tasks):
            self._shots(task).check(self.side, str(self.path))
            self._answering(task).check(str(self.path))
        for entry in self.tasks:
            if entry.splits and self._shots(entry).count:
                raise SuiteError(
                    "Shots must come from another side than the one that is scored.",
                    found=f"shots for whole splits ({', '.join(entry.splits)})",
                    where=f"{self.path}: {entry.task}",
                    remedy="Leave out `splits`, or write `shots: 0` for this task.",
                )

    def with_items(self, max_items_per_cell: int | None) -> Suite:
        """The suite with another cap, for all its tasks; None leaves it as it is."""
        return self._for_all_tasks(max_items_per_cell=max_items_per_cell)

    def with_protocol(self, protocol: str | None) -> Suite:
        """The suite with no task's own protocol beside this one; None leaves it as it is.

        Raises:
            SuiteError: No protocol has that name.
        """
        if protocol is None:
            return self
        tasks = tuple(dataclasses.replace(task, protocol=None) for task in self.tasks)
        dataclasses.replace(self, protocol=protocol)._check()
        return dataclasses.replace(self, tasks=tasks)

    def restricted_to(self, tasks: Sequence[str] = (), languages: Sequence[str] = ()) -> Suite:
        """The suite with the cells of these tasks and languages only; nothing named leaves it as it is.

        Names that the suite does not have are found when its examples are made (`mtft.evaluation.choosing`).
        """
        return dataclasses.replace(
            self,
            only_tasks=tuple(tasks) or self.only_tasks,
            only_languages=tuple(languages) or self.only_languages,
        )

    def with_shots(self, shots: int | None, side: str | None = None) -> Suite:
        """The suite with so many shots from that side for all its tasks; None leaves what it says.

        Raises:
            SuiteError: The number is below zero, or the side is none to take shots from.
        """
        return self._for_all_tasks(shots=shots, shots_from=side)

    def with_score_function(self, name: str | None) -> Suite:
        """The suite with another score function for all its tasks; None leaves what it says.

        Raises:
            SuiteError: There is none of that name.
        """
        return self._for_all_tasks(score_function=name)

    def _for_all_tasks(self, **asked: Any) -> Suite:
        """The suite with these values in place of its own and its tasks' own, those that are None left as they are."""
        given = {name: value for name, value in asked.items() if value is not None}
        cleared: dict[str, Any] = dict.fromkeys(given)
        tasks = tuple(dataclasses.replace(task, **cleared) for task in self.tasks)
        suite = dataclasses.replace(self, **given, tasks=tasks)
        suite._check()
        return suite

    def _answering(self, entry: SuiteTask | None) -> Answering:
        """How answers of one task are made and ranked: as it says itself, else as the suite says."""
        function, least = self._own(entry, "score_function"), self._own(entry, "min_new_tokens")
        return Answering(function, self.score_functions, least)

    def _shots(self, entry: SuiteTask | None) -> Shots:
        """What stands before the prompts of one task: its own wishes before the suite's."""
        return Shots(**{field: self._own(entry, name) for name, field in SHOT_KEYS.items()})

    def _own(self, entry: SuiteTask | None, key: str) -> Any:
        """A task's own value of a key, or else the suite's."""
        value = getattr(entry, key, None)
        return getattr(self, key) if value is None else value

    @property
    def fingerprint(self) -> str:
        """Hash of everything in the file that decides what is evaluated; not of what ranks the choices."""
        left_out = ("path", "title", "score_function", "score_functions")
        content = {k: v for k, v in dataclasses.asdict(self).items() if k not in left_out}
        for mapping in (content, *content["tasks"]):
            mapping.pop("score_function", None)
            if not mapping["min_new_tokens"]:
                del mapping["min_new_tokens"]
        if not any(self._shots(entry).count for entry in (None, *self.tasks)):
            for mapping in (content, *content["tasks"]):
                for name in SHOT_KEYS:
                    del mapping[name]
        for mapping in content["tasks"]:
            if mapping["protocol"] is None:
                del mapping["protocol"]
        for mapping in (content, *content["tasks"]):
            for name in ("splits", "only_tasks", "only_languages"):
                if not mapping.get(name):
                    mapping.pop(name, None)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def examples(
        self,
        index: CardIndex,
        collection: TemplateCollection,
        sources: Sources,
        problems: Problems,
        *,
        mixture: MixtureSpec | None = None,
        trained: TrainedOn | None = None,
        pretrained: Collection[str] | None = None,
    ) -> list[EvalExample]:
        """Every example of the suite, built and checked before any model is loaded.

        Args:
            index: The task cards.
            collection: The templates.
            sources: Where rows are.
            problems: Counts what cannot be rendered or scored; fatal there under strict.
            mixture: The mixture that a run trains on, in place of the suite's own.
            trained: What the model was finetuned on, where that is known of a finished model: cells are seen or held
                out against it, whichever mixture they come from.
            pretrained: What the base model was pretrained on, where the suite does not say it; None: not known.

        Raises:
            SuiteError: A cell is a validation cell of the mixture, or no example is left at all.
            SourceError: None of the rows can be reached; where only some cannot, `problems` counts their cells.
            MtftError: A task, language or template is unknown; the nearest names are given.
        """
        cells, own = self._mixed(index, collection, mixture)
        trained = own if trained is None else trained
        names = self.pretrained_languages or pretrained
        codes = None if names is None else pretrained_codes(names)
        side: Side = "test" if self.side == "test" else "validation"
        asked = self.asked(index, collection, cells, trained)
        pairs = [(one, eval_cell(one, trained, codes)) for one in asked]
        found = reachable_examples(pairs, side, sources, problems, seed=self.seed)
        if not found:
            raise SuiteError("A suite must have at least one example.", found="none", where=self.path)
        return found

    def planned(self, index: CardIndex, collection: TemplateCollection) -> list[Asked]:
        """The cells that the suite asks for, found without reading a row.

        Raises:
            MtftError: A task, language or template is unknown; the nearest names are given.
        """
        return self.asked(index, collection, *self._mixed(index, collection))

    def _mixed(
        self, index: CardIndex, collection: TemplateCollection, mixture: MixtureSpec | None = None
    ) -> tuple[MixtureCells | None, TrainedOn | None]:
        """The cells of this mixture, or else the suite's own, and what it trains on; None without a mixture."""
        spec = mixture or (MixtureSpec.load(self.mixture) if self.mixture else None)
        if spec is None:
            return None, None
        cells = spec.resolve(index, collection)
        return cells, TrainedOn.of_cells(spec.name, cells)

    def asked(
        self,
        index: CardIndex,
        collection: TemplateCollection,
        mixed: MixtureCells | None = None,
        trained: TrainedOn | None = None,
    ) -> list[Asked]:
        """The suite's cells with its wishes for them, before any row is read.

        Args:
            index: The task cards.
            collection: The templates.
            mixed: The mixture's cells, where the suite names no tasks.
            trained: What the model was trained on; None: the mixture's cells, where there is one.

        Raises:
            SuiteError: A cell trains or selects checkpoints, a task or language to restrict to is none of the
                suite's, or a suite of a mixture's cells is given none.
            MtftError: A task, language or template is unknown; the nearest names are given.
        """
        if not self.tasks:
            if mixed is None:
                raise SuiteError("A suite of a mixture's cells needs the mixture.", where=self.path)
            cells = asked_of_mixture(
                mixed,
                self.cells,
                most_trained=self.trained_languages_per_task,
                templates=self.templates,
                max_items=self.max_items_per_cell,
            )
            shots, answering = self._shots(None), self._answering(None)
            asked = [dataclasses.replace(cell, shots=shots, answering=answering) for cell in cells]
        else:
            asked = self._listed(index, collection)
        asked = chosen(asked, self.only_tasks, self.only_languages, where=str(self.path))
        if trained is None and mixed is not None:
            trained = TrainedOn.of_cells(self.mixture or "", mixed)
        refuse_overlap(asked, trained, self.side, where=self.path)
        return asked

    def _listed(self, index: CardIndex, collection: TemplateCollection) -> list[Asked]:
        """The cells of the tasks that are named."""
        asked = []
        for entry in self.tasks:
            items = entry.max_items_per_cell or self.max_items_per_cell
            cells = asked_of_task(entry, index, collection, items, where=str(self.path))
            shots, answering = self._shots(entry), self._answering(entry)
            asked += [
                dataclasses.replace(cell, shots=shots, answering=answering, splits=entry.splits)
                for cell in cells
            ]
        self._refuse_two_protocols(asked)
        self._refuse_twice(asked)
        return asked

    def _refuse_twice(self, asked: list[Asked]) -> None:
        """Examples of two entries would fall into one cell, whatever sets them apart."""
        settings: dict[str, tuple[Any, ...]] = {}
        prompts: set[tuple[str, str]] = set()
        for each in asked:
            key = each.task.key
            own = {(key, template.id if template is not None else "") for template in each.templates}
            wanted = (each.metrics, each.max_items, each.shots, each.answering, each.splits)
            if own & prompts or settings.setdefault(key, wanted) != wanted:
                raise SuiteError(
                    "A language of a task must be asked for once, or with other templates under the same settings.",
                    found=f"{key} twice",
                    where=self.path,
                    remedy="Write a suite for each setting.",
                )
            prompts |= own

    def _refuse_two_protocols(self, asked: list[Asked]) -> None:
        """A cell has one score, so one protocol."""
        of_cell: dict[str, str] = {}
        for each in asked:
            wanted = each.protocol or "the suite's"
            if of_cell.setdefault(each.task.key, wanted) != wanted:
                raise SuiteError(
                    "A cell must be scored under one protocol.",
                    found=f"{each.task.key} under {of_cell[each.task.key]} and {wanted}",
                    where=self.path,
                    remedy="Write a suite for each protocol.",
                )
