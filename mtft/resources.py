"""Finding the built-in prompts, recipes and suites, from a checkout and from an installed wheel alike."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Literal

from mtft.errors import ConfigError, nearest

Kind = Literal["prompts", "recipes", "eval"]


def builtin_folder(kind: Kind) -> Path:
    """The folder of built-in data of one kind.

    A wheel carries the folders inside the package (`mtft/prompts`, …); a checkout and an editable
    install have them beside it.

    Raises:
        ConfigError: Neither place holds the folder.
    """
    installed = Path(str(files("mtft"))) / kind
    checkout = Path(__file__).resolve().parents[1] / kind
    for folder in (installed, checkout):
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"The built-in `{kind}` folder must be installed with the package.",
        found=f"neither {installed} nor {checkout}",
        remedy="Reinstall mtft.",
    )


def find_yaml(name_or_path: str | Path, folder: Path, *, what: str) -> Path:
    """The file that a user means by a path or by the name of a built-in.

    Args:
        name_or_path: A path to an existing file, or the stem of a YAML file under `folder`
            (`open_multilingual`, or `sub/name` for one in a subfolder).
        folder: Where the built-ins of this sort live.
        what: The sort, for the message: "mixture", "suite", "recipe".

    Raises:
        ConfigError: Nothing has that name; the nearest names are given.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    named = {p.relative_to(folder).with_suffix("").as_posix(): p for p in sorted(folder.rglob("*.yaml"))}
    stem = str(name_or_path).removesuffix(".yaml")
    if stem in named:
        return named[stem]
    raise ConfigError(
        f"A {what} must be the path of a file or the name of a built-in one.",
        found=f"`{name_or_path}`",
        where=folder,
        remedy=nearest(stem, named),
    )


def cache_folder() -> Path:
    """Where rendered mixtures are kept between runs: `$MTFT_CACHE`, else the user's cache folder."""
    named = os.environ.get("MTFT_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "mtft"


def data_root(named: str | Path | None) -> Path | None:
    """The folder of local datasets: the one that was named, else `$MTFT_DATA_ROOT`, else None.

    Raises:
        ConfigError: The folder does not exist.
    """
    chosen = named or os.environ.get("MTFT_DATA_ROOT")
    if not chosen:
        return None
    folder = Path(chosen)
    if not folder.is_dir():
        raise ConfigError(
            "The data root must be a folder.",
            found=folder,
            remedy="Give --data_root, or unset MTFT_DATA_ROOT; docs/data.md says what the folder holds.",
        )
    return folder
