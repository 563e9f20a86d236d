"""What loss balancing validates on in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtft.mixing import Mixture, MixtureSpec, build_mixture
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.runs.balance_data import balance_examples
from mtft.tasks import CardIndex, Problems, Sources
from mtft.training.groups import groups_of
from tests.training.additions import toy_model


def test_every_cell_has_examples_that_do_not_train_where_there_are_any(
    pocket: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Topics from their validation side; of the lexicon, which only trains, rows of the mixture."""
    spec = MixtureSpec.load(str(pocket / "pocket.yaml"))
    cells = spec.resolve(CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin())
    built = build_mixture(spec, cells, Sources(), tmp_path)
    mixture = Mixture(built, built.index(toy_model("mt5")[1].measure))
    found = {}
    for trained in (8, len(mixture)):
        held = balance_examples(mixture, cells, Sources(), trained, per_cell=3, seed=spec.seed)
        found[trained] = held
        examples = held.examples(np.arange(len(held)))
        groups = groups_of(mixture, "language")
        numbers = groups.numbers([e.task for e in examples], [e.language for e in examples])
        assert sorted(set(numbers)) == list(range(len(groups.names)))
        assert {(e.task, e.language) for e in examples} == set(mixture.groups("task"))
    topics = [e for e in found[8].found if e.task == "mini_xp3/topic"]
    validation = {
        row.item_group
        for cell in cells.train
        if cell.task.name == "mini_xp3/topic"
        for row in cell.task.rows("validation", Sources(), Problems())
    }
    assert {e.item_group for e in topics} <= validation
    assert "CoBa has a training loss" in caplog.text
    lexicon = {e.inputs for e in found[8].found if e.task == "mini_xp3/lexicon"}
    assert lexicon.isdisjoint(e.inputs for e in mixture.examples(np.arange(8)))
    assert lexicon
