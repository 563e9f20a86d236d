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
    read_totto,
    read_totto_file,
    read_triples,
    read_webnlg_file,
)
from mtft.structured.linearizers.marked import MAX_LINES, MAX_PAIRS, marked_text
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
    for name in ("dev_sample", "train_sample"):
        assert share(read_totto_file(data_root / f"totto_sample/en/{name}.jsonl")) == 1
        assert share(read_totto_file(data_root / f"totto_sample/en/{name}.jsonl", "official")) == 1


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


@st.composite
def marked_records(draw: st.DrawFn) -> dict[str, Any]:
    """ToTTo's records with few different values, header rows and header cells, spans, and some cells of few rows."""
    heads = draw(st.sampled_from([{0}, {0, 1}, {0, 2}, set()]))
    stray, span = (
        draw(st.sampled_from([[False], [False, False, True]])),
        draw(st.sampled_from([[1], [1, 1, 1, 2, 3]])),
    )
    header, spans, value = (
        st.sampled_from(stray),
        st.sampled_from(span),
        PART | st.text("abcdefgh", min_size=2),
    )

    def row(number: int) -> list[dict[str, Any]]:
        head = st.just(True) if number in heads else header
        parts = {"value": value, "is_header": head, "row_span": spans, "column_span": spans}
        return draw(st.lists(st.fixed_dictionaries(parts), max_size=5))

    rows = [row(number) for number in range(draw(st.integers(1, 5)))]
    lines = draw(st.lists(st.sampled_from(range(len(rows))), min_size=1, max_size=3))
    places = [[line, number] for line in lines for number in range(len(rows[line]))]
    marked = draw(st.lists(st.sampled_from(places), max_size=6)) if places else []
    return {"table": rows, "highlighted_cells": marked, "table_page_title": draw(PART)}


@settings(max_examples=300)
@given(marked_records(), st.sampled_from(["grid", "official"]))
def test_generated_highlights(record: dict[str, Any], heuristics: Any) -> None:
    table = read_totto(record, heuristics, strict=False)
    assert same(table) or not record["highlighted_cells"]
    assert replace(table).marked == table.marked  # as its reader said
    same(replace(table, cells=table.cells[::-1]))


def test_highlights_of_many_lines_are_left_to_the_plan() -> None:
    wide = Cell(0, 0, "x", 1, MAX_LINES + 1, highlighted=True)
    assert marked_text(Table.trusted("table", (wide,), (1, MAX_LINES + 1), ordered=True)) is None
    many = tuple(Cell(0, column, "x", highlighted=column < 2) for column in range(MAX_PAIRS // 2 + 1))
    assert marked_text(Table.trusted("table", many, (1, len(many)), ordered=True)) is None


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
