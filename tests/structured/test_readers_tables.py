"""ToTTo, SciGen and LogicNLG: spans, header roles, markup, linked columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtft.errors import StructureError
from mtft.structured import (
    Cell,
    Table,
    read_logicnlg,
    read_logicnlg_file,
    read_scigen,
    read_scigen_file,
    read_totto,
    read_totto_file,
    to_logicnlg,
    to_scigen,
    to_totto,
    without_markup,
)


def cell(value: str, row_span: int = 1, column_span: int = 1) -> dict[str, Any]:
    """A record's cell; a value that begins with a capital is a header."""
    spans = {"row_span": row_span, "column_span": column_span}
    return {"value": value, "is_header": value[:1].isupper(), **spans}


def record(*rows: list[dict[str, Any]], marked: list[list[int]] | None = None) -> dict[str, Any]:
    titles = {"table_page_title": "Page", "table_section_title": "", "table_section_text": "Text."}
    return {**titles, "table": list(rows), "highlighted_cells": marked or []}


def positions(table: Table) -> dict[str, tuple[int, int]]:
    return {c.text: (c.row, c.column) for c in table.cells}


def heads(table: Table, value: str) -> tuple[list[str], list[str]]:
    """The column headers and the row headers of the cell with this value."""
    (found,) = (c for c in table.cells if c.value == value)
    return [h.text for h in table.column_headers(found)], [h.text for h in table.row_headers(found)]


SPANNING = record(
    [cell("Year", 2), cell("Result", 1, 2), cell("Place", 2)],
    [cell("Won"), cell("Lost")],
    [cell("Y1990", 2), cell("w1"), cell("l1", 2), cell("p1")],
    [cell("w2"), cell("p2")],
    [],
    [cell("All years", 1, 4)],
    [cell("x", 1, 4)],
)


def test_row_and_column_spans_give_every_cell_its_own_column() -> None:
    table = read_totto(SPANNING)
    places = positions(table)
    assert (places["Won"], places["Lost"], places["Place"]) == ((1, 1), (1, 2), (0, 3))
    assert (places["w2"], places["p2"]) == ((3, 1), (3, 3))
    assert (table.n_rows, table.n_columns) == (7, 4)
    assert heads(table, "p2") == (["Place"], ["Y1990"])
    assert heads(table, "w2") == (["Result", "Won"], ["Y1990"])
    assert heads(table, "l1") == (["Result", "Lost"], ["Y1990"])
    assert heads(table, "x")[0] == ["Year", "Result", "Place", "Won", "Lost", "All years"]


def test_the_baselines_headers_ignore_row_spans() -> None:
    table = read_totto(SPANNING, "official")
    assert positions(table)["w2"] == (3, 0)
    assert heads(table, "w2") == (["Year", "Won", "Y1990"], [])
    assert heads(table, "p1") == (["Place"], ["Y1990"])
    assert heads(table, "Lost") == (["Result"], ["Won"])
    assert to_totto(table) == SPANNING


def test_the_baselines_header_rows_accumulate() -> None:
    twice = record([cell("Goals")], [cell("3")], [cell("Cards")], [cell("1")])
    assert heads(read_totto(twice), "1")[0] == ["Cards"]
    assert heads(read_totto(twice, "official"), "1")[0] == ["Goals", "Cards"]


def test_a_row_that_a_data_cell_reaches_into_holds_data() -> None:
    table = read_totto(
        record([cell("Team"), cell("City")], [cell("reds", 2), cell("oslo")], [cell("Capital")])
    )
    assert heads(table, "reds") == (["Team"], [])
    assert [c.value for c in table.cells if c.row_header] == ["Capital"]


@pytest.mark.parametrize("marked", [[], [[3, 1], [2, 0]], [[2, 0], [3, 1]], [[2, 1], [2, 1]], [[0, 0]]])
def test_highlights_come_back_as_they_were_listed(marked: list[list[int]]) -> None:
    given = {**SPANNING, "highlighted_cells": marked}
    table = read_totto(given)
    assert to_totto(table) == given
    assert to_totto(Table.from_dict(json.loads(json.dumps(table.as_dict())))) == given
    assert sum(c.highlighted for c in table.cells) == len({tuple(place) for place in marked})


