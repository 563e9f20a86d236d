"""The layouts in which the Hub publishes data: the Parquet branch, single files, pairs of languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtft.errors import TaskError
from mtft.tasks import Problems, Row, Sources, Task, TaskCard

PARQUET_CARD = """dataset: own
cluster: sentiment
languages: {en: mrpc, sw: default}
splits: {train: train, validation: valid}
division: {kind: published, sides: {train: [train], validation: [validation]}}
source: {kind: hub, path: repo, data_files: "{folder}/{file}/*.parquet"}
"""


def parquet(path: Path, rows: list[dict[str, object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def read(card: TaskCard, config: str, sources: Sources, problems: Problems | None = None) -> list[Row]:
    found = Problems() if problems is None else problems
    return list(Task(card, config).rows("train", sources, found))


def test_a_parquet_branch_is_read_by_configuration_and_split(workshop, tmp_path) -> None:
    repo = workshop.data / "repo"
    for part, text in enumerate(("one", "two")):  # large splits come in several files
        parquet(repo / "mrpc" / "train" / f"{part:04d}.parquet", [{"text": text, "more": {"idx": [part]}}])
    parquet(repo / "mrpc" / "valid" / "0000.parquet", [{"text": "three", "more": {"idx": [3]}}])
    parquet(repo / "default" / "train" / "0000.parquet", [{"text": "moja", "label": 1}])
    card, sources = workshop.card("", head=PARQUET_CARD), Sources(workshop.data, cache_dir=tmp_path / "c")
    assert [row.fields for row in read(card, "mrpc", sources)] == [
        {"text": "one", "more": {"idx": [0]}},
        {"text": "two", "more": {"idx": [1]}},
    ]
    (validation,) = Task(card, "mrpc").rows("validation", sources, Problems())
    assert (validation.fields["text"], validation.split) == ("three", "validation")
    assert [row.fields["text"] for row in read(card, "default", sources)] == ["moja"]


FILE_CARD = """dataset: own
cluster: program_synthesis
languages: {en: C++-level}
splits: {train: train, test: test}
division: {kind: published, sides: {train: [train, test]}}
source: {kind: hub, path: repo, file: "data/{folder}/{file}.json", format: jsonl}
"""


def test_a_single_file_is_read_in_its_format_and_no_script_runs(workshop) -> None:
    workshop.file("repo/repo.py", "raise SystemExit")
    workshop.file("repo/data/C++-level/train.json", '{"text": "t", "code": "c"}\n')
    problems = Problems()
    (row,) = read(workshop.card("", head=FILE_CARD), "C++-level", Sources(workshop.data), problems)
    assert row.fields == {"text": "t", "code": "c"}
    assert row.where == "repo/data/C++-level/train.json:1"
    assert problems.count("missing_file") == 1  # that of the split `test`
    assert problems.count("empty_split") == 0


def test_a_file_that_some_configurations_lack_is_noted(workshop) -> None:
    workshop.file("repo/data/C++-level/train.json", '{"text": "t", "code": "c"}\n')
    head, problems = (
        FILE_CARD.replace("format: jsonl", "format: jsonl, optional: [test]"),
        Problems(strict=True),
    )
    assert len(read(workshop.card("", head=head), "C++-level", Sources(workshop.data), problems)) == 1
    assert problems.count("missing_file", noted=True) == 1
    with pytest.raises(TaskError, match="`optional` must name splits"):
        workshop.card("", head=head.replace("[test]", "[tset]"))


def test_a_single_file_from_the_hub_needs_the_cache_or_the_network(workshop, tmp_path) -> None:
    head = FILE_CARD.replace("path: repo", "id: nobody/nothing, revision: refs/convert/parquet")
    card, sources = workshop.card("", head=head), Sources(cache_dir=tmp_path)
    with pytest.raises(TaskError, match="--online"):
        read(card, "C++-level", sources)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{kind: hub, path: repo, file: a.xls}", "jsonl, json, csv"),
        ("{kind: hub, path: repo, file: a.csv, name: x}", "reads that alone"),
        ("{kind: hub, path: repo, file: '{x'}", "Braces"),
    ],
)
def test_mistakes_in_a_single_file_are_told(workshop, source, message) -> None:
    with pytest.raises(TaskError, match=message):
        workshop.card(f"splits: {{train: t}}\nsource: {source}\n")


def test_a_single_file_stays_inside_its_repository(workshop) -> None:
    workshop.file("secret.jsonl", "{}\n")
    workshop.file("repo/a.jsonl", "{}\n")
    with pytest.raises(TaskError, match="inside its data folder"):
        workshop.rows("source: {kind: hub, path: repo, file: ../secret.jsonl}\n")


LISTED = """dataset: own
cluster: translation
splits: {train: train}
source: {kind: local, path: "{folder}.jsonl"}
columns: [source, target, source_language, target_language]
pairs:
  names: {eng: en, swh: sw, cmn_Hant: zh_Hant}
  listed: [eng-swh, eng-cmn_Hant]
