"""The mixtures that come with the package: on the real data, and as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtft.mixing import (
    BuiltMixture,
    Mixture,
    MixtureCells,
    MixtureSpec,
    build_mixture,
    groups_on_two_sides,
    summed,
)
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources, Task

MIXTURES = sorted((builtin_folder("recipes") / "mixtures").rglob("*.yaml"))


def resolved(spec: MixtureSpec) -> MixtureCells:
    return spec.resolve(CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin())


def test_there_are_mixtures() -> None:
    assert {"mini_xp3", "open_multilingual"} <= {path.stem for path in MIXTURES}


@pytest.mark.parametrize("path", MIXTURES, ids=lambda path: path.stem)
def test_every_mixture_loads_and_resolves(path: Path) -> None:
    spec = MixtureSpec.load(path)
    assert spec.name == path.stem
    cells = resolved(spec)
    keys = [task.key for task in cells.evaluated]
    assert len(keys) == len(set(keys))
    assert cells.validation
    assert cells.report


def test_mini_xp3_holds_out_pairs_and_a_cluster() -> None:
    cells = resolved(MixtureSpec.load("mini_xp3"))
    trained = {cell.task.cluster for cell in cells}
    held_out = {task.cluster for task in cells.report}
    assert len(held_out - trained) == 1
    assert len(held_out & trained) >= 4
    assert len({cell.task.language for cell in cells}) >= 8
    assert len(trained | held_out) >= 8


@pytest.fixture(scope="module")
def open_multilingual(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltMixture:
    spec = MixtureSpec.load("open_multilingual")
    return build_mixture(spec, resolved(spec), Sources(data_root=data_root), tmp_path_factory.mktemp("cache"))


@pytest.mark.data
def test_held_out_languages_and_clusters_do_not_train(open_multilingual: BuiltMixture) -> None:
    spec, cells = open_multilingual.spec, open_multilingual.cells
    spoken = {
        language for shard in open_multilingual.shards for language in _languages(shard.summary.origins)
    }
    assert spoken.isdisjoint({*spec.report.languages, *spec.validation.languages})
    assert len(spoken) >= 25
    trained = {cell.task.cluster for cell in cells}
    assert trained.isdisjoint({*spec.report.clusters, *spec.validation.clusters})
    for code in spec.report.languages:
        assert any(code == task.language for task in cells.report)
    for task in cells.validation:
        assert task.language not in spec.report.languages


def _languages(origins: list) -> set[str]:  # type: ignore[type-arg]
    sources = {part for origin in origins if "-" in origin.config for part in origin.config.split("-")}
    return {origin.language for origin in origins} | sources


@pytest.mark.data
def test_no_group_stands_on_two_sides(open_multilingual: BuiltMixture, data_root: Path) -> None:
    assert groups_on_two_sides(open_multilingual.cells.evaluated, Sources(data_root=data_root)) == {}


@pytest.mark.data
def test_no_trained_item_is_evaluated(open_multilingual: BuiltMixture, data_root: Path) -> None:
    evaluated: set[str] = set()
    for task in open_multilingual.cells.evaluated:
        for side in ("validation", "test"):
            evaluated.update(row.item_group for row in task.rows(side, Sources(data_root), Problems()))
    assert len(evaluated) > 5000
    trained: set[str] = set()
    for shard, unit in zip(open_multilingual.shards, open_multilingual.index().units, strict=True):
        for table in shard.tables(unit.verdicts == 0):
            trained.update(table.column("item_group").to_pylist())
    assert len(trained) > 10_000
    assert trained.isdisjoint(evaluated)


@pytest.mark.data
def test_every_record_has_its_whole_provenance(open_multilingual: BuiltMixture) -> None:
    for cell, shard in zip(open_multilingual.cells, open_multilingual.shards, strict=True):
        assert len(shard) > 0
        ids = {template.id for template in cell.task.templates}
        for origin in shard.summary.origins:
            assert (origin.task, origin.config) == (cell.task.name, cell.task.config)
            assert origin.language == cell.task.language
            assert origin.template_id in ids
            assert origin.dataset
            assert origin.split
            assert origin.prompt_language
            assert len(origin.source_revision) >= 16
        keep = np.ones(len(shard), dtype=bool)
        for table in shard.tables(keep):
            for name in ("inputs", "row_id", "item_group"):
                assert all(text.strip() for text in table.column(name).to_pylist())
            assert all(targets and targets[0].strip() for targets in table.column("targets").to_pylist())


@pytest.mark.data
def test_no_pair_of_texts_stands_twice(open_multilingual: BuiltMixture) -> None:
    texts = iter(open_multilingual.texts())
    pairs = list(zip(texts, texts, strict=True))
    assert len(pairs) > 200_000
    assert len(set(pairs)) == len(pairs)


@pytest.mark.data
def test_proportions_keep_cap_temperature_and_repetition(open_multilingual: BuiltMixture) -> None:
    mixture = Mixture(open_multilingual, open_multilingual.index())
    lines = mixture.proportions()
    assert sum(line.share for line in lines) == pytest.approx(1)
    assert max(line.epochs for line in lines) <= 4.05
    clusters = summed(lines, lambda line: line.cluster)
    rows = {name: sum(min(line.rows, 1500) for line in lines if line.cluster == name) for name in clusters}
    roots = {name: count**0.5 for name, count in rows.items()}
    for name, line in clusters.items():
        assert line.share == pytest.approx(roots[name] / sum(roots.values()), rel=0.01)
    units, _, _ = mixture.at(range(3000))
    seen = np.cumsum(np.eye(len(lines))[units], axis=0)
    assert np.abs(seen - np.arange(1, 3001)[:, None] * mixture.shares).max() < 2


@pytest.mark.data
def test_a_second_build_renders_nothing(
    open_multilingual: BuiltMixture, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "render", lambda *_: pytest.fail("rendered again"))
    monkeypatch.setattr(Task, "rows", lambda *_: pytest.fail("read again"))
    spec = MixtureSpec.load("open_multilingual")
    again = build_mixture(spec, resolved(spec), Sources(data_root=data_root), open_multilingual.folder)
    assert [shard.key for shard in again.shards] == [shard.key for shard in open_multilingual.shards]