@pytest.mark.parametrize(
    "marked", [[[7, 0]], [[4, 0]], [[0, 3]], [[-1, 0]], [[0]], [["0", 0]], [[True, 0]], 3, [3]]
)
def test_highlights_of_nothing(marked: Any) -> None:
    with pytest.raises(StructureError, match="highlighted"):
        read_totto({**SPANNING, "highlighted_cells": marked})


@pytest.mark.parametrize(
    "rows",
    [
        [[cell("a", 3)], [cell("b")]],
        [[cell("a", 0)], [cell("b")]],
        [[cell("a", 1, 0)], [cell("b")]],
        [[cell("a", -2, -2), cell("b")]],
        [[cell("a"), cell("b", 2), cell("c")], [cell("d", 1, 3)]],
    ],
)
def test_spans_without_room_are_refused_or_cut_but_written_back(rows: list[list[dict[str, Any]]]) -> None:
    with pytest.raises(StructureError, match=r"row \d, cell \d: A span must"):
        read_totto(record(*rows))
    table = read_totto(record(*rows), strict=False)
    assert to_totto(table) == record(*rows)
    assert Table.from_dict(table.as_dict()) == table


def test_a_cut_cell_stands_where_it_would_without_spans() -> None:
    table = read_totto(record([cell("a"), cell("b", 2), cell("c")], [cell("d", 1, 3)]), strict=False)
    assert positions(table) == {"a": (0, 0), "b": (0, 1), "c": (0, 2), "d": (1, 0)}


def test_a_span_of_billions_is_no_bomb() -> None:
    with pytest.raises(StructureError, match="places"):
        read_totto(record([cell("a", 1, 10**9)]))
    with pytest.raises(StructureError, match="places"):
        read_totto(record([cell("a", 2), cell("b")], [cell("c", 1, 10**12)]), strict=False)


def test_titles_that_are_missing_stay_missing() -> None:
    table = read_totto({"table": [[cell("a")]], "table_page_title": "P", "table_section_text": None})
    assert to_totto(table) == {"table": [[cell("a")]], "highlighted_cells": [], "table_page_title": "P"}


def test_totto_files(tmp_path: Path) -> None:
    path = tmp_path / "dev.jsonl"
    whole = {**SPANNING, "example_id": -9071103011318920027, "overlap_subset": True}
    notes = [{"final_sentence": "One."}, {"final_sentence": "Two."}]
    lines = [json.dumps({**whole, "sentence_annotations": notes}), "", "{", json.dumps({**whole, "table": 3})]
    path.write_text("\n".join(lines), encoding="utf-8")
    skipped: list[StructureError] = []
    (entry,) = read_totto_file(path, skip=skipped.append)
    assert (entry.id, entry.references) == ("-9071103011318920027", ("One.", "Two."))
    assert entry.extra == {"overlap_subset": True}
    assert [str(error.where) for error in skipped] == [f"{path}#3", f"{path}#4"]
    with pytest.raises(StructureError, match="must be one of grid, official"):
        list(read_totto_file(path, "best"))  # type: ignore[arg-type]


SCIGEN = {
    "table_caption": "Table 1: [BOLD] Scores.",
    "table_column_names": ["Model", "F1", "F1", "[EMPTY]"],
    "table_content_values": [["[BOLD] A", "1"], [], ["B", "2", "3", "4", "\u00a05"]],
}


def test_scigen_keeps_duplicate_columns_ragged_rows_and_markup() -> None:
    table = read_scigen(SCIGEN)
    assert to_scigen(table) == SCIGEN
    assert to_scigen(Table.from_dict(json.loads(json.dumps(table.as_dict())))) == SCIGEN
    assert heads(table, "3") == (["F1"], [])
    assert heads(table, "\u00a05") == ([], [])
    assert Table.from_dict(table.as_dict()) == table
    empty = {"table_caption": "", "table_column_names": [], "table_content_values": []}
    assert to_scigen(read_scigen(empty)) == empty


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("[BOLD] 74.4 (± 0.9)", "74.4 (± 0.9)"),
        ("[EMPTY]", ""),
        ("[ITALIC] α [ITALIC] β", "α β"),
        ("a [CONTINUE] b", "a b"),
        ("[CLS] [BOLD]x", "[CLS] x"),
        ("a  b", "a  b"),
        ("1\u00a0000 [URL]", "1\u00a0000 [URL]"),
    ],
)
def test_markup_is_stripped_for_reading(value: str, plain: str) -> None:
    assert without_markup(value) == plain


