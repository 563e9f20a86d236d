"""The mixtures that come with the package: on the real data, and as files."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.mixing import (
    BuiltMixture,
    Declaration,
    Mixture,
    MixtureCells,
    MixtureSpec,
    build_mixture,
    declare,
    groups_on_two_sides,
    summed,
)
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources, Task

MIXTURES = sorted((builtin_folder("recipes") / "mixtures").rglob("*.yaml"))
# they compare runs on what trains, and ask for no generalisation to other languages or clusters
NOTHING_HELD_OUT = {"mtl_compare", "transfer_probe", "transfer_probe_noise"}


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
    assert bool(cells.validation) == bool(cells.report) == (spec.name not in NOTHING_HELD_OUT)


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


DECLARED = ("xp3", "xp3mt", "xp3all", "p3")
HELD_OUT = {"natural_language_inference", "coreference", "sentence_completion"}


@pytest.fixture(scope="module")
def declared() -> dict[str, Declaration]:
    specs = {name: MixtureSpec.load(name) for name in DECLARED}
    return {name: declare(spec, resolved(spec)) for name, spec in specs.items()}


def test_every_task_of_the_declared_mixtures_has_a_card() -> None:
    index = CardIndex.load([builtin_folder("prompts")])
    for name in DECLARED:
        assert [entry.task for entry in MixtureSpec.load(name).entries if entry.task not in index] == []


@pytest.mark.parametrize(("name", "clusters", "tasks"), [("xp3", 13, 72), ("xp3mt", 13, 72), ("p3", 8, 35)])
def test_declared_mixtures_train_the_papers_clusters(
    declared: dict[str, Declaration], name: str, clusters: int, tasks: int
) -> None:
    trained = declared[name].held("train")
    assert len({task.cluster for task in trained}) == clusters
    assert len(trained) == tasks
    assert {task.cluster for task in declared[name].held("report")} >= HELD_OUT
    assert HELD_OUT.isdisjoint(task.cluster for task in trained)


def test_xp3all_adds_all_but_inference(declared: dict[str, Declaration]) -> None:
    added = {task.task for task in declared["xp3all"].held("train")}
    added -= {task.task for task in declared["xp3"].held("train")}
    assert added == {
        *("winogrande", "xwinograd", "super_glue/wsc.fixed", "clue/cluewsc2020"),
        *("hellaswag", "super_glue/copa", "xcopa", "xstory_cloze"),
    }
    assert {task.cluster for task in declared["xp3all"].held("report")} == {"natural_language_inference"}


def test_p3_reports_what_t0_reports(declared: dict[str, Declaration]) -> None:
    reported = {task.task for task in declared["p3"].held("report")}
    assert reported == {
        *("anli", "super_glue/cb", "super_glue/rte", "super_glue/wsc.fixed", "winogrande"),
        *("hellaswag", "story_cloze", "super_glue/copa", "super_glue/wic"),
    }


def test_xp3_speaks_blooms_languages(declared: dict[str, Declaration]) -> None:
    codes = {code.split("_")[0] for task in declared["xp3"].held("train") for code in task.languages}
    assert len(codes) == 46  # with program text
    assert {"zxx", "tum", "rn", "zu"} <= codes


def test_xp3_has_english_prompts_and_xp3mt_also_those_of_the_rows(declared: dict[str, Declaration]) -> None:
    assert {code for task in declared["xp3"].held("train") for code in task.templates} == {"en"}
    own = {task.task: set(task.templates) for task in declared["xp3mt"].held("train")}
    assert own["paws_x"] >= {"en", "es", "fr", "zh"}
    assert own["xlwic"] == {"en", "fr", "zh"}
    assert own["flores"] == {"en"}


def test_p3_is_known_whole_and_counts_as_t0_does(declared: dict[str, Declaration]) -> None:
    p3 = declared["p3"]
    by_name = {task.task: task for task in p3.held("train")}
    mrpc, amazon = by_name["glue/mrpc"], by_name["amazon_polarity"]
    assert (mrpc.rows["train"], mrpc.size) == (3668, 3668 * mrpc.templates["en"])
    assert (amazon.rows["train"], amazon.size) == (
        3_600_000,
        500_000 // amazon.templates["en"] * amazon.templates["en"],
    )
    assert sum(task.share or 0 for task in by_name.values()) == pytest.approx(1)
    assert declared["xp3"].total is None


@pytest.mark.parametrize("name", DECLARED)
def test_describe_uses_no_network_and_gives_each_figure_its_source(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was used"))
    monkeypatch.delenv("MTFT_DATA_ROOT", raising=False)
    result = CliRunner().invoke(app, ["mixture", "describe", name], catch_exceptions=False)
    assert result.exit_code == 0
    assert "declared: nothing was read or downloaded" in result.stdout
    listed = {int(number) for number in re.findall(r"^  \[(\d+)\] \S", result.stdout, re.M)}
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", result.stdout)}
    assert cited == listed == set(range(1, len(listed) + 1))
    # Rows of a side that are known carry the number of their source.
    for line in re.findall(r"^    \S.*$", result.stdout, re.M):
        assert re.findall(r"\d{1,3}(?:,\d{3})+ (?=\s|$)", line) == [] or "[" in line
    content = json.loads(CliRunner().invoke(app, ["mixture", "describe", name, "--json"]).stdout)
    assert content["declared"] is True
    assert {task["held"] for task in content["tasks"]} == {"train", "validation", "report"}
    for task in content["tasks"]:
        known = [rows for rows in task["rows"].values() if rows is not None]
        assert not known or task["known_from"].get("sizes", "unverified") != "unverified"
