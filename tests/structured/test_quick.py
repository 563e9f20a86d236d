"""The quick texts of `unified` are those of its plan, on every row of real data and on generated tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.structured import (
    Cell,
    Entry,
    Table,
    Title,
    read_dart_file,
    read_logicnlg_file,
    read_meaning_representation,
    read_meaning_representation_file,
    read_scigen_file,
    read_totto_file,
    read_triples,
    read_webnlg_file,
)
from mtft.structured.linearizers.quick import MAX_CELLS, quick
from mtft.structured.linearizers.unified import plan


def same(table: Table) -> bool:
    """Whether the table has a quick text, which is then its plan's, as are the counts of what it omits."""
    made = quick(table)
    if made is None:
        return False
    slow = plan(table)
    assert made == (slow.text(), dict(slow.omitted()))
    return True


def share(entries: Iterable[Entry]) -> float:
    found = [same(entry.table) for entry in entries]
    return sum(found) / len(found)


def test_nearly_all_real_tables_have_a_quick_text(data_root: Path) -> None:
    webnlg = sorted((data_root / "webnlg_enriched/en/test").rglob("*.xml"))
    assert share(entry for path in webnlg for entry in read_webnlg_file(path)) == 1
    assert share(read_dart_file(data_root / "dart/en/dev.json")) == 1
    assert share(read_meaning_representation_file(data_root / "viggo/en/train.csv")) == 1
    scigen = sorted((data_root / "scigen/few-shot").glob("*.json"))
    assert share(entry for path in scigen for entry in read_scigen_file(path)) > 0.9
    logic = data_root / "logicnlg/en"
    assert share(read_logicnlg_file(logic / "val_lm.json", logic / "tables")) > 0.9
    share(read_totto_file(data_root / "totto_sample/en/dev_sample.jsonl"))


PART = st.sampled_from(["", "a", "b", "c", "<cell>", "x < y", "[TABLECONTEXT]", "[TITLE]"])


@given(st.lists(st.tuples(PART, PART, PART), max_size=8))
def test_generated_triples(triples: list[tuple[str, str, str]]) -> None:
    same(read_triples(triples))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | PART), min_size=1, max_size=6))
def test_generated_slots(slots: list[tuple[str, str | None]]) -> None:
    inside = [name if value is None else f"{name}[{value}]" for name, value in slots]
    assert same(read_meaning_representation(f"act({', '.join(inside)})"))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Tables with a header row, ragged and with names that are missing or repeat; some with stranger parts."""
    heads = draw(st.lists(PART, max_size=4))
    rows = draw(st.lists(st.lists(PART, max_size=5), max_size=4))
    cells = [Cell(0, c, name, column_header=True) for c, name in enumerate(heads)]
    cells += [Cell(r, c, value) for r, row in enumerate(rows, 1) for c, value in enumerate(row)]
    change = st.sampled_from([{}, {}, {}, {"highlighted": True}, {"highlighted": True}, {"value": None}])
    strange = st.sampled_from([{}, {"row_header": True}, {"column_header": True}, {"column_header": False}])
    if draw(st.booleans()):
        cells = [replace(cell, **draw(change)) for cell in cells]
    if draw(st.integers(0, 3)) == 3:
        cells = draw(st.permutations([replace(cell, **draw(strange)) for cell in cells]))
    ordered: dict[str, Any] = {"ordered_rows": draw(st.booleans()), "ordered_columns": True}
    width = max(map(len, (heads, *rows)))
    titles = tuple(draw(st.lists(st.builds(Title, st.sampled_from(["caption", "mood"]), PART), max_size=2)))
    return Table("table", titles, tuple(cells), len(rows) + 1, width, **ordered)


@settings(max_examples=1000)
@given(tables())
def test_generated_tables(table: Table) -> None:
    same(table)
    same(replace(table, kind="triples", ordered_rows=False, ordered_columns=False))


def test_what_a_reader_says_of_a_layout_is_so(data_root: Path) -> None:
    scigen = read_scigen_file(data_root / "scigen/few-shot/train.json")
    meanings = read_meaning_representation_file(data_root / "viggo/en/valid.csv")
    for entry in (*scigen, *meanings):
        assert entry.table.layout == replace(entry.table).layout or entry.table.layout == "plain"


def test_a_huge_table_is_left_to_the_plan() -> None:
    assert quick(Table.trusted("table", (Cell(0, 0, "x"),) * (MAX_CELLS + 1), (1, 1), ordered=True)) is None


@pytest.mark.parametrize("layout", ["rows", "plain", "free"])
def test_layouts(layout: str) -> None:
    head, stub, cell = Cell(0, 0, "h", column_header=True), Cell(1, 0, "s", row_header=True), Cell(1, 1, "x")
    cells = {
        "rows": (head, Cell(1, 0, "a"), cell),
        "plain": (head, stub, cell),
        "free": (replace(head, column_span=2), Cell(1, 0, "a"), cell),
    }
    assert Table(cells=cells[layout], n_rows=2, n_columns=2).layout == layout
