"""A mixture's tasks alone: the same examples in the same order, whatever else the mixture holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mtft.encoding import UnevenPlan
from mtft.errors import ConfigError
from mtft.mixing import Mixture, MixtureSpec, Rates, build_mixture
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.runs.subset import TaskSubset
from mtft.tasks import CardIndex, Sources


class Characters:
    """Lengths in characters."""

    fingerprint = "characters"

    def __call__(self, inputs: Sequence[str], targets: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        inner, outer = ([len(text) for text in texts] for texts in (inputs, targets))
        return np.array(inner, dtype=np.int32), np.array(outer, dtype=np.int32)


TOPIC, LEXICON = "mini_xp3/topic", "mini_xp3/lexicon"


@pytest.fixture(scope="module")
def mixture(pocket: Path, tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    spec = MixtureSpec.load(pocket / "pocket.yaml")
    cells = spec.resolve(CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin())
    built = build_mixture(spec, cells, Sources(), tmp_path_factory.mktemp("built"))
    return Mixture(built, built.index(Characters()))  # type: ignore[arg-type]


def test_its_examples_are_the_mixtures_in_their_order(mixture: Mixture) -> None:
    whole = mixture.examples(np.arange(300))
    part = TaskSubset(mixture, [TOPIC])
    expected = [example for example in whole if example.task == TOPIC]
    assert part.examples(np.arange(len(expected))) == expected
    assert part.examples(np.array([7, 0])) == [expected[7], expected[0]]  # any position alone


@pytest.mark.parametrize("rows", [1, 3, 12])
def test_a_step_holds_the_tasks_examples_of_the_mixtures_step(mixture: Mixture, rows: int) -> None:
    part = TaskSubset(mixture, [TOPIC], rows)
    plan = UnevenPlan(part.step_starts(20), "")
    assert plan.steps == 20
    held = []
    for step in range(20):
        whole = mixture.examples(np.arange(rows * step, rows * (step + 1)))
        own = part.examples(plan.positions(step))
        assert own == [example for example in whole if example.task == TOPIC]
        held.append(len(own))
    assert plan.rows_per_step == max(held)
    assert [plan.rows(step) for step in range(21)] == [0, *np.cumsum(held)]
    if rows == 1:
        assert min(held) == 0  # some steps have none


def test_without_a_mixtures_step_the_settings_say_how_many_rows_make_one(mixture: Mixture) -> None:
    assert TaskSubset(mixture, [TOPIC]).steps_identity is None
    assert "12" in str(TaskSubset(mixture, [TOPIC], 12).steps_identity)
    with pytest.raises(ConfigError, match="0 rows"):
        TaskSubset(mixture, [TOPIC], 0)


def test_a_step_without_the_task_anywhere_is_refused(mixture: Mixture) -> None:
    first = mixture.examples(np.arange(1))[0].task
    other = LEXICON if first == TOPIC else TOPIC
    with pytest.raises(ConfigError, match="max_steps"):
        TaskSubset(mixture, [other], 1).step_starts(1)


def test_all_tasks_are_the_mixture(mixture: Mixture) -> None:
    every = TaskSubset(mixture, [LEXICON, TOPIC, TOPIC])
    assert every.share == pytest.approx(1)
    assert len(every) == len(mixture)
    assert every.places(np.arange(50)).tolist() == [*range(50)]
    assert every.groups("task") == mixture.groups("task")


def test_what_it_tells_is_of_its_tasks_alone(mixture: Mixture) -> None:
    part = TaskSubset(mixture, [TOPIC])
    assert set(part.groups("task").values()) == {TOPIC}
    assert part.fingerprint not in (mixture.fingerprint, TaskSubset(mixture, [LEXICON]).fingerprint)
    assert len(part) + len(TaskSubset(mixture, [LEXICON])) == len(mixture)
    found = part.examples(np.arange(5))
    assert part.lengths(np.arange(5))[0].tolist() == [len(example.inputs) for example in found]


def test_an_unknown_task_is_refused_with_the_nearest(mixture: Mixture) -> None:
    with pytest.raises(ConfigError, match="mini_xp3/topic"):
        TaskSubset(mixture, ["mini_xp3/topics"])


def test_its_record_names_what_trains_and_nothing_else(mixture: Mixture) -> None:
    name = sorted({cell.task.name for cell in mixture.built.cells.train})[0]
    subset = TaskSubset(mixture, [name])
    made = subset.manifest(50)
    assert {unit["task"] for unit in made["units"]} == {name}
    assert sum(unit["positions"] for unit in made["units"]) == made["n_positions"] == 50
    assert sum(unit["share"] for unit in made["units"]) == pytest.approx(1)
    assert made["rows"] == sum(unit["rows"] for unit in made["units"]) == len(subset)
    whole = mixture.overlap()
    assert 0 < subset.overlap().path.stat().st_size < whole.path.stat().st_size
    assert "Only these tasks train" in subset.describe(50)


def test_only_its_own_tasks_are_kept_from_repeating_too_often(mixture: Mixture) -> None:
    bound = Mixture(mixture.built, mixture.index, Rates("weights", max_repetition=1, over=60))
    few, many = (TaskSubset(bound, [name]) for name in (TOPIC, LEXICON))
    assert len(few) < len(many)
    few.check_repetition(len(few) // 2)
    many.check_repetition(len(few) + 8)
    with pytest.raises(ConfigError, match=TOPIC):
        few.check_repetition(len(few) + 8)
