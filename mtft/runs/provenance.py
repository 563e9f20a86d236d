"""What a report says of how it was made: command, versions, settings, and what the languages share."""

from __future__ import annotations

import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mtft import __version__
from mtft.mixing import BuiltMixture
from mtft.synthetic import world

PACKAGES = ("torch", "transformers", "accelerate", "peft", "datasets", "deepspeed", "sacrebleu")


def reproduction(**facts: Any) -> dict[str, Any]:
    """The command, the versions and the facts given."""
    return {"command": command_line(), "versions": versions(), **facts}


def command_line() -> str:
    """The command that began this process, its script's path as short as it can be said."""
    script = Path(sys.argv[0])
    try:
        shown = script.resolve().relative_to(Path.cwd().resolve())
    except ValueError:
        shown = Path(script.name)
    return shlex.join([str(shown), *sys.argv[1:]])


def versions() -> dict[str, str]:
    """Of Python, mtft and the libraries that decide numbers."""
    found = {"python": platform.python_version(), "mtft": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def vocabulary_overlap(built: BuiltMixture) -> dict[str, dict[str, float]] | None:
    """Language → language → share of common words, where the mixture stands in the micro-world; else None."""
    for cell in built.cells.train:
        source = cell.task.card.source
        if source.kind == "synthetic":
            found = world(**source.world).vocabulary_overlap()
            return {a: {b: round(share, 3) for b, share in row.items()} for a, row in found.items()}
    return None
