"""The `mtft` command as a user meets it: quick to start, readable, and never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import mtft
from mtft.cli.main import app
from mtft.cli.output import explain
from mtft.errors import ConfigError

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "pandas",
    "pyarrow",
    "numpy",
    "jinja2",
    "deepspeed",
    "accelerate",
)
run = CliRunner()
COMMANDS = [
    *(["prompts", name] for name in ("list", "show", "render", "lint", "new", "watch", "stats")),
    *(["prompts", "translate", name] for name in ("export", "import", "machine")),
    *(["tasks", name] for name in ("list", "show")),
    *(["mixture", name] for name in ("list", "describe", "build", "export")),
    *(["model", name] for name in ("merge", "export", "card")),
    *(["recipes", name] for name in ("list", "path")),
    *(["trajectory", name] for name in ("gap", "report")),
    *(["eval", name] for name in ("run", "suites", "export-lm-eval", "rescore")),
    *([name] for name in ("predict", "probe", "report", "doctor")),
]


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from typer.testing import CliRunner
import mtft
heavy = {HEAVY!r}
assert not [name for name in heavy if name in sys.modules], "import mtft"
from mtft.cli.main import app
groups = (["mixture"], ["prompts"], ["eval"], ["eval", "run"], ["eval", "suites"], ["eval", "export-lm-eval"])
for arguments in (["--help"], ["--version"], *([*group, "--help"] for group in groups)):
    assert CliRunner().invoke(app, arguments).exit_code == 0
print([name for name in heavy if name in sys.modules])
"""
    assert python(code).strip() == "[]"


def test_version() -> None:
    assert run.invoke(app, ["--version"]).stdout.strip() == f"mtft {mtft.__version__}"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    result = run.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")


def test_the_list_of_commands_is_complete() -> None:
    def leaves(command: object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return {path}
        return {leaf for name, each in inner.items() for leaf in leaves(each, (*path, name))}

    assert leaves(typer.main.get_command(app)) == {tuple(command) for command in COMMANDS}


def test_a_mistake_is_one_message_on_standard_error_with_exit_code_2() -> None:
    result = run.invoke(app, ["prompts", "show", "xcpoa", "nope"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Did you mean: xcopa" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "no/such/run"], "results.json"),
        (["predict", "--model", "m", "--input", "no/such/file"], "No such file"),
        (["predict", "--model", "m"], "must be a prompt"),
        (["predict", "--model", "m", "--input", "x", "text"], "not both"),
        (["probe", "m"], "something to probe on"),
        (["recipes", "path", "xp3_mt6"], "Did you mean: xp3_mt5"),
        (["mixture", "describe", "no_such_mixture"], "name of a built-in one"),
        (["tasks", "show", "xcoppa"], "xcopa"),
        (["prompts", "list", "--prompts", "no/such/folder"], "folder"),
        (["prompts", "render", "xcopa", "--row", "{"], "JSON"),
        (["no-such-command"], "No such command"),
        (["eval", "--suite", "x"], "Missing option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_mistake_is_readable(arguments: list[str], message: str) -> None:
    result = run.invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_debug_lets_the_error_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTFT_DEBUG", "1")
    result = run.invoke(app, ["recipes", "path", "nope"])
    assert isinstance(result.exception, ConfigError)


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m mtft.cli.main prompts list | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr


def test_file_errors_name_the_file() -> None:
    assert explain(FileNotFoundError(2, "No such file", "a.txt")) == "a.txt: No such file."
    assert explain(KeyError()) == "KeyError"


def test_flags_may_be_written_with_underscores_as_in_the_recipes(tmp_path: Path) -> None:
    for flag in ("--data_root", "--data-root"):
        assert run.invoke(app, ["doctor", flag, str(tmp_path), "--json"]).exit_code == 0


def test_recipes_are_found_by_name() -> None:
    listed = json.loads(run.invoke(app, ["recipes", "list", "--json"]).stdout)
    assert {"xp3_mt5", "xp3_bloom", "zero_shot"} <= set(listed)
    for name, path in listed.items():
        assert Path(path).is_file()
        assert run.invoke(app, ["recipes", "path", name]).stdout.strip() == path
    assert run.invoke(app, ["recipes", "path", "recipes/xp3_mt5.py"]).stdout.strip() == listed["xp3_mt5"]


def test_tables_are_whole_when_piped() -> None:
    """No cell is cut or folded where there is no terminal; columns line up; no space ends a line."""
    lines = run.invoke(app, ["recipes", "list"]).stdout.splitlines()
    listed = json.loads(run.invoke(app, ["recipes", "list", "--json"]).stdout)
    assert len(lines) == len(listed) + 1
    assert {line.split()[-1] for line in lines[1:]} == set(listed.values())
    assert not any(line.endswith(" ") for line in lines)