transforms:
  - pair: {first: "t.{first}", second: "t.{second}"}
"""


def test_listed_pairs_are_read_in_both_directions(workshop) -> None:
    card = workshop.card("", head=LISTED)
    assert list(card.variants) == ["eng-swh", "swh-eng", "eng-cmn_Hant", "cmn_Hant-eng"]
    workshop.file("eng-swh.jsonl", json.dumps({"t": {"eng": "water", "swh": "maji"}}) + "\n")
    found = {config: read(card, config, Sources(workshop.data))[0] for config in ("eng-swh", "swh-eng")}
    assert found["eng-swh"].fields == {
        "source": "water", "target": "maji", "source_language": "English", "target_language": "Swahili",
    }  # fmt: skip
    assert found["swh-eng"].fields["target"] == "water"
    assert [row.language for row in found.values()] == ["sw", "en"]
    one_way = workshop.card("", head=LISTED.replace("listed:", "both: false\n  listed:"))
    assert list(one_way.variants) == ["eng-swh", "eng-cmn_Hant"]


FOLDERS = """dataset: own
cluster: translation
splits: {train: dev}
source: {kind: local, path: "{folder}/{file}.jsonl"}
pairs: {names: {eng_Latn: en, swh_Latn: sw, fra_Latn: fr}, folder: "{second}"}
transforms:
  - pair: {sentence: sentence, match: id}
