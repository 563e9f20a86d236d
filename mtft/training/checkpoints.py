"""Checkpoints that know their own content: written with a manifest, resumed from only when it holds."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtft.errors import RunError

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
STEPS_FILE = "steps.json"
GUARD_FILE = "guard.json"
BALANCE_FILE = "balance.json"
GRADIENTS_FILE = "gradient_balancing.json"
# what a checkpoint has beside a model that can be loaded, but for the states of optimiser and generators
STATE_FILES = (MANIFEST, STEPS_FILE, GUARD_FILE, BALANCE_FILE, GRADIENTS_FILE, "trainer_state.json")
_SCHEMA = 1
_NAMED = 5  # differences that a message names


class DamagedError(RunError):
    """A checkpoint is not what its manifest says."""


def write_manifest(
    checkpoint: Path, *, step: int, identity: Mapping[str, str], parts: Mapping[str, Any] | None = None
) -> None:
    """Record the hash of every file and what the run is; written last, it marks a complete checkpoint.

    Args:
        checkpoint: The folder.
        step: Optimiser steps done.
        identity: Name to fingerprint of everything that must be the same on resume.
        parts: Some of these names to what their fingerprint stands for, as nested plain data: what a refused
            resume names.
    """
    content = {
        "schema": _SCHEMA,
        "step": step,
        "identity": dict(identity),
        "parts": dict(parts or {}),
        "files": _hashes(checkpoint),
    }
    scratch = checkpoint / f".{MANIFEST}"
    scratch.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    scratch.replace(checkpoint / MANIFEST)


def check_manifest(
    checkpoint: Path, *, identity: Mapping[str, str], parts: Mapping[str, Any] | None = None
) -> int:
    """The step of a checkpoint that may be resumed from.

    Optimiser and random states are pickles in part; they are opened only when every file is the one that the
    checkpoint's own manifest lists, and nothing else lies beside them.

    Args:
        checkpoint: The folder.
        identity: As in `write_manifest`, of the run that resumes.
        parts: As in `write_manifest`.

    Raises:
        DamagedError: There is no readable manifest, or a file differs, is missing or was added.
        RunError: The run is another one.
    """
    content = _read(checkpoint)
    listed, present = content["files"], _hashes(checkpoint)
    for name in sorted(listed.keys() | present.keys()):
        if listed.get(name) != present.get(name):
            raise DamagedError(
                "A checkpoint's files must be those of its manifest.",
                found=f"`{name}` {_difference(name, listed, present)}",
                where=checkpoint,
                remedy="Resume from another checkpoint, or start anew.",
            )
    _check_identity(checkpoint, content, identity, parts or {})
    return int(content["step"])


def find_checkpoint(folder: str | Path) -> Path | None:
    """The latest complete checkpoint of a run, or None; one cut short while written is passed over."""
    return next(iter(find_checkpoints(folder)), None)


def find_checkpoints(folder: str | Path) -> list[Path]:
    """The complete checkpoints of a run, the latest first; one cut short while written is passed over."""
    steps = {}
    for path in Path(folder).glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-")
        if not number.isdigit():
            continue
        if (path / MANIFEST).is_file():
            steps[int(number)] = path
        else:
            logger.warning("%s has no manifest: it is incomplete and is passed over", path)
    return [steps[number] for number in sorted(steps, reverse=True)]


def _read(checkpoint: Path) -> dict[str, Any]:
    path = checkpoint / MANIFEST
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] == _SCHEMA and {"files", "identity", "step"} <= content.keys():
            return content
        found = f"schema {content['schema']}"
    except FileNotFoundError:
        found = "none"
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
    raise DamagedError("A checkpoint must have a readable manifest.", found=found, where=path)


def _check_identity(
    checkpoint: Path, content: Mapping[str, Any], wanted: Mapping[str, str], parts: Mapping[str, Any]
) -> None:
    """Raise where the checkpoint belongs to another run than this one."""
    recorded = content["identity"]
    for name in sorted(recorded.keys() | wanted.keys()):
        if recorded.get(name) != wanted.get(name):
            changes = told_differences(content.get("parts", {}).get(name), parts.get(name))
            found = f"{wanted.get(name, 'none')} now, {recorded.get(name, 'none')} in the checkpoint"
            raise RunError(
                f"A run is resumed with the {name.replace('_', ' ')} that it began with.",
                found=changes or found,
                where=checkpoint,
                remedy="Restore it, or start a new run in another output folder.",
            )


def told_differences(recorded: Any, wanted: Any, then: str = "in the checkpoint") -> str:
    """The first of the `differences`, and how many more there are; empty where there are none."""
    changes = list(differences(recorded, wanted, then=then))
    more = f"; and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return "; ".join(changes[:_NAMED]) + more


def differences(
    recorded: Any, wanted: Any, path: str = "", *, then: str = "in the checkpoint"
) -> Iterator[str]:
    """Where two pieces of nested plain data differ, in words; `then` says where the first is from.

    Example: `{"nli": {"seed": 1}}` and `{"nli": {"seed": 2}}` give `nli, seed: 2 now, 1 in the checkpoint`.
    """
    if not (isinstance(recorded, Mapping) and isinstance(wanted, Mapping)):
        if recorded != wanted and path:
            yield f"{path}: {_shown(wanted)} now, {_shown(recorded)} {then}"
        return
    names = [*recorded, *(name for name in wanted if name not in recorded)]
    # what all cells share goes first: it may be why they differ
    for name in sorted(names, key=lambda name: isinstance(recorded.get(name), Mapping)):
        inner = f"{path}, {name}" if path else str(name)
        if name not in wanted:
            yield f"{inner} is gone"
        elif name not in recorded:
            yield f"{inner} is new"
        else:
            yield from differences(recorded[name], wanted[name], inner, then=then)


def _shown(value: Any) -> str:
    return f"{value!s:.40}" if not isinstance(value, list) else f"{', '.join(map(str, value)):.40}"


def _difference(name: str, listed: Mapping[str, str], present: Mapping[str, str]) -> str:
    if name not in present:
        return "is missing"
    return "is not in the manifest" if name not in listed else "has another hash"


def _hashes(folder: Path) -> dict[str, str]:
    """Relative path to SHA-256 of every file but the manifest."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in files
        if path.relative_to(folder).as_posix() not in (MANIFEST, f".{MANIFEST}")
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