def test_scigen_files(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    records = {"0": {**SCIGEN, "text": "T", "paper": "P", "field": "CL"}, "7": {"text": ""}}
    path.write_text(json.dumps(records), encoding="utf-8")
    skipped: list[StructureError] = []
    (entry,) = read_scigen_file(path, skip=skipped.append)
    assert (entry.id, entry.references, entry.category, entry.size) == ("0", ("T",), "CL", 3)
    assert [str(error.where) for error in skipped] == [f"{path}#7"]


SHEET = 'name#year#"the" city\r\nada#1815#london\r\nkurt##\r\n'


def test_logicnlg_highlights_the_linked_columns() -> None:
    table = read_logicnlg(SHEET, "people", [2, 0])
    assert [c.value for c in table.cells if c.highlighted] == ["ada", "london", "kurt", ""]
    rows = [["name", "year", '"the" city'], ["ada", "1815", "london"], ["kurt", "", ""]]
    assert to_logicnlg(table) == {"table": rows, "title": "people", "linked_columns": [2, 0]}
    assert Table.from_dict(table.as_dict()) == table


def test_logicnlg_tables_may_be_ragged() -> None:
    table = read_logicnlg("a#b\n1\n\n1#2#3", "t", [2])
    assert to_logicnlg(table)["table"] == [["a", "b"], ["1"], [""], ["1", "2", "3"]]
    assert [c.value for c in table.cells if c.highlighted] == ["3"]
    for linked in ([3], [-1], ["0"], [True], [None]):
        with pytest.raises(StructureError, match="linked column"):
            read_logicnlg("a#b\n1", "t", linked)  # type: ignore[arg-type]
    with pytest.raises(StructureError, match="header"):
        read_logicnlg("", "t", [])


def test_statements_on_one_table_do_not_share_marks(tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "a.csv").write_bytes(SHEET.encode())
    statements = {
        "a.csv": [["One.", [0], "t", "[ENT]."], ["Two.", [], "t", ""], ["Three.", [9], "t", ""], ["x"]],
        "../a.csv": [["Four.", [0], "t", ""]],
        "missing.csv": [["Five.", [0], "t", ""]],
    }
    path = tmp_path / "val.json"
    path.write_text(json.dumps(statements), encoding="utf-8")
    skipped: list[StructureError] = []
    one, two = read_logicnlg_file(path, tables, skipped.append)
    assert [c.value for c in one.table.cells if c.highlighted] == ["ada", "kurt"]
    assert not any(c.highlighted for c in two.table.cells)
    assert (one.id, one.extra, one.size) == ("a.csv#0", {"table": "a.csv", "template": "[ENT]."}, 2)
    places = ["a.csv#2", "a.csv#3", "../a.csv", "missing.csv"]
    assert [str(error.where).split(",")[0] for error in skipped] == [f"{path}#{place}" for place in places]


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "", "a/b", "a\\b", "a\0b", "C:x"])
def test_a_tables_name_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "val.json"
    path.write_text(json.dumps({name: []}), encoding="utf-8")
    with pytest.raises(StructureError, match=r"named by its file|file in the folder"):
        list(read_logicnlg_file(path, tmp_path))


def test_virtual_tables_are_not_written_as_tables() -> None:
    with pytest.raises(StructureError, match="kind `table`"):
        to_totto(Table(kind="triples"))
    with pytest.raises(StructureError, match="one caption"):
        to_scigen(Table())
    with pytest.raises(StructureError, match="one title"):
        to_logicnlg(Table())
    empty = Table(cells=(Cell(0, 0, None),), n_rows=1, n_columns=1)
    with pytest.raises(StructureError, match="must have values"):
        to_totto(empty)
