"""What loss balancing validates on in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtft.errors import ConfigError
from mtft.mixing import Mixture, MixtureSpec, build_mixture
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.runs import Run, StudyArguments, read_settings, study
from mtft.runs.balance_data import balance_examples
from mtft.runs.subset import TaskSubset
from mtft.tasks import CardIndex, Problems, Sources
from mtft.training import MultitaskArguments, MultitaskTrainer
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


def test_a_subset_has_examples_of_its_own_tasks_that_it_does_not_reach(
    pocket: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first rows of a task stand far beyond as many positions of the mixture."""
    spec = MixtureSpec.load(str(pocket / "pocket.yaml"))
    cells = spec.resolve(CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin())
    built = build_mixture(spec, cells, Sources(), tmp_path)
    model, encoder = toy_model("mt5")
    mixture = Mixture(built, built.index(encoder.measure))
    subset = TaskSubset(mixture, ["mini_xp3/lexicon"])
    trained = len(subset) - 12
    held = balance_examples(mixture, cells, Sources(), trained, per_cell=2, seed=spec.seed, subset=subset)
    assert {(e.task, e.language) for e in held.found} == set(subset.groups("task"))
    reached = {(e.language, e.row_id) for e in subset.examples(np.arange(trained))}
    assert not caplog.text
    assert reached.isdisjoint((e.language, e.row_id) for e in held.found)
    settings = MultitaskArguments(
        output_dir=str(tmp_path / "run"), max_steps=2, loss_balancing="coba", report_to="none", use_cpu=True
    )
    trainer = MultitaskTrainer(model, settings, subset, encoder, validation=held)
    assert trainer.loss_balancer.groups.names == ("mini_xp3/lexicon",)


def test_shuffled_targets_are_not_weighed_by_true_ones(flags: list[str], tmp_path: Path) -> None:
    """Nor is a study begun, whose controls have such targets."""
    coba = [*flags, "--loss_balancing", "coba"]
    with pytest.raises(ConfigError, match="CoBa validates on true targets"):
        Run(*read_settings("xp3_mt5", [*coba, "--shuffled_labels", "true"]))
    with pytest.raises(ConfigError, match="CoBa validates on true targets"):
        study(StudyArguments(recipe="xp3_mt5", study_dir=str(tmp_path / "study")), coba)
    assert not (tmp_path / "study").exists()
