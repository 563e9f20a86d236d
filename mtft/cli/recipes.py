"""`mtft recipes`: the launchable scripts and settings, wherever the package is installed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated

import typer

from mtft.cli.options import Json
from mtft.cli.output import say, say_json, say_table
from mtft.errors import ConfigError, nearest
from mtft.resources import builtin_folder

app = typer.Typer(help="Launchable recipes and their settings.", no_args_is_help=True)
SUFFIXES = (".py", ".yaml", ".json")


def _files() -> dict[str, Path]:
    """Name to path: scripts by their stem, settings by folder and stem, `zero_shot` for the evaluation."""
    recipes, evaluation = builtin_folder("recipes"), builtin_folder("eval")
    found = [(recipes, path) for path in recipes.rglob("*")] + [(evaluation, evaluation / "zero_shot.py")]
    named: dict[str, Path] = {}
    for folder, path in sorted(found, key=lambda pair: (len(pair[1].parts), pair[1])):
        if path.suffix in SUFFIXES and not path.name.startswith("_"):
            named.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return named


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every recipe, mixture, and Accelerate or DeepSpeed setting, with its path."""
    files = _files()
    if as_json:
        say_json({name: str(path) for name, path in files.items()})
        return
    rows = [(name, _summary(path), path) for name, path in files.items()]
    say_table(("name", "what", "path"), rows)


def _summary(path: Path) -> str:
    """The first line of a script's docstring or of a settings file's opening comment."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
    first = text.partition("\n")[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""


@app.command()
def path(
    name: Annotated[str, typer.Argument(help="xp3_mt5, deepspeed/zero2, mixtures/NAME, zero_shot, …")],
) -> None:
    """Print one file's path: `accelerate launch $(mtft recipes path xp3_mt5)`."""
    files = _files()
    stem = name.removesuffix(".py").removesuffix(".yaml").removesuffix(".json").removeprefix("recipes/")
    if stem not in files:
        raise ConfigError(
            "A recipe must be one of the built-in ones.", found=f"`{name}`", remedy=nearest(stem, files)
        )
    say(files[stem])
