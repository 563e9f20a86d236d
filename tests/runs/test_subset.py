"""A mixture's tasks alone: the same examples in the same order, whatever else the mixture holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mtft.errors import ConfigError
from mtft.mixing import Mixture, MixtureSpec, build_mixture
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


def test_in_proportion_a_step_holds_the_same_examples_of_the_task(mixture: Mixture) -> None:
    part = TaskSubset(mixture, [TOPIC])
    rows = round(part.share * 12)
    for step in range(1, 20):
        whole = {e.row_id for e in mixture.examples(np.arange(12 * step)) if e.task == TOPIC}
        own = {e.row_id for e in part.examples(np.arange(rows * step))}
        assert len(whole ^ own) <= 2


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
