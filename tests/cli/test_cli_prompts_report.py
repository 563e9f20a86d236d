"""`mtft prompts` and `mtft report`, on own templates and on results as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mtft.cli.main import app

run = CliRunner()
TEMPLATES = """
dataset: zoo
templates:
  11111111-1111-4111-8111-111111111111: !Template
    answer_choices: 'yes ||| no'
    id: 11111111-1111-4111-8111-111111111111
    jinja: "Is {{ animal }} a bird? ||| {{ answer_choices[label] }}"
    metadata: !TemplateMetadata
      choices_in_prompt: false
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: bird
    reference: ''
  22222222-2222-4222-8222-222222222222: !Template
    answer_choices: null
    id: 22222222-2222-4222-8222-222222222222
    jinja: "¿Qué animal es? {{ animal }} ||| {{ animal }}"
    metadata: !TemplateMetadata
      choices_in_prompt: false
      languages: [es]
      metrics: [Other]
      original_task: false
    name: animal
    reference: ''
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "templates.yaml").write_text(TEMPLATES, encoding="utf-8")
    return str(tmp_path)


def said(*arguments: str, stdin: str | None = None, code: int = 0) -> str:
    result = run.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == code, result.output
    return result.stdout


def test_own_templates_are_listed_beside_the_built_in_ones(folder: str) -> None:
    listed = {
        row["dataset"]: row for row in json.loads(said("prompts", "list", "--prompts", folder, "--json"))
    }
    assert listed["zoo"]["templates"] == 2
    assert listed["zoo"]["languages"] == ["en", "es"]
    assert "xcopa" in listed
    assert "bird" in said("prompts", "list", "zoo", "--prompts", folder)


def test_show_by_name_and_by_id(folder: str) -> None:
    by_name = said("prompts", "show", "zoo", "bird", "--prompts", folder)
    assert by_name == said(
        "prompts", "show", "zoo", "11111111-1111-4111-8111-111111111111", "--prompts", folder
    )
    assert "columns: animal, label" in by_name
    assert by_name.endswith("Is {{ animal }} a bird? ||| {{ answer_choices[label] }}\n")


def test_render_given_rows(folder: str) -> None:
    stdin = '{"animal": "a hen", "label": 0}\n\n{"animal": "[bold]a cat", "label": 1}\n{"label": 0}\n'
    arguments = ("prompts", "render", "zoo", "bird", "--row", "-", "--limit", "9", "--prompts", folder)
    made: list[dict[str, Any]] = json.loads(said(*arguments, "--json", stdin=stdin))
    assert [m.get("inputs") for m in made] == ["Is a hen a bird?", "Is [bold]a cat a bird?", None]
    assert [m.get("targets") for m in made] == [["yes"], ["no"], None]
    assert "animal" in made[2]["error"]
    assert "Is [bold]a cat a bird?" in said(*arguments, stdin=stdin)


def test_all_templates_are_rendered_without_a_name(folder: str) -> None:
    made = json.loads(
        said(
            "prompts",
            "render",
            "zoo",
            "--row",
            '{"animal": "ñandú", "label": 0}',
            "--prompts",
            folder,
            "--json",
        )
    )
    assert [m["template"] for m in made] == ["bird", "animal"]


def test_lint_fails_on_errors_only(folder: str) -> None:
    assert said("prompts", "lint", "zoo", "--prompts", folder).strip() == "No findings."
    path = Path(folder) / "zoo" / "templates.yaml"
    path.write_text(
        TEMPLATES.replace("choices_in_prompt: false", "choices_in_prompt: true"), encoding="utf-8"
    )
    assert "choices-in-prompt" in said("prompts", "lint", "zoo", "--prompts", folder, code=1)


def test_report_of_a_run(tmp_path: Path) -> None:
    results = {
        "schema": 1,
        "models": [{"name": "base"}, {"name": "finetuned"}],
        "summary": [
            {
                "model": model,
                "task": "t",
                "language": "th",
                "metric": "accuracy",
                "median": value,
                "chance": 0.5,
            }
            | {
                "low": value - 0.05,
                "high": value + 0.05,
                "seen": "held_out_language",
                "above_chance": value > 0.55,
            }
            for model, value in (("base", 0.5), ("finetuned", 0.7))
        ],
    }
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "results.json").write_text(json.dumps(results), encoding="utf-8")
    printed = said("report", str(tmp_path))
    assert printed.startswith("Yes. 1 of 1 held-out cell generalises")
    assert (tmp_path / "eval" / "report.html").is_file()
    said("report", str(tmp_path), "--output", str(tmp_path / "other"))
    assert sorted(p.name for p in (tmp_path / "other").iterdir()) == ["report.html", "report.md"]
    assert run.invoke(app, ["report", str(tmp_path), "--samples", "nope.parquet"]).exit_code == 2
