"""Reference losses of DoReMi-style reweighting, from a file or from what another run logged."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtft.errors import ConfigError
from mtft.training.groups import Groups

_LINES = 10  # of the log with a group in them: a single line is as noisy as its few steps
_LOGGED = {"task": "task_loss/", "language": "language_loss/"}


def reference_losses(place: str, groups: Groups) -> Tensor:
    """Nats per target token of each group under the reference model, (groups,) float64.

    Args:
        place: A JSON file that maps each group's name to a number; or the folder of a run or a checkpoint, whose log
            then gives the mean of the last ten lines with the group in them.
        groups: Of the mixture.

    Raises:
        ConfigError: There is no such place, it does not hold what it should, or a group is missing.
    """
    path = Path(place)
    found = _logged(path, groups.by) if path.is_dir() else _mapping(path)
    missing = [name for name in groups.names if not _is_number(found.get(name))]
    if missing:
        raise ConfigError(
            f"Reference losses must be numbers, one for each {groups.by} that trains.",
            found=f"none for {', '.join(missing)}",
            where=path,
            remedy=f"Those it has: {', '.join(sorted(map(str, found))) or 'none'}.",
        )
    return torch.tensor([float(found[name]) for name in groups.names], dtype=torch.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            "`balance_reference` must be a JSON file of reference losses, or a run's folder.",
            found=str(error),
            where=path,
        ) from error
    if not isinstance(found, dict):
        raise ConfigError(
            "Reference losses must map groups to numbers.", found=type(found).__name__, where=path
        )
    return found


def _logged(folder: Path, by: str) -> dict[str, float]:
    """The mean of each group's last lines in the log of a run's or a checkpoint's folder."""
    if by not in _LOGGED:
        raise ConfigError(
            "A run logs the losses of tasks and of languages only.",
            found=f"`balance_by` {by}",
            remedy="Give --balance_reference a JSON file.",
        )
    prefix, lines = _LOGGED[by], _history(folder)
    values: dict[str, list[float]] = {}
    for line in lines:
        for name, value in line.items() if isinstance(line, dict) else ():
            if name.startswith(prefix) and _is_number(value):
                values.setdefault(name.removeprefix(prefix), []).append(float(value))
    return {name: sum(last) / len(last) for name, found in values.items() if (last := found[-_LINES:])}


def _history(folder: Path) -> list[Any]:
    for name, key in (("training.json", "history"), ("trainer_state.json", "log_history")):
        if (folder / name).is_file():
            found = _mapping(folder / name).get(key)
            if isinstance(found, list):
                return found
    raise ConfigError(
        "A reference run's folder must hold its log.",
        found="neither `training.json` nor `trainer_state.json` with one",
        where=folder,
    )
