"""`mtft tasks` and `mtft mixture` on a user's own dataset: one card, one template file, one mixture."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mtft.cli.main import app

run = CliRunner()
CARD = """
dataset: zoo
title: Birds and beasts
cluster: topic_classification
licence: CC0
source: {kind: local, path: "zoo/{folder}/{file}"}
languages: {en: english, es: spanish, th: thai}
splits: {all: all.jsonl}
division: {kind: hash, splits: [all], shares: {train: 0.6, validation: 0.1, test: 0.3}}
item_group: "zoo/{number}"
row_id: "{number}"
columns: [number, animal, label]
metrics: [accuracy]
"""
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
"""
MIXTURE = """
name: zoo
title: animals in three languages
tasks: [{task: zoo}]
held_out: {report: {languages: [th]}}
"""
NAMES = {"english": "animal", "spanish": "ñandú", "thai": "สัตว์"}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that lead to the dataset; its Spanish file has a line that is no JSON."""
    monkeypatch.setenv("MTFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MTFT_DATA_ROOT", raising=False)
    prompts, data = tmp_path / "prompts", tmp_path / "data"
    (prompts / "zoo").mkdir(parents=True)
    (prompts / "zoo" / "task.yaml").write_text(CARD, encoding="utf-8")
    (prompts / "zoo" / "templates.yaml").write_text(TEMPLATES, encoding="utf-8")
    (tmp_path / "zoo.yaml").write_text(MIXTURE, encoding="utf-8")
    for folder, name in NAMES.items():
        rows = [{"number": n, "animal": f"{name} {n}", "label": n % 2} for n in range(40)]
        lines = [json.dumps(row, ensure_ascii=False) for row in rows] + ["{"] * (folder == "spanish")
        (data / "zoo" / folder).mkdir(parents=True)
        (data / "zoo" / folder / "all.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--prompts", str(prompts), "--data_root", str(data)]


def said(*arguments: str, code: int = 0) -> str:
    result = run.invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.stdout


def test_tasks_are_listed_by_cluster_and_language(zoo: list[str]) -> None:
    def names(*filters: str) -> set[str]:
        return {row["task"] for row in json.loads(said("tasks", "list", *zoo[:2], *filters, "--json"))}

    assert {"zoo", "xcopa"} <= names()
    assert "zoo" in names("--cluster", "topic_classification", "--language", "th")
    assert "xcopa" not in names("--cluster", "topic_classification")
    assert "zoo" not in names("--language", "quy")
    assert "topic_classification" in said("tasks", "list", *zoo[:2])


def test_show_counts_rows_per_side_and_prints_them(zoo: list[str]) -> None:
    facts = json.loads(said("tasks", "show", "zoo", *zoo, "--count", "--rows", "2", "--json"))
    assert [row["language"] for row in facts["rows"]] == ["en", "es", "th"]
    assert all(row["train"] + row["validation"] + row["test"] == 40 for row in facts["rows"])
    assert len({(row["train"], row["test"]) for row in facts["rows"]}) == 1
    assert [example["language"] for example in facts["examples"]] == ["en", "en", "es", "es", "th", "th"]
    assert facts["problems"]["total"] > 0
    assert "ñandú" in said("tasks", "show", "zoo", *zoo, "--language", "es", "--rows", "1")


def test_strict_stops_at_the_bad_line(zoo: list[str]) -> None:
    result = run.invoke(app, ["tasks", "show", "zoo", *zoo, "--count", "--strict"])
    assert result.exit_code == 2
    assert "spanish/all.jsonl:41" in result.stderr


def test_render_takes_rows_from_the_data(zoo: list[str]) -> None:
    made = json.loads(said("prompts", "render", "zoo", *zoo, "--language", "th", "--limit", "3", "--json"))
    assert len(made) == 3
    assert all(item["inputs"].startswith("Is สัตว์") for item in made)
    assert run.invoke(app, ["prompts", "render", "zoo", *zoo, "--side", "tset"]).exit_code == 2


def test_describe_names_the_cells_without_data(zoo: list[str], tmp_path: Path) -> None:
    cells = json.loads(said("mixture", "describe", str(tmp_path / "zoo.yaml"), *zoo[:2], "--cells", "--json"))
    assert [(cell["side"], cell["language"]) for cell in cells] == [
        ("train", "en"),
        ("train", "es"),
        ("report", "th"),
    ]


def test_describe_packing_proposes_a_capacity_per_kind_of_model(zoo: list[str], tmp_path: Path) -> None:
    arguments = ("mixture", "describe", str(tmp_path / "zoo.yaml"), *zoo, "--packing", "--positions", "200")
    found = json.loads(said(*arguments, "--json"))
    assert (found["positions"], found["length_unit"]) == (200, "bytes")
    for kind, dimensions in (("causal", 1), ("seq2seq", 2)):
        proposed = [each for each in found[kind] if each["proposed"]]
        assert len(proposed) == 1
        assert proposed[0]["dropped"] == 0
        assert len(proposed[0]["capacities"]) == len(proposed[0]["utilisation"]) == dimensions
    assert said(*arguments).count("proposed") == 2


def test_build_describe_export_agree(zoo: list[str], tmp_path: Path) -> None:
    mixture = str(tmp_path / "zoo.yaml")
    built: dict[str, Any] = json.loads(said("mixture", "build", mixture, *zoo, "--json"))
    assert built["rows"] > 0
    assert Path(built["overlap"]["path"]).stat().st_size > 8 * sum(built["overlap"]["counts"].values()) > 0
    assert built["overlap"]["path"] in said("mixture", "build", mixture, *zoo).replace("\n", "")
    assert list((tmp_path / "cache" / "mixtures").glob("*.arrow"))
    described = said("mixture", "describe", mixture, *zoo, "--positions", "100")
    assert "held out for the report: 1 cells" in described
    assert "100 positions" in described
    for name, suffix in (("jsonl", "*.jsonl"), ("parquet", "*.parquet")):
        folder = tmp_path / name
        written = json.loads(
            said("mixture", "export", mixture, *zoo, "--output_dir", str(folder), "--format", name, "--json")
        )
        assert sum(written.values()) == built["examples"]
        assert {path.relative_to(folder).as_posix() for path in folder.rglob(suffix)} == set(written)
        assert {path.parent.name for path in folder.rglob(suffix)} == {"en", "es"}
    rows = pq.read_table(next((tmp_path / "parquet").rglob("*.parquet"))).to_pylist()
    assert rows[0]["item_group"].startswith("zoo/")


def test_describe_warns_of_rows_that_repeat_too_often(zoo: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bound.yaml"
    path.write_text(MIXTURE + "rates: {max_repetition: 1}\n", encoding="utf-8")
    arguments = ["mixture", "describe", str(path), *zoo]
    warning = "Warning: .*9,999 positions.*raise `max_repetition`"
    assert re.search(warning, said(*arguments, "--positions", "9999").splitlines()[-1])
    assert "Warning" not in said(*arguments)
    result = run.invoke(app, [*arguments, "--positions", "9999", "--json"])
    assert json.loads(result.stdout)["n_positions"] == 9999
    assert re.search(warning, result.stderr)


def test_the_policy_for_long_prompts_goes_before_the_file(zoo: list[str], tmp_path: Path) -> None:
    arguments = ["mixture", "build", str(tmp_path / "zoo.yaml"), *zoo, "--json"]
    found = [json.loads(said(*arguments, *more)) for more in ((), ("--over_long", "truncate"))]
    assert [manifest["limits"]["over_long"] for manifest in found] == ["drop", "truncate"]
    assert found[0]["fingerprint"] == found[1]["fingerprint"]  # without a tokenizer no limit applies
    result = run.invoke(app, [*arguments, "--over_long", "truncat"])
    assert result.exit_code == 2
    assert "--over_long" in result.stderr


def test_a_format_that_is_none(zoo: list[str], tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    result = run.invoke(
        app, ["mixture", "export", str(tmp_path / "zoo.yaml"), *zoo, "--output_dir", out, "--format", "jsnl"]
    )
    assert result.exit_code == 2
    assert "jsonl" in result.stderr


def test_the_built_in_mixtures_are_listed() -> None:
    listed = json.loads(said("mixture", "list", "--json"))
    assert {"mini_xp3", "open_multilingual"} <= {row["name"] for row in listed}


def test_a_data_root_that_is_none_is_told(zoo: list[str]) -> None:
    result = run.invoke(app, ["tasks", "show", "zoo", *zoo[:2], "--count", "--data_root", "no/such/folder"])
    assert result.exit_code == 2
    assert "no/such/folder" in result.stderr


def test_eval_has_the_options_of_the_script_with_the_same_defaults() -> None:
    """`mtft eval` and `eval/zero_shot.py` must not drift apart."""
    from mtft.cli.evaluate import evaluate
    from mtft.runs import EvaluateArguments

    fields = {f.name: f for f in dataclasses.fields(EvaluateArguments)}
    parameters = inspect.signature(evaluate).parameters
    assert set(parameters) == set(fields)
    for name, parameter in parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            made = fields[name].default_factory
            wanted = made() if made is not dataclasses.MISSING else fields[name].default
            assert parameter.default == wanted, name


@pytest.mark.data
def test_real_rows_are_shown(data_root: Path) -> None:
    facts = json.loads(
        said(
            "tasks",
            "show",
            "xcopa",
            "--data_root",
            str(data_root),
            "--language",
            "th",
            "--rows",
            "1",
            "--json",
        )
    )
    assert facts["examples"][0]["premise"]
