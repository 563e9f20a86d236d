"""A mixture's declaration: known figures with their sources, the rest unknown, and no network."""

from __future__ import annotations

import socket

import pytest

from mtft.mixing import Declaration, MixtureSpec, declare, describe_declared
from mtft.prompting import TemplateCollection
from mtft.tasks import CardIndex
from tests.mixing.conftest import World, template

HUB = """
dataset: {name}
cluster: {cluster}
licence: CC0-1.0
source: {{kind: hub, id: some/{name}, revision: refs/convert/parquet}}
languages: {{en: en, fr: fr}}
splits: {{train: train, test: test}}
division: {{kind: published, sides: {{train: [train], test: [test]}}}}
declared: {{id: "repository@abc", {declared}}}
columns: [text, label]
"""
MIXTURE = """
name: remote
prompt_languages: [en]
tasks: [known, {tasks}]
held_out: {{report: {{clusters: [coreference]}}}}
rates: {{unit: examples, cap_per_template: 100}}
sources: {{rates.cap_per_template: "a paper"}}
"""


def card(world: World, name: str, declared: str, cluster: str = "sentiment") -> None:
    folder = world.prompts / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.yaml").write_text(HUB.format(name=name, cluster=cluster, declared=declared), "utf-8")
    start = 100 + 10 * len(list(world.prompts.iterdir()))
    templates = [template(start + i, f"t{i}", f"{i} {{{{text}}}} ||| {{{{text}}}}", "null") for i in range(3)]
    (folder / "templates.yaml").write_text(f"dataset: {name}\ntemplates:" + "".join(templates), "utf-8")


def declaration(world: World, *tasks: str) -> Declaration:
    spec = world.spec(MIXTURE.format(tasks=", ".join(tasks)))
    index, collection = CardIndex.load([world.prompts]), TemplateCollection.from_folder(world.prompts)
    return declare(spec, spec.resolve(index, collection))


@pytest.fixture
def remote(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Cards of Hub datasets, and no network at all."""
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("the network was used"))
    sizes = "sizes: {source: 'counted@def', rows: {en/train: 500, fr/train: 40, test: 7}}"
    card(world, "known", f"columns: 'repository@abc', {sizes}")
    card(world, "partly", "sizes: {source: 'counted@def', rows: {en/train: 500}}")
    card(world, "held", "columns: 'a paper'", cluster="coreference")
    return world


def test_sizes_are_counted_under_the_cap_and_shared(remote: World) -> None:
    found = declaration(remote, "held")
    (known,) = found.held("train")
    # English: three templates of 500 rows, at most 100 each; French: three of 40.
    assert (known.size, known.share, found.total) == (300 + 120, pytest.approx(1), 420)
    assert known.rows == {"train": 540, "validation": None, "test": 14}
    assert known.sides == ("train", "test")
    assert (known.templates, known.prompted_in) == ({"en": 3}, {"en": 2})
    assert [task.task for task in found.held("report")] == ["held"]


def test_what_one_configuration_lacks_is_unknown_for_all(remote: World) -> None:
    found = declaration(remote, "partly", "held")
    known, partly = found.held("train")
    assert (partly.size, partly.share, partly.rows["train"]) == (None, None, None)
    assert (known.size, known.share, found.total) == (420, None, None)
    text = describe_declared(found, 160)
    assert "? = unknown until downloaded. 1 of 2 trained tasks have declared sizes" in text


def test_every_figure_has_its_source_or_says_that_it_has_none(remote: World) -> None:
    found = declaration(remote, "partly", "held")
    assert set(found.sources) == {"a paper", "repository@abc", "counted@def"}
    text = describe_declared(found, 160)
    for number, source in enumerate(found.sources, start=1):
        assert f"  [{number}] {source}" in text
    assert f"cap_per_template 100{found.note('a paper')}" in text
    assert f"540 {found.note('counted@def')}" in text
    assert f"partly: some/partly@refs/convert/parquet {found.note('repository@abc')}" in text
    (line,) = [line for line in text.splitlines() if line.startswith("    partly")]
    assert "[unverified]" in line
    assert "English prompts alone on rows of other languages: known, partly." in text


def test_plain_data_says_the_same(remote: World) -> None:
    content = declaration(remote, "partly", "held").as_dict()
    assert content["total"] is None
    assert content["rates"]["cap_per_template"] == 100
    by_name = {task["task"]: task for task in content["tasks"]}
    assert by_name["known"]["known_from"]["sizes"] == "counted@def"
    assert by_name["partly"]["known_from"]["columns"] == "unverified"


def test_rows_dealt_by_hash_have_no_exact_number_before_they_are_read(world: World) -> None:
    spec = MixtureSpec.load(world.spec("name: x\ntasks: [thing]").path)
    (thing,) = declare(spec, world.cells(spec)).tasks
    assert (thing.by_hash["train"], thing.size) == (0.6, None)
    assert "60% by hash" in describe_declared(declare(spec, world.cells(spec)), 160)
