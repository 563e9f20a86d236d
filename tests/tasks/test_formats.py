"""Every file format with the traps that published sets hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.errors import TaskError
from mtft.tasks import Problems, Sources, Task

AB = {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.csv", "a,b\n1,2\n"),
        ("f.csv", "a,b\r\n1,2\r\n"),
        ("f.csv", "\ufeffa,b\n1,2"),
        ("f.csv", "\ufeffa,b\r\n\r\n1,2\r\n\r\n"),
        ("f.tsv", "a\tb\r\n1\t2\r\n"),
        ("f.tsv", "\ufeffa\tb\n1\t2"),
        ("f.jsonl", '{"a": "1", "b": "2"}\r\n'),
        ("f.jsonl", '\ufeff{"a": "1", "b": "2"}\n\n'),
        ("f.json", '\ufeff[{"a": "1",\r\n"b": "2"}]'),
    ],
)
def test_line_endings_and_byte_order_marks_leave_no_trace(fields, name, content) -> None:
    assert fields(name, content) == [AB]


@pytest.mark.parametrize("quoting", ["none", "lenient", "minimal"])
def test_tsv_of_every_quoting_style_survives_crlf_and_mark(fields, quoting) -> None:
    assert fields("f.tsv", "\ufeffa\tb\r\n1\t2\r\n", quoting=quoting) == [AB]


def test_cells_over_several_lines_keep_their_breaks_and_the_line_they_begin_on(workshop) -> None:
    workshop.file("f.csv", 'a,b\n"one\ntwo, ""three""",x\nlast,y\n')
    rows = workshop.rows("source: {kind: local, path: f.csv}\n")
    assert [row.fields["a"] for row in rows] == ['one\ntwo, "three"', "last"]
    assert [row.where for row in rows] == ["f.csv:2", "f.csv:4"]


def test_tabs_in_a_csv_by_its_delimiter(fields) -> None:
    assert fields("f.csv", 'a\tb\n1, and\t"say ""2"""\n', delimiter='"\\t"') == [
        {"a": "1, and", "b": 'say "2"'}
    ]


def test_quotes_as_text(fields) -> None:
    assert fields("f.tsv", 'a\tb\n"so\t""2"" he\n', quoting="none") == [{"a": '"so', "b": '""2"" he'}]


def test_lenient_quoting_unquotes_only_what_is_quoted_well(fields) -> None:
    content = 'a\tb\n""M""x: ""y""\t"@user ""hi"" ."\n""so!""\t"open\n""\t"\n'
    assert fields("f.tsv", content, quoting="lenient") == [
        {"a": '""M""x: ""y""', "b": '@user "hi" .'},
        {"a": '""so!""', "b": '"open'},
        {"a": "", "b": '"'},
    ]


def test_file_without_header_and_json_in_cells(fields) -> None:
    content = 'x\t["\\u72d9", "b"]\ny\t[broken\n'
    problems = Problems()
    found = fields("f.tsv", content, problems, quoting="none", columns="[name, list]", json_columns="[list]")
    assert found == [{"name": "x", "list": ["狙", "b"]}]
    assert problems.count("malformed_row") == 1
    assert "f.tsv:2" in problems.samples[0]


def test_column_without_a_name_can_be_renamed(workshop) -> None:
    workshop.file("f.csv", ",text\n7,x\n")
    rows = workshop.rows('source: {kind: local, path: f.csv}\ntransforms: [{rename: {"": index}}]\n')
    assert dict(rows[0].fields) == {"index": "7", "text": "x"}


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("f.csv", "a,b\n1,2\n1,2,3\n1,2\n", 3),
        ("f.csv", 'a,b\n1,2\n"1"x,2\n1,2\n', 3),
        ("f.tsv", "a\tb\n1\t2\n1\n1\t2\n", 3),
        ("f.jsonl", '{"a": 1}\n{"a": 1\n{"a": 1}\n', 2),
        ("f.jsonl", '{"a": 1}\n[1]\n{"a": 1}\n', 2),
        ("f.csv", b"a,b\n1,2\n\xff,2\n1,2\n", 3),
        ("f.jsonl", b'{"a": 1}\n{"a": "\xff"}\n{"a": 1}\n', 2),
        ("f.jsonl", '{"a": 1}\n{"a": "\\ud800"}\n{"a": 1}\n', 2),
    ],
)
def test_malformed_rows_are_counted_with_file_and_line_and_the_rest_is_read(
    workshop, name, content, line
) -> None:
    workshop.file(name, content)
    problems, text = Problems(), f"source: {{kind: local, path: {name}}}\n"
    rows = workshop.rows(text, problems)
    assert len(rows) == 2
    assert len(problems) == 1
    assert f"{name}:{line}:" in problems.samples[0]
    assert [row.row_id for row in rows] == ["0", "2"]  # numbers do not shift
    with pytest.raises(TaskError, match=f"{name}:{line}"):
        workshop.rows(text, strict=True)


