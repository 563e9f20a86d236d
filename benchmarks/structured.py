"""How fast structured data is read and linearised, against plain parsing of the same files.

    python benchmarks/structured.py --data_root DATA [--json FILE]

The floor is what any reader must do: the standard library's json, csv (rows as mappings from column names) or
XML parser over the same files, and nothing done with what they give. Ours makes a table of every row and
linearises it in the style `unified`. Both must count the same rows (references, statements, records or entries)
before anything is timed. They are timed in turn, in this process, in seconds of its core, so that other work on
the machine counts less; medians are reported, and `value` is our time over the floor's.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import os
import statistics
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from mtft.structured import (
    Entry,
    read_dart_file,
    read_logicnlg_file,
    read_meaning_representation_file,
    read_scigen_file,
    read_totto_file,
    read_webnlg_file,
)
from mtft.structured.linearize import linearize

Work = Callable[[], int]
GOAL = 5  # times the floor


def parse_xml(paths: Sequence[Path]) -> int:
    """Entries of XML files."""
    return sum(len(ElementTree.parse(path).findall(".//entry")) for path in paths)


def parse_json(paths: Sequence[Path]) -> int:
    """Records of JSON files."""
    return sum(len(json.loads(path.read_bytes())) for path in paths)


def parse_json_lines(paths: Sequence[Path]) -> int:
    """Records of JSON Lines files."""
    count = 0
    for path in paths:
        with path.open("rb") as file:
            count += len([json.loads(line) for line in file])
    return count


def parse_csv(paths: Sequence[Path]) -> int:
    """Rows of CSV files."""
    count = 0
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            count += len(list(csv.DictReader(file)))
    return count


def parse_statements(paths: Sequence[Path], tables: Path) -> int:
    """Statements of JSON files, with the table files that they name."""
    count = 0
    for path in paths:
        for name, statements in json.loads(path.read_bytes()).items():
            with (tables / name).open(encoding="utf-8", newline="") as file:
                list(csv.reader(file, delimiter="#", quoting=csv.QUOTE_NONE))
            count += len(statements)
    return count


def linearised(entries: Iterable[Entry], *, by_reference: bool = False) -> int:
    """Rows of entries, each linearised."""
    count = 0
    for entry in entries:
        linearize(entry.table, "unified")
        count += len(entry.references) if by_reference else 1
    return count


def sources(root: Path) -> dict[str, tuple[Work, Work]]:
    """For each source our work and the floor's."""
    webnlg = sorted((root / "webnlg_enriched/en").rglob("*.xml"))
    dart, dart_xml = root / "dart/en/dev.json", root / "dart/en/test.xml"
    e2e, viggo = sorted((root / "e2e_cleaned/en").glob("*.csv")), sorted((root / "viggo/en").glob("*.csv"))
    scigen = sorted((root / "scigen/few-shot").glob("*.json"))
    logic, tables = sorted((root / "logicnlg/en").glob("*_lm.json")), root / "logicnlg/en/tables"
    totto = sorted((root / "totto_sample/en").glob("*.jsonl"))

    def chain(read: Callable[[Path], Iterable[Entry]], paths: Sequence[Path]) -> Iterable[Entry]:
        return (entry for path in paths for entry in read(path))

    def meanings(paths: Sequence[Path]) -> int:
        return linearised(chain(read_meaning_representation_file, paths), by_reference=True)

    return {
        "webnlg": (lambda: linearised(chain(read_webnlg_file, webnlg)), lambda: parse_xml(webnlg)),
        "dart_json": (lambda: linearised(read_dart_file(dart)), lambda: parse_json([dart])),
        "dart_xml": (lambda: linearised(read_dart_file(dart_xml)), lambda: parse_xml([dart_xml])),
        "e2e": (lambda: meanings(e2e), lambda: parse_csv(e2e)),
        "viggo": (lambda: meanings(viggo), lambda: parse_csv(viggo)),
        "scigen": (lambda: linearised(chain(read_scigen_file, scigen)), lambda: parse_json(scigen)),
        "logicnlg": (
            lambda: linearised(chain(lambda path: read_logicnlg_file(path, tables), logic)),
            lambda: parse_statements(logic, tables),
        ),
        "totto": (lambda: linearised(chain(read_totto_file, totto)), lambda: parse_json_lines(totto)),
    }


def seconds(work: Work, times: int) -> float:
    """Mean core seconds of one run."""
    gc.collect()
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def claim(name: str, ours: Work, floor: Work, repeats: int) -> Claim:
    """Median rows per second of both, and how many times the floor's time ours takes."""
    rows = floor()
    equal = ours() == rows
    times = max(1, round(0.02 / max(seconds(floor, 1), 1e-4)))  # a small file is read several times over
    pairs = [(seconds(ours, times), seconds(floor, times)) for _ in range(repeats)]
    mine, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Claim(f"read_{name}_vs_parse", rows / mine, rows / plain, mine / plain, "x", equal)


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data_root", default=os.environ.get("MTFT_DATA_ROOT"), help="holds webnlg_enriched/ …"
    )
    parser.add_argument("--json", metavar="FILE", help="write the claims there")
    parser.add_argument("--repeats", type=int, default=7, help="measurements whose median counts")
    parser.add_argument("--only", nargs="*", metavar="SOURCE", help="some sources")
    chosen = parser.parse_args(arguments)
    if chosen.data_root is None:
        parser.error("--data_root, or MTFT_DATA_ROOT, must name the folder that holds the datasets")
    works = sources(Path(chosen.data_root))
    claims = [
        claim(name, *work, chosen.repeats) for name, work in works.items() if name in (chosen.only or works)
    ]
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
