"""`mtft model` merges, exports and describes, and says what it cannot."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from mtft.cli.main import app
from tests.modeling.conftest import make_toy
from tests.runs.test_export import make_adapter
from tests.runs.test_model_card import make_run

run = CliRunner()


def test_merge_and_export_print_the_new_folder(tmp_path: Path) -> None:
    adapter = make_adapter(make_toy("bloom"), tmp_path)
    merged = run.invoke(
        app, ["model", "merge", str(adapter), str(tmp_path / "merged"), "--dtype", "bfloat16"]
    )
    assert merged.exit_code == 0, merged.output
    assert merged.stdout.split() == [str(tmp_path / "merged")]
    assert "bfloat16" in str(AutoModelForCausalLM.from_pretrained(tmp_path / "merged").dtype)
    exported = run.invoke(app, ["model", "export", str(adapter), str(tmp_path / "exported")])
    assert exported.exit_code == 0, exported.output
    assert (tmp_path / "exported" / "base" / "model.safetensors").is_file()


def test_a_card_is_written_anew(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    (folder / "README.md").write_text("old")
    written = run.invoke(app, ["model", "card", str(folder), "--licence", "apache-2.0"])
    assert written.exit_code == 0, written.output
    assert "license: apache-2.0" in (folder / "README.md").read_text(encoding="utf-8")


def test_mistakes_are_one_message(tmp_path: Path) -> None:
    for command in (["merge", str(tmp_path), str(tmp_path / "x")], ["card", str(tmp_path)]):
        result = run.invoke(app, ["model", *command])
        assert result.exit_code == 2
        assert "Error:" in result.output
        assert "Traceback" not in result.output
