"""Rows from a Hub repository's layout, from prompted files and from the micro-world."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.errors import TaskError
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources, Task

README = """---
configs:
- config_name: sw
  data_files:
  - split: test
    path: sw/test-*.parquet
---
"""


@pytest.fixture
def repository(workshop) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = workshop.data / "repo"
    (folder / "sw").mkdir(parents=True)
    (folder / "README.md").write_text(README)
    rows = [{"text": "moja", "label": 0}, {"text": "mbili", "label": 1}]
    pq.write_table(pa.Table.from_pylist(rows), folder / "sw" / "test-00000-of-00001.parquet")
    return folder


def hub_rows(workshop, tmp_path: Path, source: str = "name: '{folder}'", split: str = "test") -> list:
    card = workshop.card(
        f"splits: {{{split}: {split}}}\nsource: {{kind: hub, path: repo, {source}}}\n"
        f"division: {{sides: {{test: [{split}]}}}}\n",
        head="dataset: own\ncluster: sentiment\nlanguages: {sw: sw}\n",
    )
    sources = Sources(workshop.data, cache_dir=tmp_path / "cache")
    return list(Task(card, "sw").rows("test", sources, Problems()))


def test_a_parquet_repository_is_read_through_load_dataset(workshop, repository, tmp_path) -> None:
    rows = hub_rows(workshop, tmp_path)
    assert [dict(row.fields) for row in rows] == [{"text": "moja", "label": 0}, {"text": "mbili", "label": 1}]
    assert rows[1].where == "repo/sw/test#1"
    assert rows[0].language == "sw"
    assert len(rows[0].revision) == 32


def test_files_of_a_repository_by_pattern(workshop, repository, tmp_path) -> None:
    assert len(hub_rows(workshop, tmp_path, "data_files: '{folder}/*.parquet'")) == 2


def test_the_revision_of_a_local_repository_follows_its_content(workshop, repository, tmp_path) -> None:
    before = hub_rows(workshop, tmp_path)[0].revision
    (repository / "README.md").write_text(README + "more\n")
    assert hub_rows(workshop, tmp_path)[0].revision != before


@pytest.mark.parametrize(("source", "split"), [("name: xx", "test"), ("name: sw", "train")])
def test_unknown_configurations_and_splits_are_errors(workshop, repository, tmp_path, source, split) -> None:
    with pytest.raises(TaskError, match="configuration and split"):
        hub_rows(workshop, tmp_path, source, split)


def test_a_loading_script_never_runs(workshop, tmp_path) -> None:
    mark = tmp_path / "ran"
    (workshop.data / "repo").mkdir()
    (workshop.data / "repo" / "repo.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    with pytest.raises(TaskError, match="without code of its own"):
        hub_rows(workshop, tmp_path)
    assert not mark.exists()


def test_a_folder_never_stands_in_for_a_hub_id(workshop, repository, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(workshop.data)
    pinned = f"splits: {{train: train}}\nsource: {{kind: hub, id: repo, revision: {'a' * 40}}}\n"
    with pytest.raises(TaskError, match="folder here"):
        list(Task(workshop.card(pinned), "en").rows("train", Sources(), Problems()))


PROMPTED = """dataset: own
cluster: mixed_tasks
languages: {en: en, sw: sw}
splits: {train: train}
source: {kind: prompted, path: 'xp3/{folder}/*.jsonl'}
"""


def test_prompted_rows_are_examples_without_a_template(workshop) -> None:
    workshop.file(
        "xp3/sw/a.jsonl",
        '{"inputs": "Habari?", "targets": "Nzuri"}\r\n{"inputs": "x", "targets": ["y", "z"]}\n',
    )
    workshop.file("xp3/sw/b.jsonl", '{"inputs": "p", "targets": "q", "extra": 1}\n')
    workshop.file("xp3/en/a.jsonl", '{"inputs": "e", "targets": "f"}\n')
    card = workshop.card("", head=PROMPTED)
    (task,) = card.tasks(languages=["sw"])
    found = list(task.examples("train", Sources(workshop.data, strict=True), Problems()))
    assert [(e.inputs, e.targets) for e in found] == [
        ("Habari?", ("Nzuri",)),
        ("x", ("y", "z")),
        ("p", ("q",)),
    ]
    assert [e.row_id for e in found] == ["a/0", "a/1", "b/0"]
    assert {(e.template_id, e.prompt_language, e.answer_choices) for e in found} == {("prompted", "sw", None)}
    assert len({e.item_group for e in found}) == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"inputs": " ", "targets": "y"}', "empty_input"),
        ('{"inputs": "x", "targets": ""}', "empty_target"),
        ('{"inputs": "x", "targets": []}', "empty_target"),
        ('{"inputs": "x", "target": "y"}', "missing_column"),
        ('{"inputs": 3, "targets": "y"}', "empty_input"),
    ],
)
def test_broken_prompted_rows_are_counted(workshop, line, reason) -> None:
    workshop.file("xp3/en/a.jsonl", line + '\n{"inputs": "x", "targets": "y"}\n')
    problems = Problems()
    (task,) = workshop.card("", head=PROMPTED).tasks(languages=["en"])
    assert len(list(task.examples("train", Sources(workshop.data), problems))) == 1
    assert problems.count(reason) == 1
    assert "xp3/en/a.jsonl:1" in problems.samples[0]


def test_the_micro_world_needs_no_files() -> None:
    card = CardIndex.load([builtin_folder("prompts")]).get("mini_xp3/nli")
    groups: dict[str, set[str]] = {}
    for task in card.tasks(languages=["en", "qaa"]):
        for side in ("train", "validation", "test"):
            groups.setdefault(side, set()).update(
                row.item_group for row in task.rows(side, Sources(), Problems())
            )
    assert all(groups.values())
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    task = card.tasks(languages=["qaa"])[0]
    assert task.language_info.name != "qaa"
    assert next(task.examples("test", Sources(strict=True), Problems())).language == "qaa"
