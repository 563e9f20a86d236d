"""Whatever stands in a file: a StructureError that says where, or a table without a lost value."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtft.errors import StructureError
from mtft.structured import (
    Entry,
    Table,
    read_dart,
    read_dart_file,
    read_logicnlg,
    read_meaning_representation,
    read_meaning_representation_file,
    read_scigen,
    read_scigen_file,
    read_totto,
    read_totto_file,
    read_webnlg_file,
    to_logicnlg,
    to_meaning_representation,
    to_scigen,
    to_totto,
)
from mtft.structured.files import MAX_BYTES, parse_xml, read_text

BOMB = """<?xml version="1.0"?>
<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY c "&a;&a;&a;&a;"><!ENTITY d "&c;&c;&c;&c;">]>
<benchmark><entries><entry eid="1"><lex>&d;</lex></entry></entries></benchmark>"""
EXTERNAL = BOMB.replace('<!ENTITY a "ha">', '<!ENTITY a SYSTEM "file:///etc/hostname">')
ENTRY = '<entry eid="1"><modifiedtripleset><mtriple>a | b | c</mtriple></modifiedtripleset></entry>'

Read = Callable[[Path], Iterable[Entry]]


@pytest.mark.parametrize("content", [BOMB, EXTERNAL, BOMB.replace("&d;", "")])
@pytest.mark.parametrize("read", [read_webnlg_file, read_dart_file])
def test_entities_are_refused(tmp_path: Path, content: str, read: Read) -> None:
    path = tmp_path / "x.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StructureError, match=r"x\.xml: XML must not declare"):
        list(read(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "well-formed"),
        (b"<benchmark>", "well-formed"),
        (b"<benchmark>&nbsp;</benchmark>", "well-formed"),
        (b"<a>" * 200 + b"</a>" * 200, "100 deep"),
        (b"<a>" * 200_000 + b"</a>" * 200_000, "100 deep"),
        (b"<a>\xff</a>", "UTF-8"),
        ('<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"), "UTF-8"),
        (b'<?xml version="1.0" encoding="latin-1"?><a>\xc3\xa9</a>', "UTF-8"),
        (b"<a>\x00</a>", "well-formed"),
    ],
)
def test_malformed_xml(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(content)
    with pytest.raises(StructureError, match=message):
        list(read_webnlg_file(path))


def test_a_text_that_only_speaks_of_entities_is_read() -> None:
    assert len(parse_xml("<benchmark>&lt;!DOCTYPE x&gt; &amp;c; &#65;</benchmark>", "x").text or "") == 18


def test_a_file_may_not_be_larger_than_memory_allows(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: no byte of it is on the disk
    with pytest.raises(StructureError, match="bytes"):
        read_text(path)
    with pytest.raises(StructureError, match="readable"):
        read_text(tmp_path)


@pytest.mark.parametrize("read", [read_dart_file, read_scigen_file, read_totto_file])
@pytest.mark.parametrize(
    "content", ["{", "[" * 100_000, "3", "null", '{"a":', '["a", NaN]', '[{"tripleset": 3}]']
)
def test_malformed_json(tmp_path: Path, content: str, read: Read) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StructureError, match=r"x\.json"):
        list(read(path))


def test_one_bad_entry_leaves_the_others(tmp_path: Path) -> None:
    broken = ENTRY.replace("a | b | c", "a | b")
    path = tmp_path / "x.xml"
    path.write_text(
        f"<benchmark><entries>{ENTRY}{broken}<entry/>{ENTRY}</entries></benchmark>", encoding="utf-8"
    )
    skipped: list[StructureError] = []
    assert len(list(read_webnlg_file(path, skip=skipped.append))) == 2
    assert [str(error.where) for error in skipped] == [f"{path}#1", f"{path}#2"]


@pytest.mark.parametrize("value", [float("nan"), None, 3, True, ["x"], {"a": 1}])
def test_what_is_no_text_is_no_cell(value: Any) -> None:
    cell = {"value": value, "is_header": False, "row_span": 1, "column_span": 1}
    with pytest.raises(StructureError, match="row 0, cell 1"):
        read_totto({"table": [[{**cell, "value": "a"}, cell]]})
    record = {
        "table_caption": "c",
        "table_column_names": ["a"],
        "table_content_values": [["x"], ["y", value]],
    }
    with pytest.raises(StructureError, match="row 2 below the header, column 1"):
        read_scigen(record)
    with pytest.raises(StructureError, match="triple 1"):
        read_dart({"tripleset": [["a", "b", "c"], ["a", "b", value]]})
    with pytest.raises(StructureError, match="annotation"):
        _dart_with([{"source": "s", "text": value}])


def _dart_with(annotations: Any) -> None:
    from mtft.structured.dart import _from_json

    _from_json(0, {"tripleset": [["a", "b", "c"]], "annotations": annotations})


def test_tables_of_ten_thousand_cells() -> None:
    start = time.process_time()
    rows = [[f"{r},{c}" for c in range(100)] for r in range(100)]
    record = {"table_caption": "c", "table_column_names": rows[0], "table_content_values": rows}
    table = read_scigen(record)
    assert to_scigen(table) == record
    assert all(len(table.column_headers(cell)) == 1 for cell in table.data)
    cells = [[{"value": v, "is_header": r == 0 or c == 0, "row_span": 1, "column_span": 1}
              for c, v in enumerate(row)] for r, row in enumerate(rows)]  # fmt: skip
    whole = {"table": cells, "highlighted_cells": [[99, 99]]}
    totto = read_totto(whole)
    assert to_totto(totto) == whole
    assert len(totto.column_headers(totto.cells[-1])) == len(totto.row_headers(totto.cells[-1])) == 1
    sheet = "\n".join("#".join(row) for row in rows)
    assert to_logicnlg(read_logicnlg(sheet, "t", list(range(100))))["table"] == rows
    slots = ", ".join(f"slot{n}[{n}]" for n in range(10_000))
    assert to_meaning_representation(read_meaning_representation(f"f({slots})")) == f"f({slots})"
    assert time.process_time() - start < 5


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def like(good: Any) -> st.SearchStrategy[Any]:
    """Data like a good record, in which any part may be anything else."""
    if isinstance(good, dict):
        kept: st.SearchStrategy[Any] = st.fixed_dictionaries(
            {}, optional={k: like(v) for k, v in good.items()}
        )
        whole: st.SearchStrategy[Any] = st.fixed_dictionaries({k: like(v) for k, v in good.items()})
        return st.one_of(whole, kept, PLAIN)
    if isinstance(good, list):
        return st.one_of(st.tuples(*map(like, good)).map(list), st.lists(like(good[0]), max_size=4), PLAIN)
    return st.one_of(st.just(good), st.just(good), st.just(good), PLAIN)


CELL = {"value": "v", "is_header": False, "row_span": 2, "column_span": 1}
TOTTO = {"table": [[CELL, CELL], [CELL]], "highlighted_cells": [[0, 1]], "table_page_title": "p"}
SCIGEN = {"table_caption": "c", "table_column_names": ["a", "a"], "table_content_values": [["x", "y"], ["z"]]}
DART = {"tripleset": [["a", "b", "c"], ["a", "b", "d"]], "annotations": [{"source": "s", "text": "t"}]}


@settings(max_examples=300)
@given(like(TOTTO), st.booleans())
def test_fuzzed_totto(record: Any, strict: bool) -> None:
    with suppress(StructureError):
        table = read_totto(record, strict=strict)
        written = to_totto(Table.from_dict(table.as_dict()))
        given = {"highlighted_cells": [], **record}
        assert written["table"] == given["table"]
        assert written["highlighted_cells"] == given["highlighted_cells"]


@settings(max_examples=200)
@given(like(SCIGEN))
def test_fuzzed_scigen(record: Any) -> None:
    with suppress(StructureError):
        written = to_scigen(Table.from_dict(read_scigen(record).as_dict()))
        assert written == {key: record[key] for key in written}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(like(DART), max_size=3) | PLAIN)
def test_fuzzed_dart(tmp_path: Path, records: Any) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    skipped: list[StructureError] = []
    with suppress(StructureError):
        found = list(read_dart_file(path, skipped.append))
        assert len(found) + len(skipped) == len(records)


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab[](), \n[]"), max_size=30))
def test_fuzzed_meaning_representations(text: str) -> None:
    with suppress(StructureError):
        written = to_meaning_representation(read_meaning_representation(text))
        assert "".join(written.split()) == "".join(text.split())


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 40))
def test_fuzzed_files(tmp_path: Path, noise: bytes, at: int, cut: int) -> None:
    path = tmp_path / "x"
    good = {
        read_webnlg_file: f"<benchmark><entries>{ENTRY}</entries></benchmark>",
        read_dart_file: json.dumps([DART]),
        read_scigen_file: json.dumps({"0": {**SCIGEN, "text": "t"}}),
        read_totto_file: json.dumps(TOTTO) + "\n",
        read_meaning_representation_file: "mr,ref\na[x],b\n",
    }
    for read, content in good.items():
        data = content.encode()
        path.write_bytes(data[:at] + noise + data[at + cut :])
        with suppress(StructureError):
            list(read(path))  # type: ignore[operator]
