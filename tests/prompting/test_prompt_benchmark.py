"""The benchmark runs and finds equal results; its figures are for `.ci/full` and a quiet machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.claims import Claim, table, write_claims
from benchmarks.prompt_rendering import main

CLAIMS = {
    *("render_vs_compile_per_call", "render_rows_per_second", "collection_cold_seconds"),
    *("collection_warm_seconds", "one_dataset_milliseconds"),
}


@pytest.mark.data
def test_the_benchmark_of_prompts_writes_its_claims(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "claims.json"
    settings = ["--repeats", "1", "--rows", "10", "--processes", "0", "--no_plain_yaml"]
    claims = main(["--data_root", str(data_root), "--json", str(file), *settings])
    rows = json.loads(file.read_text())
    assert {row["claim"] for row in rows} >= CLAIMS
    assert all(set(row) == {"claim", "ours", "peer", "value", "unit", "equal"} for row in rows)
    assert all(row["equal"] is not False and row["value"] > 0 for row in rows)
    assert rows[0]["equal"] is True
    assert table(claims) in capsys.readouterr().out


def test_claims_are_a_list_with_one_a_line(tmp_path: Path) -> None:
    claims = [Claim("a", 2.0, None, 2.0, "s", None), Claim("b", 3.0, 1.5, 2.0, "x", True)]
    write_claims(tmp_path / "claims.json", claims)
    text = (tmp_path / "claims.json").read_text()
    assert json.loads(text)[1] == {
        "claim": "b",
        "ours": 3.0,
        "peer": 1.5,
        "value": 2.0,
        "unit": "x",
        "equal": True,
    }
    assert len(text.splitlines()) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["claims.json"]
    assert table(claims).splitlines()[1].split() == ["a", "2", "-", "2", "s", "-"]
