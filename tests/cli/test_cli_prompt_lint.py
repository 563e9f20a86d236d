"""`mtft prompts lint`: paths and datasets, formats, exit codes, fixes, real rows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.prompting.linting import RULES

run = CliRunner()
TEMPLATES = """dataset: zoo
templates:
  11111111-1111-4111-8111-111111111111: !Template
    answer_choices: 'yes ||| no'
    id: 11111111-1111-4111-8111-111111111111
    jinja: "Is the {{ animal }} a bird, yes or no? ||| {{ answer_choices[label] }}"
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages: [en]
      metrics: [Accuracy] # of course
      original_task: true
    name: bird
    reference: ''
"""
CARD = """dataset: zoo
cluster: topic_classification
source: {kind: local, path: "zoo/{file}"}
splits: {test: test.jsonl}
languages: {en: en}
division: {kind: published, sides: {test: [test]}}
labels: ["yes", "no"]
columns: [animal, label]
sample: {animal: hen, label: 0}
"""
ROWS = [{"animal": "hen", "label": 0}, {"animal": "cow", "label": 1}]


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTFT_DATA_ROOT", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prompts" / "zoo" / "templates.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(TEMPLATES, encoding="utf-8")
    (path.parent / "task.yaml").write_text(CARD, encoding="utf-8")
    return path


def lint(*arguments: str | Path, code: int = 0) -> Any:
    result = run.invoke(app, ["prompts", "lint", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_file_a_folder_and_a_dataset_are_linted(file: Path) -> None:
    folder = file.parents[1]
    for arguments in ([file], [folder], ["zoo", "--prompts", folder]):
        result = lint(*arguments)
        assert result.stdout == "No findings.\n"
        assert "1 templates in 1 files" in result.stderr


def test_errors_end_in_1_and_warnings_where_asked(file: Path) -> None:
    change(file, "original_task: true", "original_task: null")
    assert "warning original-task" in lint(file).stdout
    assert lint(file, "--warnings_fail", code=1).stdout.endswith("1 warning.\n")
    assert lint(file, "--warnings_fail", "--ignore", "original-task").stdout == "No findings.\n"
    change(file, "choices_in_prompt: true", "choices_in_prompt: null")
    change(file, "{{ animal }}", "{{ animals }}")
    found = lint(file, code=1).stdout
    assert ":6: error unknown-column: template `bird`: uses `animals`, which is no column." in found
    assert "Did you mean: animal?" in found


def test_the_card_beside_the_file_is_the_one(file: Path) -> None:
    change(file.parent / "task.yaml", '["yes", "no"]', '["yes", "no", "maybe"]')
    assert "choice-count" in lint(file, code=1).stdout
    (file.parent / "task.yaml").unlink()
    assert lint(file).stdout == "No findings.\n"


def test_a_path_does_not_take_a_built_in_card(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(TEMPLATES.replace("dataset: zoo", "dataset: xcopa"), encoding="utf-8")
    assert lint(path).stdout == "No findings.\n"


def test_mistakes_of_the_command_end_in_2(tmp_path: Path) -> None:
    for arguments in (["gone"], [tmp_path], ["--format", "xml"], ["--ignore", "langage"], ["--rows", "-1"]):
        lint(*arguments, code=2)
    assert "language" in lint("--ignore", "langage", code=2).stderr


def test_json_and_sarif(file: Path, tmp_path: Path) -> None:
    change(file, "[Accuracy]", "[accuracy]")
    told = json.loads(lint(file, "--format", "json").stdout)
    (finding,) = told["findings"]
    assert finding == {
        "rule": "metric",
        "severity": "warning",
        "template": "bird",
        "id": "11111111-1111-4111-8111-111111111111",
        "file": str(file),
        "line": 10,
        "message": finding["message"],
        "fixable": True,
    }
    (counts,) = told["statistics"]
    assert (counts["rows"], counts["rendered"], counts["input_characters"]["median"]) == (1, 1, 29)
    assert json.loads(lint(file, "--json").stdout) == told
    output = tmp_path / "out" / "lint.sarif"
    assert lint(file, "--format", "sarif", "--output", output).stdout == ""
    (made,) = json.loads(output.read_text(encoding="utf-8"))["runs"]
    place = made["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == os.path.relpath(file).replace(os.sep, "/")
    assert place["region"] == {"startLine": 10}
    assert len(made["tool"]["driver"]["rules"]) == len(RULES)
    assert sorted(p.name for p in output.parent.iterdir()) == ["lint.sarif"]


def test_fix_mends_and_shows_the_change(file: Path) -> None:
    change(file, "[Accuracy]", "[accuracy]")
    result = lint(file, "--fix", "--warnings_fail")
    assert result.stdout == "No findings.\n"
    assert "-      metrics: [accuracy] # of course\n+      metrics: [Accuracy] # of course\n" in result.stderr
    assert file.read_text(encoding="utf-8") == TEMPLATES
    assert "0 values were changed." in lint(file, "--fix").stderr


def test_a_file_that_cannot_be_read_is_a_finding(file: Path) -> None:
    other = file.parents[1] / "odd" / "templates.yaml"
    other.parent.mkdir()
    other.write_text("dataset: odd\ntemplates: 3\n", encoding="utf-8")
    assert "odd/templates.yaml:2: error file-format" in lint(file.parents[1], code=1).stdout


def test_real_rows(file: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "zoo" / "test.jsonl"
    data.parent.mkdir(parents=True)
    hidden = {"animal": "bat", "label": -1}
    data.write_text("".join(json.dumps(row) + "\n" for row in [*ROWS, hidden]), encoding="utf-8")
    root = ["--data_root", tmp_path / "data"]
    assert lint(file, *root, "--rows", "2").stdout == "No findings.\n"
    found = lint(file, *root).stdout
    assert "rows-skipped" in found
    assert "1 of 3 rows" in found
    assert "label-guard" in found  # rows do have -1
    assert lint(file, *root, "--rows", "0").stdout == "No findings.\n"
    table = lint(file, *root, "--statistics", "--rows", "2").stdout
    assert [line.split()[1:] for line in table.splitlines()[2:]] == [
        ["bird", "2", "0", "0", "29.0", "29", "2.5", "3"]
    ]


def test_notes_are_given_where_asked(file: Path) -> None:
    (file.parent / "task.yaml").unlink()
    assert "note label-guard" in lint(file, "--notes", "--warnings_fail").stdout


@pytest.mark.parametrize("warm", [False, True])
def test_a_comment_silences(file: Path, warm: bool) -> None:
    change(file, "original_task: true", "original_task: null")
    if warm:
        lint(file)
    change(file, "    answer_choices", "    # lint: ignore original-task\n    answer_choices")
    assert lint(file).stdout == "No findings.\n"


def test_the_built_in_library_is_free_of_findings() -> None:
    result = lint("--warnings_fail")
    assert result.stdout == "No findings.\n"
