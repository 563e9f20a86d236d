"""Translation, word sense and code: the built-in cards read rows of ours that lie as their repositories do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import SIDES, CardIndex, Example, Problems, Sources, TaskCard

INDEX = CardIndex.load([builtin_folder("prompts")])
COLLECTION = TemplateCollection.builtin()


def local(name: str) -> TaskCard:
    """The card, reading a repository in the folder `repo`."""
    card = INDEX[name]
    return replace(card, source=replace(card.source, id=None, revision=None, path="repo"))


def examples(name: str, data: Path, *configs: str) -> dict[str, list[Example]]:
    """Configuration → every side's examples under every template."""
    sources, found = Sources(data_root=data, cache_dir=data / "cache", strict=True), {}
    for task in local(name).tasks(languages=configs or None, collection=COLLECTION):
        found[task.config] = [e for side in SIDES for e in task.examples(side, sources, Problems())]
    return found


def parquet(path: Path, *rows: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def lines(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_flores_joins_the_folders_of_two_languages(tmp_path: Path) -> None:
    for folder, word in (("eng_Latn", "rain"), ("swh_Latn", "mvua"), ("zho_Hant", "雨")):
        for split in ("dev", "devtest"):
            parquet(
                tmp_path / "repo" / folder / split / "0000.parquet", {"id": 1, "sentence": f"{word} {split}"}
            )
    found = examples("flores", tmp_path, "eng_Latn-swh_Latn", "swh_Latn-zho_Hant")
    english, chinese = found["eng_Latn-swh_Latn"], found["swh_Latn-zho_Hant"]
    assert {e.target for e in english} == {"mvua dev", "mvua devtest"}
    assert all("rain" in e.inputs and "Swahili" in e.inputs for e in english)
    assert all("mvua" in e.inputs and "Chinese (traditional characters)" in e.inputs for e in chinese)
    assert {e.item_group for e in english} == {e.item_group for e in chinese} == {
        "flores/dev/1", "flores/devtest/1",
    }  # fmt: skip


def test_tatoeba_reads_one_file_in_both_directions_and_may_lack_the_development_file(tmp_path: Path) -> None:
    folder = tmp_path / "repo" / "test"
    folder.mkdir(parents=True)
    text = 'eng\trun\tShe said "no".\tYavuze "oya".\neng\trun\tCome in.\tInjira.\n'
    (folder / "tatoeba-test.eng-run.tsv").write_text(text, encoding="utf-8")
    found = examples("tatoeba_mt", tmp_path, "eng-run", "run-eng")
    assert {e.target for e in found["eng-run"]} == {'Yavuze "oya".', "Injira."}
    assert {e.target for e in found["run-eng"]} == {'She said "no".', "Come in."}
    assert {e.language for e in found["run-eng"]} == {"en"}
    groups = [{e.item_group for e in found[config]} for config in found]
    assert groups[0] == groups[1]


def test_wmt22_takes_the_best_scored_pairs(tmp_path: Path) -> None:
    rows = [{"translation": {"eng": f"e{n}", "ibo": f"i{n}"}, "laser_score": n / 10} for n in range(5)]
    parquet(tmp_path / "repo" / "eng-ibo" / "train" / "0000.parquet", *rows)
    card = local("wmt22_african")
    assert card.best is not None
    assert (card.best.column, card.best.rows) == ("laser_score", 50_000)
    few = replace(card, best=replace(card.best, rows=2))
    (task,) = few.tasks(languages=["ibo-eng"], collection=COLLECTION)
    rows_read = task.rows("train", Sources(tmp_path, cache_dir=tmp_path / "cache"), Problems())
    assert [(row.fields["source"], row.fields["target"]) for row in rows_read] == [("i3", "e3"), ("i4", "e4")]


def test_xlwic_leaves_out_the_english_split_of_chinese(tmp_path: Path) -> None:
    row = {"context_1": "a", "context_2": "b", "target_word": "w", "label": 1}
    for folder in ("xlwic_fr_fr", "xlwic_en_zh"):
        for split in ("train", "validation", "test"):
            one = {**row, "target_word": f"{folder}-{split}"}
            parquet(tmp_path / "repo" / folder / split / "0000.parquet", one)
    found = examples("xlwic", tmp_path)
    assert {e.split for e in found["xlwic_fr_fr"]} == {"train", "validation", "test"}
    assert {e.split for e in found["xlwic_en_zh"]} == {"validation", "test"}
    assert {e.prompt_language for e in found["xlwic_en_zh"]} == {"en", "zh"}


def test_apps_takes_the_first_solution_and_leaves_out_problems_without(tmp_path: Path) -> None:
    row = dict(INDEX["apps"].sample)
    without = [{**row, "problem_id": 8, "solutions": ""}, {**row, "problem_id": 9, "solutions": "[]"}]
    parquet(tmp_path / "repo" / "all" / "train" / "0000.parquet", row, *without)
    parquet(tmp_path / "repo" / "all" / "test" / "0000.parquet", row)
    found = examples("apps", tmp_path)["all"]
    assert {e.item_group for e in found} == {"apps/train/7", "apps/test/7"}
    assert {e.target.partition("\n")[0] for e in found} == {"n = int(input())", "introductory"}


def test_xlcost_puts_programs_in_lines_and_names_their_language(tmp_path: Path) -> None:
    row = {
        "text": "greet | Say it",
        "code": 'void f ( ) { NEW_LINE INDENT print ( " hi " ) ; NEW_LINE DEDENT }',
    }
    # A description stands in several programming languages, so the sides of all are kept apart together.
    for config in INDEX["xlcost_text_to_code"].variants:
        for split in ("train", "validation", "test"):
            text = "greet | Say it" if split == "test" or config == "C-program-level" else f"{config} {split}"
            parquet(tmp_path / "repo" / config / split / "0000.parquet", {**row, "text": text})
    found = examples("xlcost_text_to_code", tmp_path, "Csharp-program-level", "C-program-level")
    assert {e.split for e in found["C-program-level"]} == {"test"}
    programs = {e.target for e in found["Csharp-program-level"] if "C#" in e.inputs and "void" in e.target}
    assert programs == {'void f ( ) {\n    print ( " hi " ) ;\n}'}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("super_glue/wic", ["wic/train/0000.parquet", "wic/validation/0000.parquet"]),
        (
            "mbpp",
            [f"sanitized/{s}-00000-of-00001.parquet" for s in ("train", "validation", "test", "prompt")],
        ),
        ("code_contests", [f"default/{s}/0000.parquet" for s in ("train", "valid", "test")]),
        ("github_jupyter", ["data/train-00000-of-00001-81d7ff8514320810.parquet"]),
        ("neural_code_search", ["evaluation_dataset/train/0000.parquet"]),
        ("codecomplex", ["default/train/0000.parquet"]),
        ("code_docstring_corpus", ["data/top_level-00000-of-00001.parquet"]),
    ],
)
def test_other_sets_are_read_where_their_repositories_put_them(
    tmp_path: Path, name: str, files: list[str]
) -> None:
    for file in files:
        parquet(tmp_path / "repo" / file, dict(INDEX[name].sample))
    (found,) = examples(name, tmp_path).values()
    templates = COLLECTION.get(INDEX[name].dataset, INDEX[name].subset)
    assert len({e.split for e in found}) == len(files)
    assert {e.template_id for e in found} == {template.id for template in templates.values()}


def test_state_changes_are_read_from_their_file_of_rows(tmp_path: Path) -> None:
    lines(tmp_path / "repo" / "data.jsonl", {"start": "a = 1", "code": "a += 1", "end": "a = 2"})
    (found,) = examples("python_state_changes", tmp_path).values()
    assert {"a = 2", "a += 1", "a = 1"} == {e.target for e in found}


def test_a_docstrings_lines_come_back(tmp_path: Path) -> None:
    parquet(tmp_path / "repo" / "data/top_level-0.parquet", dict(INDEX["code_docstring_corpus"].sample))
    (found,) = examples("code_docstring_corpus", tmp_path).values()
    whole = "def words_by_length(text):\n    words = text.split()\n    return sorted(words, key=len, reverse=True)"
    assert any(whole in (e.target, e.inputs.partition("\n\n")[0]) for e in found)