def test_a_quote_that_never_closes_is_reported_where_it_opens(fields) -> None:
    problems = Problems()
    assert fields("f.csv", 'a,b\n1,2\n"open,2\n3,4\n', problems) == [AB]
    assert "f.csv:3" in problems.samples[0]


def test_a_header_with_a_column_twice_reads_nothing(fields) -> None:
    problems = Problems()
    assert fields("f.csv", "a,a\n1,2\n", problems) == []
    assert problems.count("malformed_header") == 1


@pytest.mark.parametrize("content", ["", "a\tb", "a\tb\n", "\ufeffa\tb\r\n"])
def test_header_only_files_are_empty_splits(fields, content) -> None:
    problems = Problems()
    assert fields("f.tsv", content, problems) == []
    assert problems.count("empty_split") == 1


def test_a_split_known_to_be_empty_is_noted_and_not_fatal(workshop) -> None:
    workshop.file("f.tsv", "a\tb")
    head = "dataset: own\ncluster: sentiment\nlanguages: {en: {folder: en, empty: [train]}}\n"
    card = workshop.card("splits: {train: x}\nsource: {kind: local, path: f.tsv}\n", head=head)
    problems = Problems()
    assert list(Task(card, "en").rows("train", Sources(workshop.data, strict=True), problems)) == []
    assert problems.count("empty_split", noted=True) == 1


def test_json_keyed_by_data_and_positional_records(fields) -> None:
    keyed = '{"t1": [["x", 1], ["y", 2]], "t2": [["z", 3]]}'
    found = fields("f.json", keyed, key="table", columns="[text, number]")
    assert found[0] == {"table": "t1", "text": "x", "number": 1}
    assert [row["table"] for row in found] == ["t1", "t1", "t2"]
    assert fields("g.json", '{"a": {"x": 1}, "b": {"x": 2}}', key="id") == [
        {"id": "a", "x": 1},
        {"id": "b", "x": 2},
    ]


def test_json_records_below_the_top(fields) -> None:
    assert fields("f.json", '{"version": 1, "data": {"rows": [{"x": 1}]}}', records="data.rows") == [{"x": 1}]


@pytest.mark.parametrize("content", ["{", '"text"', '{"other": []}', "[" * 100_000])
def test_malformed_json_files_are_counted(fields, content) -> None:
    problems = Problems()
    assert fields("f.json", content, problems, records="data") == []
    assert problems.count("malformed_file") == 1


def test_whole_numbers_of_64_bits_stay_exact(fields) -> None:
    assert fields("f.jsonl", '{"id": -8903834738273423713}\n') == [{"id": -8903834738273423713}]


def test_line_separators_of_unicode_do_not_end_a_line(fields) -> None:
    assert fields("f.jsonl", '{"a": "x\u2028y\x85z"}\n') == [{"a": "x\u2028y\x85z"}]
    assert fields("f.tsv", "a\tb\nx\u2028y\tz\x0bw\n", quoting="none") == [{"a": "x\u2028y", "b": "z\x0bw"}]


def test_text_that_is_not_composed_stays_as_it_is(fields) -> None:
    decomposed = "e\u0301\u0323"
    assert fields("f.tsv", f"a\tb\n{decomposed}\tx\n")[0]["a"] == decomposed


def test_conll_sentences(fields) -> None:
    content = "\ufeffA\u00a0b B-PER\r\nc O\r\n\r\n\r\n-DOCSTART- O\n\nd\tO\n# O\ne\u0323 O"
    assert fields("f.txt", content, format="conll") == [
        {"tokens": ["A\u00a0b", "c"], "tags": ["B-PER", "O"]},
        {"tokens": ["d", "#", "e\u0323"], "tags": ["O", "O", "O"]},
    ]


def test_a_conll_sentence_with_a_malformed_line_is_dropped_whole(fields) -> None:
    problems = Problems()
    found = fields("f.txt", "a O\n\nb\nc O\n\nd O\n", problems, format="conll")
    assert [row["tokens"] for row in found] == [["a"], ["d"]]
    assert "f.txt:3: line 3" in problems.samples[0]


def test_parquet_with_nested_values(workshop, fields) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"x": 1, "answers": {"text": ["a"], "start": [3]}},
        {"x": 2, "answers": {"text": [], "start": []}},
    ]
    path: Path = workshop.data / "f.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert fields("f.parquet", path.read_bytes()) == rows
    problems = Problems()
    assert fields("g.parquet", b"PAR1 nothing", problems) == []
    assert problems.count("malformed_file") == 1