sample: {id: 7, sentence: sand}
"""


def test_a_folder_per_language_gives_every_direction(workshop) -> None:
    from mtft.tasks import sample_fields

    card, problems = workshop.card("", head=FOLDERS), Problems()
    assert len(card.variants) == 6
    for folder, words in (("eng_Latn", ["sun", "moon"]), ("swh_Latn", ["mwezi", "jua"])):
        rows = [{"id": i if folder < "f" else 1 - i, "sentence": w} for i, w in enumerate(words)]
        workshop.file(f"{folder}/dev.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = read(card, "eng_Latn-swh_Latn", Sources(workshop.data), problems)
    assert [(row.fields["source"], row.fields["target"]) for row in found] == [
        ("moon", "mwezi"), ("sun", "jua"),
    ]  # fmt: skip
    assert not len(problems)
    assert sample_fields(card, "fra_Latn-swh_Latn")[0]["source_language"] == "French"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("listed: [eng-swh", "listed: [eng-swa", "Did you mean: swh"),
        ("swh: sw", "swh: qq", "ISO 639"),
        ("names: {", 'folder: "{third}"\n  names: {', "only `first` and `second`"),
        ('second: "t.{second}"', "sentence: x", "must have `columns`"),
    ],
)
def test_mistakes_in_pairs_are_told(workshop, old, new, message) -> None:
    assert old in LISTED
    with pytest.raises(TaskError, match=message) as caught:
        workshop.card("", head=LISTED.replace(old, new))
    assert "task.yaml" in str(caught.value) or "ISO 639" in message


def test_a_configuration_may_have_values_and_leave_out_splits(workshop) -> None:
    variant = "{language: sw, folder: b, leave_out: [test], values: {dialect: Kiunguja}}"
    head = f"dataset: own\ncluster: sentiment\nlanguages: {{en: a}}\nconfigs: {{b: {variant}}}\n"
    rest = 'splits: {train: t, test: e}\nsource: {kind: local, path: "{folder}/{file}.jsonl"}\n'
    rest += "division: {sides: {train: [train, test]}}\n"
    for name in ("a/t", "a/e", "b/t", "b/e"):
        workshop.file(f"{name}.jsonl", json.dumps({"from": name}) + "\n")
    card, problems = workshop.card(rest, head=head), Problems(strict=True)
    found = {config: read(card, config, Sources(workshop.data), problems) for config in ("a", "b")}
    assert [row.fields for row in found["a"]] == [{"from": "a/t"}, {"from": "a/e"}]
    assert [row.fields for row in found["b"]] == [{"from": "b/t", "dialect": "Kiunguja"}]
    with pytest.raises(TaskError, match="must name splits"):
        workshop.card(rest, head=head.replace("[test]", "[tset]"))


def test_only_the_best_records_of_a_split_are_taken(workshop) -> None:
    scores = [0.2, 0.9, "nan", 0.9, 0.5, None]
    lines = "".join(json.dumps({"n": n, "score": score}) + "\n" for n, score in enumerate(scores))
    workshop.file("f.jsonl", lines)
    problems = Problems()
    best = "source: {kind: local, path: f.jsonl}\nbest: {column: score, rows: 3}\n"
    assert [row.fields["n"] for row in workshop.rows(best, problems)] == [1, 3, 4]
    assert problems.count("left_out_by_card", noted=True) == 3
    assert not len(problems)
    with pytest.raises(TaskError, match="at least one row"):
        workshop.rows(best.replace("3", "0"))


def test_rows_are_kept_by_what_a_column_holds(workshop) -> None:
    workshop.file("f.jsonl", '{"x": "a", "y": []}\n{"x": "", "y": [1]}\n{"x": "b", "y": [1]}\n')
    source = "source: {kind: local, path: f.jsonl}\ntransforms: "
    problems = Problems()
    kept = workshop.rows(source + "[{keep: y}, {keep: {column: x, values: [a, b]}}]\n", problems)
    assert [row.fields["x"] for row in kept] == ["b"]
    assert problems.count("left_out_by_card", noted=True) == 2


def test_tokens_become_lines_of_a_program(workshop) -> None:
    tokens = 'def f ( x ) : NEW_LINE INDENT if x : NEW_LINE INDENT print ( " aSTRNEWLINE " ) NEW_LINE '
    tokens += "DEDENT return x NEW_LINE DEDENT f ( 1 ) NEW_LINE s = TABSYMBOL"
    workshop.file("f.jsonl", json.dumps({"code": tokens}) + "\n")
    (row,) = workshop.rows("source: {kind: local, path: f.jsonl}\ntransforms: [{code_lines: code}]\n")
    assert str(row.fields["code"]).split("\n") == [
        "def f ( x ) :",
        "    if x :",
        '        print ( " a',
        ' " )',
        "    return x",
        "f ( 1 )",
        "s = \t",
    ]


def test_tokens_of_the_docstring_corpus_become_lines(workshop) -> None:
    line = " DCSP total = 0 DCNL DCSP for x in [1, 2]: DCNL  DCSP DCSP total += x DCNL DCSP return total"
    workshop.file("f.jsonl", json.dumps({"body": line}) + "\n")
    settings = "transforms: [{code_lines: {column: body, tokens: docstring_corpus}}]\n"
    (row,) = workshop.rows("source: {kind: local, path: f.jsonl}\n" + settings)
    assert str(row.fields["body"]).split("\n") == [
        "total = 0",
        "for x in [1, 2]:",
        "    total += x",
        "return total",
    ]
    with pytest.raises(TaskError, match="Did you mean: docstring_corpus"):
        workshop.rows("source: {kind: local, path: f.jsonl}\n" + settings.replace("corpus}", "copus}"))
