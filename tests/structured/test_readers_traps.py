"""What real data holds, by count: each of these breaks a simpler reader."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

from mtft.structured import (
    VIGGO_LIST_SLOTS,
    read_dart_file,
    read_logicnlg_file,
    read_meaning_representation_file,
    read_scigen_file,
    read_totto_file,
    read_webnlg_file,
    to_triples,
    values_of,
)
from mtft.structured.meaning_representation import slot_name


def breaks_when_split(meaning: str) -> bool:
    inside = meaning.partition("(")[2].removesuffix(")")
    return not all(re.fullmatch(r".*\[.*\]", part) for part in inside.split(", "))


def test_half_of_viggos_meaning_representations_break_when_split_at_commas(data_root: Path) -> None:
    broken: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for path in sorted((data_root / "viggo/en").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                total[path.stem] += 1
                broken[path.stem] += breaks_when_split(row["mr"])
    assert broken == {"train": 1035, "valid": 330, "test": 468}  # 52 %, 46 % and 47 % of the rows
    assert total == {"train": 2001, "valid": 714, "test": 1002}


def test_viggos_lists_acts_and_empty_slots(data_root: Path) -> None:
    files = [data_root / f"viggo/en/{name}.csv" for name in ("train", "valid", "test")]
    found = [entry for path in files for entry in read_meaning_representation_file(path)]
    assert len({entry.category for entry in found}) == 9
    assert sum(len(entry.references) for entry in found) == 3717
    cells = [(entry.table, cell) for entry in found for cell in entry.table.data]
    split = Counter(slot_name(*pair) for pair in cells if len(values_of(*pair)) > 1)
    assert set(split) == VIGGO_LIST_SLOTS
    commas = {slot_name(*pair) for pair in cells if "," in pair[1].text}
    assert commas - VIGGO_LIST_SLOTS == {"exp_release_date", "developer"}
    assert any(cell.value == "" for _, cell in cells)
    assert any(")" in cell.text for _, cell in cells)


def test_e2es_references_are_many_and_some_lack_a_name(data_root: Path) -> None:
    test = list(read_meaning_representation_file(data_root / "e2e_cleaned/en/test.csv"))
    assert sum(len(entry.references) for entry in test) == 1002
    assert max(len(entry.references) for entry in test) > 10
    assert all(entry.category is None for entry in test)


def test_dart_has_missing_keys_contexts_and_spaces(data_root: Path) -> None:
    dev = list(read_dart_file(data_root / "dart/en/dev.json"))
    missing = [entry for entry in dev if not entry.extra]
    assert len(missing) == 1076
    assert {source for entry in missing for source in entry.sources} == {"e2e"}
    assert sum(len(entry.references) for entry in dev) == 5094
    contexts = [e for e in dev if any(t[0] == "[TABLECONTEXT]" for t in to_triples(e.table))]
    assert len(contexts) == 42
    assert any(entry.table.titles for entry in contexts)
    content = (data_root / "dart/en/test.xml").read_bytes()
    assert b"\r\n" in content
    test = list(read_dart_file(data_root / "dart/en/test.xml"))
    assert not any("\r" in text for entry in test for text in entry.references)
    assert any(subject != subject.strip() for entry in test for subject, _, _ in to_triples(entry.table))
    sources = Counter(source for entry in test for source in entry.sources)
    assert (sources["webnlg"], sources["e2e"], sum(sources.values())) == (1378, 931, 2426)


def test_webnlg_has_quotes_comments_and_names_used_twice(data_root: Path) -> None:
    files = sorted((data_root / "webnlg_enriched").rglob("*.xml"))
    found = [entry for path in files for entry in read_webnlg_file(path)]
    assert Counter(comment for entry in found for comment in entry.comments) == {
        "good": 3473,
        "toFix": 16,
        "bad": 6,
    }
    triples = [to_triples(entry.table) for entry in found]
    assert sum(any('"' in value for _, _, value in each) for each in triples) == 406
    assert sum(any("_" in subject for subject, _, _ in each) for each in triples) > 1000
    assert sum(len({subject for subject, _, _ in each}) > 1 for each in triples) > 400
    assert sum(len({t[:2] for t in each}) < len(each) for each in triples) > 50
    assert len({entry.id for entry in found}) < len(found)
    assert all(entry.size == len(each) for entry, each in zip(found, triples, strict=True))
    german = [entry for path in files if "/de/" in path.as_posix() for entry in read_webnlg_file(path)]
    assert all(text.endswith(" ") for entry in german for text in entry.references)


def test_scigen_has_duplicate_columns_markup_and_a_table_without_rows(data_root: Path) -> None:
    found = [
        entry
        for path in sorted((data_root / "scigen/few-shot").glob("*.json"))
        for entry in read_scigen_file(path)
    ]
    names = [[cell.value for cell in entry.table.cells if cell.column_header] for entry in found]
    assert sum(len(set(each)) < len(each) for each in names) == 109
    assert (
        sum(
            any("[BOLD]" in cell.text or "[ITALIC]" in cell.text for cell in entry.table.cells)
            for entry in found
        )
        > 900
    )
    assert sum(not entry.table.data for entry in found) == 1


def test_logicnlgs_columns_come_in_any_order(data_root: Path) -> None:
    folder = data_root / "logicnlg/en"
    found = [
        entry
        for name in ("val", "test")
        for entry in read_logicnlg_file(folder / f"{name}_lm.json", folder / "tables")
    ]
    linked = [entry.table.extra["linked_columns"] for entry in found]
    assert sum(columns != sorted(columns) for columns in linked) == 15
    assert all(entry.table.highlighted for entry in found)


def test_totto_has_negative_names_spans_and_marked_headers(data_root: Path) -> None:
    found = list(read_totto_file(data_root / "totto_sample/en/dev_sample.jsonl"))
    assert [len(entry.references) for entry in found] == [3] * 5
    assert any(entry.id.startswith("-") and len(entry.id) > 17 for entry in found)
    table = found[-1].table  # its first two rows are headers that span two rows or three columns
    marked = [cell for cell in table.cells if cell.highlighted]
    assert [[head.text for head in table.column_headers(cell)] for cell in marked] == [
        ["Premiered", "Date"],
        ["Premiered", "Premiere viewers (in millions)"],
    ]
    assert [[head.text for head in table.row_headers(cell)] for cell in marked] == [["1"], ["1"]]
