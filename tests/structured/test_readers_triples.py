"""Triples, WebNLG and DART: where every part goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtft.errors import StructureError
from mtft.structured import (
    Cell,
    Table,
    Title,
    read_dart_file,
    read_triples,
    read_webnlg_file,
    to_dart,
    to_triples,
    to_webnlg,
)

WEBNLG = """<?xml version="1.0" ?>
<benchmark><entries>
<entry category="Ship" eid="Id1" size="2">
  <originaltripleset><otriple>Vasa_(ship) | owner | Sweden</otriple></originaltripleset>
  <modifiedtripleset>
    <mtriple>Vasa_(ship) | nickname | "The &quot;Tall&quot; One"</mtriple>
    <mtriple>Vasa_(ship) | owner | Sweden</mtriple>
  </modifiedtripleset>
  <lex comment="good" lid="Id1"><references/><text>Vasa is Swedish. </text><template>X</template></lex>
  <lex comment="toFix" lid="Id2"><text/></lex>
</entry>
<entry category="Ship" eid="Id1" size="1">
  <originaltripleset><otriple>a | b | c</otriple></originaltripleset>
  <modifiedtripleset><mtriple>a|b | c</mtriple></modifiedtripleset>
  <lex comment="bad" lid="Id1" lang="de">Text im Element selbst.</lex>
</entry>
</entries></benchmark>
"""
DART_XML = """<?xml version='1.0' encoding='utf-8'?>\r
<benchmark><entries>\r
<entry category="MISC" eid="Id5" size="2"><modifiedtripleset>\r
<mtriple>[TABLECONTEXT] | [TITLE] | Ships</mtriple>\r
<mtriple> Vasa  | SUNK | 1628</mtriple>\r
</modifiedtripleset><lex comment="WikiSQL_lily" lid="Id1">It sank.</lex></entry>\r
</entries></benchmark>\r
"""


def values(table: Table) -> dict[tuple[int, int], str | None]:
    return {(cell.row, cell.column): cell.value for cell in table.cells}


def test_a_chain_has_a_row_for_each_subject() -> None:
    table = read_triples([("Ada", "wrote", "Note G"), ("Note G", "year", "1843")])
    assert values(table) == {
        (0, 1): "wrote",
        (0, 2): "year",
        (1, 0): "Ada",
        (1, 1): "Note G",
        (2, 0): "Note G",
        (2, 2): "1843",
    }
    assert (table.n_rows, table.n_columns) == (3, 3)


def test_a_repeated_predicate_has_a_column_each_time() -> None:
    triples = [("a", "p", "x"), ("b", "p", "y"), ("a", "p", "z"), ("a", "p", "x")]
    table = read_triples(triples)
    heads = [cell.value for cell in table.cells if cell.column_header]
    assert heads == ["p", "p", "p"]
    assert to_triples(table) == triples


def test_what_is_said_of_a_whole_table() -> None:
    triples = [
        ("b", "q", "[TABLECONTEXT]"),
        ("[TABLECONTEXT]", "[TITLE]", "Ships"),
        ("[TABLECONTEXT]", "SHIP", "Vasa"),
        ("Vasa", "[TITLE]", "no title"),
        ("[TABLECONTEXT]", "[TITLE]", ""),
    ]
    table = read_triples(triples)
    assert table.titles == (Title("title", "Ships", 1), Title("title", "", 4))
    assert [c.value for c in table.cells if c.row_header] == ["b", "Vasa"]
    assert to_triples(table) == triples


def test_moved_rows_and_columns_give_the_same_triples() -> None:
    triples = [("a", "p", "x"), ("b", "q", "y"), ("a", "q", "z")]
    table = read_triples(triples)
    rows, columns = table.n_rows, table.n_columns
    moved = table.moved(
        lambda c: Cell(
            (rows - c.row) % rows,
            (columns - c.column) % columns,
            c.value,
            column_header=c.column_header,
            row_header=c.row_header,
        )
    )
    assert to_triples(moved) == triples


def test_other_tables_have_no_triples() -> None:
    with pytest.raises(StructureError, match="kind `triples`"):
        to_triples(Table())
    with pytest.raises(StructureError, match="one column header"):
        to_triples(Table(kind="triples", cells=(Cell(0, 0, "x"),), n_rows=1, n_columns=1))


@pytest.mark.parametrize(
    "triples", ["abc", [("a", "b")], ["abc"], [("a", "b", None)], [("a", "b", float("nan"))], [[1, 2, 3]]]
)
def test_what_is_no_triple(triples: list[tuple[str, str, str]]) -> None:
    with pytest.raises(StructureError):
        read_triples(triples)


def test_webnlg_entries(tmp_path: Path) -> None:
    path = tmp_path / "Ship.xml"
    path.write_text(WEBNLG, encoding="utf-8")
    skipped: list[StructureError] = []
    entries = list(read_webnlg_file(path, skip=skipped.append))
    assert [entry.id for entry in entries] == ["Id1"]
    assert entries[0].references == ("Vasa is Swedish. ", "")
    assert entries[0].comments == ("good", "toFix")
    assert (entries[0].category, entries[0].size, entries[0].languages) == ("Ship", 2, ())
    assert to_webnlg(entries[0].table) == [
        'Vasa_(ship) | nickname | "The "Tall" One"',
        "Vasa_(ship) | owner | Sweden",
    ]
    assert [str(error) for error in skipped] == [
        f"{path}#1: A triple must read `subject | predicate | object`. Found: 'a|b | c'."
    ]
    with pytest.raises(StructureError, match="A triple must read"):
        list(read_webnlg_file(path))


def test_webnlg_original_triples(tmp_path: Path) -> None:
    path = tmp_path / "Ship.xml"
    path.write_text(WEBNLG, encoding="utf-8")
    first, second = read_webnlg_file(path, "original")
    assert to_webnlg(first.table) == ["Vasa_(ship) | owner | Sweden"]
    assert second.references == ("Text im Element selbst.",)
    assert second.languages == ("de",)


def test_a_separator_in_a_part_cannot_be_written() -> None:
    with pytest.raises(StructureError, match="may hold"):
        to_webnlg(read_triples([("a", "b", "c | d")]))


def test_dart_in_json_and_xml(tmp_path: Path) -> None:
    records = [
        {"tripleset": [["a", "b", "c"]], "annotations": [{"source": "e2e", "text": "t"}]},
        {"tripleset": [["a", "b | x", "c"]], "subtree_was_extended": False, "annotations": []},
    ]
    path = tmp_path / "dev.json"
    path.write_bytes(json.dumps(records, indent=1).replace("\n", "\r\n").encode())
    first, second = read_dart_file(path)
    assert (first.sources, first.references, first.extra) == (("e2e",), ("t",), {})
    assert second.extra == {"subtree_was_extended": False}
    assert to_dart(second.table) == [["a", "b | x", "c"]]
    xml = tmp_path / "test.xml"
    xml.write_bytes(DART_XML.encode())
    (entry,) = read_dart_file(xml)
    assert (entry.sources, entry.comments, entry.size) == (("WikiSQL_lily",), (), 2)
    assert to_dart(entry.table) == [["[TABLECONTEXT]", "[TITLE]", "Ships"], [" Vasa ", "SUNK", "1628"]]
