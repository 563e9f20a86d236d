"""Few-shot prompts: examples of the same template before the evaluated one, from a pool that never holds its item.

    inputs of the farthest shot, one space, its first target
                                                                (an empty line)
    inputs of the nearest shot, one space, its first target
                                                                (an empty line)
    the evaluated inputs

The space is the one that training puts between a causal model's prompt and target; there is none where the inputs
end in white space or the target begins with it. Encoder-decoders read the same text.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mtft.errors import SuiteError, nearest
from mtft.evaluation.sample_columns import SampleRows
from mtft.mixing.exemplars import SEPARATOR, answered
from mtft.mixing.permutation import permuted, stable_key
from mtft.statistics import FloatArray
from mtft.tasks.division import Side
from mtft.tasks.problems import Problems
from mtft.tasks.records import Example, Row

if TYPE_CHECKING:
    from mtft.evaluation.examples import EvalCell, EvalExample, Sample
    from mtft.evaluation.protocols import ProtocolEncoder
    from mtft.prompting import Template
    from mtft.tasks import Sources, Task

MAX_POOL = 2000
SHOT_SIDES: dict[str, tuple[Side, ...]] = {
    "train": ("train",),
    "validation": ("validation",),
    "either": ("train", "validation"),
}


@dataclass(frozen=True)
class Shots:
    """How many examples stand before a prompt, and which.

    Attributes:
        count: So many; fewer where the pool has fewer, or where they do not fit.
        seed: Of the choice.
        side: Where they come from: `train`, `validation`, or `either`: train where it has rows, else validation.
        balanced: Each answer choice is the target of as many shots as any other, as far as the pool goes.
    """

    count: int = 0
    seed: int = 0
    side: str = "train"
    balanced: bool = False

    def check(self, scored: str, where: str) -> None:
        """Checks the settings of a suite that scores one side.

        Raises:
            SuiteError: There are fewer than none, or they come from no side to learn from.
        """
        if self.count < 0:
            raise SuiteError("`shots` must be at least 0.", found=self.count, where=where)
        if self.side not in SHOT_SIDES or (self.count and scored in SHOT_SIDES[self.side]):
            raise SuiteError(
                "Shots must come from train, validation or either, and not from the side that is scored.",
                found=f"`shots_from: {self.side}`, scoring {scored}",
                where=where,
                remedy=nearest(self.side, SHOT_SIDES),
            )


NONE = Shots()


class ShotPool:
    """Rows of one cell to take shots from: those with the smallest hashes of seed and item group.

    Args:
        task: The cell.
        shots: How many and which.
        sources: How rows are reached.
        problems: Counts rows that cannot be read.
        seed: Of random choices in templates.

    Raises:
        SuiteError: The side has no rows.
    """

    def __init__(self, task: Task, shots: Shots, sources: Sources, problems: Problems, seed: int = 0) -> None:
        self.task, self.shots, self.seed = task, shots, seed

        def place(row: Row) -> tuple[int, str, str]:
            return stable_key(shots.seed, row.item_group), row.item_group, row.row_id

        drawn = (
            heapq.nsmallest(MAX_POOL, task.rows(side, sources, problems), key=place)
            for side in SHOT_SIDES[shots.side]
        )
        self.rows = next(filter(None, drawn), [])
        self._rendered: dict[tuple[str, int], Example | None] = {}
        if not self.rows:
            raise SuiteError(
                "Shots must come from a side of their task that has rows.",
                found=f"none in {' or '.join(SHOT_SIDES[shots.side])}",
                where=task.key,
                remedy="Give the task `shots: 0`, or say `shots_from: either` (train, else validation).",
            )

    def of(self, example: Example, template: Template | None) -> tuple[str, ...]:
        """The shots of an example, the farthest first; the choice follows from seed, row and template alone.

        No two are of one item; none is of the example's own item, or has the same prompt.
        """
        key = stable_key(self.shots.seed, example.row_id, example.template_id)
        found = self._usable(self._order(key), example, template)
        if self.shots.balanced:
            found = iter(_balanced(list(found), key))
        return tuple(shot_text(shot) for shot in islice(found, self.shots.count))[::-1]

    def _order(self, key: int) -> list[int]:
        n = len(self.rows)
        order: list[int] = permuted(np.arange(n), np.full(n, n), np.full(n, key, dtype=np.uint64)).tolist()
        return order

    def _usable(self, order: Iterable[int], example: Example, template: Template | None) -> Iterator[Example]:
        met = {example.item_group}
        for number in order:
            if self.rows[number].item_group in met:
                continue
            shot = self._example(number, template)
            if shot is not None and shot.inputs != example.inputs:
                met.add(shot.item_group)
                yield shot

    def _example(self, number: int, template: Template | None) -> Example | None:
        key = ("" if template is None else template.id, number)
        if key not in self._rendered:
            self._rendered[key] = self.task.render(self.rows[number], template, Problems(), self.seed)
        return self._rendered[key]


def _balanced(shots: Sequence[Example], key: int) -> list[Example]:
    """The first of every answer, then the second of every answer, and so on; answers are known by their place.

    Within a round answers stand in an order of their own: else the commonest one, met first, would mostly be nearest.
    """
    met: Counter[int] = Counter()
    turns = []
    for place, shot in enumerate(shots):
        choices = shot.answer_choices or ()
        answer = choices.index(shot.target) if shot.target in choices else -1
        turns.append((met[answer], stable_key(key, met[answer], answer), place, shot))
        met[answer] += 1
    return [shot for *_, shot in sorted(turns, key=lambda turn: turn[:3])]


def shot_text(shot: Example) -> str:
    """A shot with its answer. Example: inputs `2 + 2 =` and target `4` are `2 + 2 = 4`."""
    return answered(shot.inputs, shot.target)


class Prompt(NamedTuple):
    """What a model reads.

    Attributes:
        text: Shots and inputs.
        shots: How many shots stand in it.
        dropped: How many did not fit.
        cut_tokens: How many tokens it lost because it was too long.
    """

    text: str
    shots: int = 0
    dropped: int = 0
    cut_tokens: int = 0


def fitted_prompts(
    examples: Sequence[EvalExample], encoder: ProtocolEncoder, rooms: Sequence[int]
) -> list[Prompt]:
    """The prompt of every example; shots are left out from the far end until there is room for it.

    Without shots a prompt is its inputs; one that is too long loses the beginning of the column that its card
    names, or stays as it is where that does not do. Under `lm_eval` nothing is left out: what is too long
    there loses its first tokens, shots or not (`mtft.evaluation.left_cut`).
    """
    if encoder.protocol.as_harness:
        return [Prompt(whole_prompt(example), len(example.shots)) for example in examples]
    return shortened(_with_shots(examples, encoder, rooms), examples, encoder, rooms)


def shortened(
    prompts: Sequence[Prompt],
    examples: Sequence[EvalExample],
    encoder: ProtocolEncoder,
    rooms: Sequence[int],
) -> list[Prompt]:
    """The prompts, those that are too long without the beginning of the column that may be shortened."""
    made = list(prompts)
    able = [n for n, (p, e) in enumerate(zip(prompts, examples, strict=True)) if e.shortening and not p.shots]

    def count(text: str) -> int:
        return len(encoder.inputs([text])[0])

    for number, ids in zip(able, encoder.inputs([prompts[n].text for n in able]), strict=True):
        if len(ids) > rooms[number] and (how := examples[number].shortening):
            left = how.fitted(rooms[number], count)
            if left is not None:
                made[number] = prompts[number]._replace(text=left, cut_tokens=len(ids) - count(left))
    return made


def _with_shots(
    examples: Sequence[EvalExample], encoder: ProtocolEncoder, rooms: Sequence[int]
) -> list[Prompt]:
    kept = [len(example.shots) for example in examples]
    open_ = [number for number, count in enumerate(kept) if count]
    while open_:
        ids = encoder.inputs([_text(examples[number], kept[number]) for number in open_])
        too_long = [number for number, each in zip(open_, ids, strict=True) if len(each) > rooms[number]]
        for number in too_long:
            kept[number] -= 1
        open_ = [number for number in too_long if kept[number]]
    return [
        Prompt(_text(example, count), count, len(example.shots) - count)
        for example, count in zip(examples, kept, strict=True)
    ]


def whole_prompt(example: EvalExample) -> str:
    """All shots and the inputs, however long."""
    return _text(example, len(example.shots))


def _text(example: EvalExample, shots: int) -> str:
    nearest = example.shots[len(example.shots) - shots :]
    return SEPARATOR.join([*nearest, example.example.inputs])


def shot_rows(samples: Iterable[Sample], cells: Iterable[EvalCell]) -> list[dict[str, Any]]:
    """What results say of shots: per model and task those asked for, the mean per prompt, and those dropped."""
    found = SampleRows.of(samples)
    asked = {(cell.task, cell.config): cell for cell in cells if cell.shots}
    counts: dict[tuple[str, str, int], FloatArray] = defaultdict(lambda: np.zeros(3))
    for (model, task, config, metric), rows in found.parts("model", "task", "config", "metric"):
        cell = asked.get((task, config))
        if cell is not None and metric == cell.metrics[0]:
            shots, dropped = (sum(rows.column(name)) for name in ("shots", "dropped_shots"))
            counts[model, task, cell.shots] += (shots, dropped, len(rows))
    return [
        {
            "model": model,
            "task": task,
            "shots": shots,
            "mean_shots": round(float(given / prompts), 3),
            "dropped_shots": int(dropped),
            "prompts": int(prompts),
        }
        for (model, task, shots), (given, dropped, prompts) in sorted(counts.items(), key=lambda c: c[0])
    ]
