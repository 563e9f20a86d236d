"""Reading a run's settings: recipe file, then the mixture's own block, then a preset, then the command line."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from transformers import HfArgumentParser

from mtft.errors import ConfigError, nearest
from mtft.prompting.tree import shallow
from mtft.resources import builtin_folder, find_yaml
from mtft.runs.arguments import RunArguments
from mtft.training import MultitaskArguments

BLOCKS = ("mixtures", "presets")
EXTENDS = "extends"
T = TypeVar("T")


class StrictParser(HfArgumentParser):  # type: ignore[misc]
    """The Hugging Face argument parser, with unknown flags and bad values told as `ConfigError`."""

    def __init__(self, *types: type) -> None:
        super().__init__(list(types), allow_abbrev=False)
        self.known = {field.name for kind in types for field in dataclasses.fields(kind) if field.init}

    def error(self, message: str) -> NoReturn:
        """Raises instead of printing the usage of a hundred flags."""
        raise ConfigError("The command line must hold known flags with values of their type.", found=message)

    def read_known(self, argv: Sequence[str]) -> tuple[Any, ...]:
        """The dataclasses filled from `argv`, and last the arguments that are none of theirs."""
        return tuple(
            self.parse_args_into_dataclasses(
                list(argv), return_remaining_strings=True, look_for_args_file=False
            )
        )

    def read(self, argv: Sequence[str], defaults: Mapping[str, Any]) -> tuple[Any, ...]:
        """The dataclasses filled from `defaults` and, over them, from `argv`.

        Raises:
            ConfigError: A flag is unknown (its nearest match is named) or a value has the wrong type.
        """
        self.set_defaults(**defaults)
        for action in self._actions:
            action.required = action.required and action.dest not in defaults
        *filled, rest = self.read_known(argv)
        if rest:
            name = rest[0].lstrip("-").split("=")[0].replace("-", "_")
            raise ConfigError(
                "Every flag must be known.", found=f"`{rest[0]}`", remedy=nearest(name, self.known)
            )
        return tuple(filled)


def recipe_file(name_or_path: str) -> Path:
    """The settings file of a recipe: a path, or the name of one in `recipes/runs`.

    Raises:
        ConfigError: There is none; the nearest names are given.
    """
    return find_yaml(name_or_path, builtin_folder("recipes") / "runs", what="recipe")


def load_settings(path: Path, known: set[str]) -> dict[str, Any]:
    """A settings file as a mapping whose keys are all known, over the file that it `extends`.

    Raises:
        ConfigError: A file is not a mapping, holds an unknown key, or extends itself.
    """
    chain = [(path, _load_one(path, known))]
    while base := chain[-1][1].pop(EXTENDS, None):
        beside = path.parent / str(base)
        path = beside if beside.is_file() else recipe_file(str(base))
        if any(path.samefile(file) for file, _ in chain):
            raise ConfigError(
                "A settings file must not extend itself.", found=f"`{EXTENDS}: {base}`", where=chain[-1][0]
            )
        chain.append((path, _load_one(path, known)))
    settings: dict[str, Any] = {}
    for _, content in reversed(chain):
        blocks = {name: (settings.get(name) or {}) | (content.get(name) or {}) for name in BLOCKS}
        settings |= content | blocks
    return settings


def _load_one(path: Path, known: set[str]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(shallow(path.read_text(encoding="utf-8"))) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError("A settings file must be YAML.", found=error, where=path) from error
    if not isinstance(content, dict):
        raise ConfigError("A settings file must be a mapping.", found=type(content).__name__, where=path)
    levels = [(key, "") for key in content if key not in (EXTENDS, *BLOCKS)]
    for block in BLOCKS:
        for name, inner in (content.get(block) or {}).items():
            levels += [(key, f"{block}.{name}") for key in inner or {}]
    for key, level in levels:
        if key not in known:
            place = f"{path}: {level}".removesuffix(": ")
            raise ConfigError(
                "Every key must be known.", found=f"`{key}`", where=place, remedy=nearest(key, known)
            )
    return content


def option(argv: Sequence[str], name: str) -> tuple[str | None, list[str]]:
    """The value of `--name VALUE` or `--name=VALUE`, and the arguments without it."""
    rest, value, items = [], None, iter(argv)
    for item in items:
        if item == f"--{name}":
            value = next(items, None)
            if value is None:
                raise ConfigError(f"`--{name}` needs a value.")
        elif item.startswith(f"--{name}="):
            value = item.split("=", 1)[1]
        else:
            rest.append(item)
    return value, rest


def _block(content: Mapping[str, Any], block: str, name: str, path: Path) -> dict[str, Any]:
    blocks = content.get(block) or {}
    if name not in blocks:
        raise ConfigError(
            f"The settings must hold the asked block of `{block}`.",
            found=f"`{name}`",
            where=path,
            remedy=nearest(name, blocks),
        )
    return dict(blocks[name])


def read_settings(recipe: str, argv: Sequence[str] | None = None) -> tuple[RunArguments, MultitaskArguments]:
    """The settings of one run.

    Order, later over earlier: the recipe's file (`recipes/runs/<recipe>.yaml`, or the one that `--settings` names);
    its `mixtures.<name>` block for the chosen mixture; its `presets.<name>` block for `--preset`; the flags.

    Args:
        recipe: Name of the recipe, or the path of its file.
        argv: Flags; by default the process's.

    Raises:
        ConfigError: An unknown key or flag, a bad value, or a missing file.
    """
    name = Path(recipe).stem
    settings, rest = option(sys.argv[1:] if argv is None else argv, "settings")
    preset, rest = option(rest, "preset")
    mixture, _ = option(rest, "mixture")
    parser = StrictParser(RunArguments, MultitaskArguments)
    path = recipe_file(settings or recipe)
    content = load_settings(path, parser.known)
    defaults = {"output_dir": f"runs/{name}"} | {k: v for k, v in content.items() if k not in BLOCKS}
    chosen = Path(mixture or defaults.get("mixture", "")).stem
    if chosen in (content.get("mixtures") or {}):
        defaults |= _block(content, "mixtures", chosen, path)
        defaults["output_dir"] = f"runs/{name}-{chosen}"
    if preset is not None:
        defaults |= _block(content, "presets", preset, path)
    run, training = parser.read(rest, defaults)
    return run, training


def read_recipe(argv: Sequence[str] | None = None) -> tuple[RunArguments, MultitaskArguments]:
    """The settings of the run that `--recipe NAME_OR_PATH` names, under the other flags; see `read_settings`.

    Raises:
        ConfigError: As `read_settings`, or no recipe is named.
    """
    recipe, rest = option(sys.argv[1:] if argv is None else argv, "recipe")
    if recipe is None:
        raise ConfigError(
            "`--recipe` must name a recipe.",
            found="none",
            remedy="`mtft recipes list` names them: those under `runs/`.",
        )
    return read_settings(recipe, rest)


def read_arguments(kind: type[T], argv: Sequence[str] | None = None) -> T:
    """One dataclass of arguments from the command line.

    Raises:
        ConfigError: An unknown flag, a missing one, or a bad value.
    """
    (filled,) = StrictParser(kind).read(sys.argv[1:] if argv is None else argv, {})
    return filled  # type: ignore[no-any-return]
