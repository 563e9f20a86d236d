"""Reading and writing back is the identity: on every row of seven datasets, and on generated structures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.structured import (
    Table,
    read_dart,
    read_logicnlg,
    read_meaning_representation,
    read_scigen,
    read_totto,
    read_triples,
    read_webnlg,
    to_dart,
    to_logicnlg,
    to_meaning_representation,
    to_scigen,
    to_totto,
    to_triples,
    to_webnlg,
)
from mtft.structured.files import parse_xml


def again(table: Table) -> Table:
    """The table after its way through JSON, which also checks what the reader was trusted with."""
    back = Table.from_dict(json.loads(json.dumps(table.as_dict())))
    assert back == table
    return back


def entries(folder: Path) -> Iterator[ElementTree.Element]:
    for path in sorted(folder.rglob("*.xml")):
        yield from parse_xml(path.read_text(encoding="utf-8"), path).iter("entry")


def lines(entry: ElementTree.Element, tag: str) -> list[str]:
    return [line.text or "" for line in entry.iter(tag)]


def test_webnlg(data_root: Path) -> None:
    count = 0
    for entry in entries(data_root / "webnlg_enriched"):
        assert to_webnlg(again(read_webnlg(entry))) == lines(entry, "mtriple")
        assert to_webnlg(again(read_webnlg(entry, "original"))) == lines(entry, "otriple")
        count += 1
    assert count == 1328


def test_dart(data_root: Path) -> None:
    records = json.loads((data_root / "dart/en/dev.json").read_bytes())
    assert len(records) == 2000
    for record in records:
        assert to_dart(again(read_dart(record))) == record["tripleset"]
    elements = list(entries(data_root / "dart/en"))
    assert len(elements) == 1000
    for entry in elements:
        assert to_webnlg(again(read_webnlg(entry))) == lines(entry, "mtriple")


@pytest.mark.parametrize(("source", "rows"), [("e2e_cleaned", 3002), ("viggo", 3717)])
def test_meaning_representations(data_root: Path, source: str, rows: int) -> None:
    count = 0
    for path in sorted((data_root / source / "en").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for column in ("mr", "orig_mr"):
                    text = row.get(column, row["mr"])
                    assert to_meaning_representation(again(read_meaning_representation(text))) == text
                count += 1
    assert count == rows


def test_scigen(data_root: Path) -> None:
    count = 0
    for path in sorted((data_root / "scigen/few-shot").glob("*.json")):
        for record in json.loads(path.read_bytes()).values():
            written = to_scigen(again(read_scigen(record)))
            assert written == {key: record[key] for key in written}
            count += 1
    assert count == 1338


def test_logicnlg(data_root: Path) -> None:
    tables = data_root / "logicnlg/en/tables"
    count = 0
    for path in sorted((data_root / "logicnlg/en").glob("*_lm.json")):
        for name, statements in json.loads(path.read_bytes()).items():
            content = (tables / name).read_bytes().decode()
            rows = list(csv.reader(content.splitlines(), delimiter="#", quoting=csv.QUOTE_NONE))
            for _, linked, title, _ in statements:
                written = to_logicnlg(again(read_logicnlg(content, title, linked)))
                assert written == {"table": rows, "title": title, "linked_columns": linked}
                count += 1
    assert count == 1997


@pytest.mark.parametrize("heuristics", ["grid", "official"])
def test_totto(data_root: Path, heuristics: Any) -> None:
    count = 0
    for path in sorted((data_root / "totto_sample/en").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            written = to_totto(again(read_totto(record, heuristics)))
            assert written == {key: record[key] for key in written}
            assert len(written) == 5
            count += 1
    assert count == 8


# Generated: few different parts, so that subjects, predicates and whole triples come back.
PART = st.sampled_from(["a", "b", "", " ", "[TABLECONTEXT]", "[TITLE]", "ü|x", '"q"', "a_b"]) | st.text(
    max_size=5
)
VALUE = st.text(max_size=6)
SPAN = st.sampled_from([1, 1, 1, 2, 3])


@given(st.lists(st.tuples(PART, PART, PART), max_size=12))
def test_generated_triples(triples: list[tuple[str, str, str]]) -> None:
    table = again(read_triples(triples))
    assert to_triples(table) == triples


NAME = st.text(st.characters(exclude_characters="[](),"), min_size=1, max_size=8).filter(
    lambda n: n == n.strip()
)
INSIDE = st.recursive(
    st.text(st.characters(exclude_characters="[]"), max_size=8),
    lambda inner: st.tuples(inner, inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]{parts[2]}"),
    max_leaves=4,
)
SLOTS = st.lists(st.tuples(NAME, st.none() | INSIDE), max_size=6)


@given(st.none() | NAME, SLOTS)
def test_generated_meaning_representations(act: str | None, slots: list[tuple[str, str | None]]) -> None:
    inside = ", ".join(name if value is None else f"{name}[{value}]" for name, value in slots)
    if act is None and not slots:
        return
    text = inside if act is None else f"{act}({inside})"
    table = again(read_meaning_representation(text))
    assert to_meaning_representation(table) == text
    assert [cell.value for cell in table.data] == [value for _, value in slots]


@given(NAME, st.lists(st.tuples(NAME, st.none() | INSIDE), min_size=1, max_size=6))
def test_space_around_names_and_commas_is_all_that_may_change(
    act: str, slots: list[tuple[str, str | None]]
) -> None:
    written = [name if value is None else f"{name}[{value}]" for name, value in slots]
    loose = f"\n{act} ( " + "\t,\n ".join(written) + " )  "
    assert to_meaning_representation(read_meaning_representation(loose)) == f"{act}({', '.join(written)})"


@given(VALUE, st.lists(VALUE, max_size=4), st.lists(st.lists(VALUE, max_size=5), max_size=5))
def test_generated_scigen(caption: str, columns: list[str], rows: list[list[str]]) -> None:
    record = {"table_caption": caption, "table_column_names": columns, "table_content_values": rows}
    assert to_scigen(again(read_scigen(record))) == record


@given(st.data())
def test_generated_logicnlg(data: st.DataObject) -> None:
    value = st.text(st.characters(exclude_characters="#\r\n", exclude_categories=["Cs"]), max_size=4)
    rows = data.draw(st.lists(st.lists(value, min_size=1, max_size=4), min_size=1, max_size=5))
    linked = data.draw(st.lists(st.integers(0, max(map(len, rows)) - 1), max_size=3))
    content = "\r\n".join("#".join(row) for row in rows) + "\r\n"
    if content == "\r\n":
        return
    written = to_logicnlg(again(read_logicnlg(content, "t", linked)))
    assert written == {"table": rows, "title": "t", "linked_columns": linked}


@st.composite
def totto_records(draw: st.DrawFn) -> dict[str, Any]:
    cell = st.fixed_dictionaries(
        {"value": VALUE, "is_header": st.booleans(), "column_span": SPAN, "row_span": SPAN}
    )
    rows = draw(st.lists(st.lists(cell, max_size=4), max_size=5))
    places = [[r, c] for r, row in enumerate(rows) for c in range(len(row))]
    marked = draw(st.lists(st.sampled_from(places), max_size=4)) if places else []
    titles = {f"table_{role}": draw(VALUE) for role in ("page_title", "section_title", "section_text")}
    return {**titles, "table": rows, "highlighted_cells": marked}


@settings(max_examples=200)
@given(totto_records(), st.sampled_from(["grid", "official"]))
def test_generated_totto(record: dict[str, Any], heuristics: Any) -> None:
    table = again(read_totto(record, heuristics, strict=False))
    assert to_totto(table) == record
    assert [cell.value for cell in table.cells] == [cell["value"] for row in record["table"] for cell in row]
    if heuristics == "grid":
        given_headers = [cell["is_header"] for row in record["table"] for cell in row]
        assert [cell.column_header != cell.row_header for cell in table.cells] == given_headers
