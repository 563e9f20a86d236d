"""The data-to-text recipe: one style, both side by side, single sources, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from mtft.errors import ConfigError, MtftError
from mtft.runs import DataToTextArguments, Run, data_to_text, read_data_to_text, read_settings

MIXTURE = """
name: facts
tasks:
  - {task: mini_d2t/triples, languages: [en, qaa], templates: ["unified_*"], sample: {count: 60}}
  - {task: mini_d2t/table, languages: [en], templates: ["unified_*"]}
held_out: {report: {tasks: [mini_d2t/table]}}
"""


@pytest.fixture
def facts(tmp_path: Path, flags: list[str]) -> list[str]:
    """Flags of a run of six steps on facts in two structures."""
    mixture, suite = tmp_path / "facts.yaml", tmp_path / "facts_suite.yaml"
    mixture.write_text(MIXTURE, encoding="utf-8")
    suite.write_text(f"name: facts\nmixture: {mixture}\nprotocol: trained\n", encoding="utf-8")
    return [*flags, "--mixture", str(mixture), "--suite", str(suite)]


def test_both_styles_stand_side_by_side_on_the_same_items(facts: list[str], tmp_path: Path) -> None:
    arguments, rest = read_data_to_text(["--input_style", "both", *facts])
    place = data_to_text(arguments, "d2t_mt5", rest)
    assert place == tmp_path / "run" / "eval"
    results = json.loads((place / "results.json").read_text())
    assert [model["name"] for model in results["models"]] == ["base", "unified", "varied"]
    assert {model["step"] for model in results["models"][1:]} == {6}, "the same budget"
    cells = {(row["task"], row["model"], row["n_templates"]) for row in results["summary"]}
    assert {("mini_d2t/table", model, 4) for model in ("base", "unified", "varied")} <= cells
    pairs = {(row["a"], row["b"]) for row in results["comparisons"]}
    assert ("varied", "unified") in pairs, "paired on the same items and wordings"
    for style in ("unified", "varied"):
        manifest = json.loads((tmp_path / "run" / style / "mixture" / "manifest.json").read_text())
        names = {template["name"] for unit in manifest["units"] for template in unit["templates"]}
        assert len(names) == 4
        assert all(name.startswith(f"{style}_") for name in names)
        own = yaml.safe_load((tmp_path / "run" / style / "recipe.yaml").read_text())
        assert own["model"] == str(tmp_path / "run" / "shared" / "base")
    assert "unified" in (place / "report.md").read_text()


def test_one_style_is_one_run(facts: list[str], tmp_path: Path) -> None:
    place = data_to_text(DataToTextArguments("varied"), "d2t_mt5", facts)
    assert place == tmp_path / "run" / "eval"
    results = json.loads((place / "results.json").read_text())
    assert [model["name"] for model in results["models"]] == ["base", "finetuned"]
    assert {row["template"].split("_")[0] for row in results["cells"]} == {"varied"}


@pytest.mark.parametrize(
    ("argv", "mixture"),
    [
        (["--sources", "webnlg"], "d2t_webnlg"),
        (["--sources", "viggo", "--mixture", "d2t"], "d2t_viggo"),
        (["--mixture", "d2t"], "d2t"),
        ([], "mini_d2t"),
    ],
)
def test_the_options_name_the_mixture(argv: list[str], mixture: str) -> None:
    _, rest = read_data_to_text(argv)
    run, _ = read_settings("d2t_mt5", rest)
    assert run.mixture == mixture
    assert run.suite == (None if mixture == "mini_d2t" else "d2t")


def test_unknown_words_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"input_style.*unified"):
        read_data_to_text(["--input_style", "unifid"])
    with pytest.raises(ConfigError, match=r"sources.*viggo"):
        read_data_to_text(["--sources", "vigo"])
    with pytest.raises(MtftError, match="sample"):
        read_data_to_text(["--shots_train", "few"])


def test_the_unknown_template_of_a_style_is_told(facts: list[str]) -> None:
    with pytest.raises(MtftError, match="template"):
        data_to_text(DataToTextArguments(), "d2t_mt5", [*facts, "--mixture", "mini_xp3"])


@pytest.mark.data
@pytest.mark.parametrize(
    ("shots", "items"), [("16", {"webnlg": 16, "viggo": 16, "scigen": 16}), ("10%", {"webnlg": 51})]
)
def test_few_shots_are_spread_over_the_categories(
    shots: str, items: dict[str, int], data_root: Path, tmp_path: Path
) -> None:
    argv = ["--shots_train", shots, "--mixture", "d2t", "--data_root", str(data_root), "--evaluate", "false"]
    _, rest = read_data_to_text([*argv, "--output_dir", str(tmp_path / "run")])
    run = Run(*read_settings("d2t_mt5", rest))
    run.prepare_data()
    rows = {shard.summary.unit.split(":")[0]: shard.summary.rows for shard in run.data.built.shards}
    assert {name: rows[name] for name in items} == items
    drawn = run.data.built.shards[0].summary.sample["strata"]
    assert min(each["drawn"] for each in drawn.values()) >= 1


@pytest.mark.data
@pytest.mark.parametrize("sources", ["multi", "webnlg", "viggo", "scigen"])
def test_real_data_trains_on_its_sources_and_reports_the_others(
    sources: str, data_root: Path, tmp_path: Path
) -> None:
    argv = ["--sources", sources, "--mixture", "d2t", "--data_root", str(data_root)]
    argv += ["--output_dir", str(tmp_path / "run"), "--max_items_per_cell", "3", "--templates", "varied_*"]
    _, rest = read_data_to_text(argv)
    run = Run(*read_settings("d2t_mt5", rest))
    run.prepare_data()
    trained = {shard.summary.unit.split(":")[0] for shard in run.data.built.shards}
    assert trained == ({"webnlg", "viggo", "scigen", "totto"} if sources == "multi" else {sources})
    reported = {each.example.task for each in run.data.examples} - trained
    others = {"webnlg", "viggo", "scigen"} - trained
    assert reported == {"e2e_cleaned", "dart", "logicnlg"} | others
    scored = {(each.example.task, len(each.example.targets) > 1) for each in run.data.examples}
    assert ("e2e_cleaned", True) in scored, "several references"
    assert {leak.side for leak in run.data.built.leakage} == {"validation", "test"}
