"""Paths that a card names, kept inside the folder they belong to."""

from __future__ import annotations

from pathlib import Path

from mtft.errors import TaskError


def confined(root: Path, relative: str, where: str) -> list[Path]:
    """The files under `root` that a relative path or pattern (`*`) names, sorted.

    A path without a pattern is returned whether or not it exists.

    Raises:
        TaskError: The path is absolute, climbs with `..`, or leaves `root` through a symbolic link.
    """
    path = Path(relative)
    if path.is_absolute() or ".." in path.parts or "\\" in relative or path.drive or relative.startswith("~"):
        raise _escape(relative, where, root)
    found = sorted(root.glob(relative)) if "*" in relative else [root / path]
    home = root.resolve()
    for candidate in found:
        if not candidate.resolve().is_relative_to(home):
            raise _escape(f"{relative} → {candidate.resolve()}", where, root)
    return found


def _escape(relative: str, where: str, root: Path) -> TaskError:
    rule = "A file of a card must lie inside its data folder, named by a relative path without `..`."
    return TaskError(rule, found=f"`{relative}` (data folder {root})", where=where)
