"""Checkpoints that know their own content: written with a manifest, resumed from only when it holds."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtft.errors import RunError

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_SCHEMA = 1


def write_manifest(checkpoint: Path, *, step: int, identity: Mapping[str, str]) -> None:
    """Record the hash of every file and what the run is; written last, it marks a complete checkpoint.

    Args:
        checkpoint: The folder.
        step: Optimiser steps done.
        identity: Name to fingerprint of everything that must be the same on resume.
    """
    content = {"schema": _SCHEMA, "step": step, "identity": dict(identity), "files": _hashes(checkpoint)}
    scratch = checkpoint / f".{MANIFEST}"
    scratch.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    scratch.replace(checkpoint / MANIFEST)


def check_manifest(checkpoint: Path, *, identity: Mapping[str, str]) -> int:
    """The step of a checkpoint that may be resumed from.

    Optimiser and random states are pickles in part; they are opened only when every file is the one that the
    checkpoint's own manifest lists, and nothing else lies beside them.

    Raises:
        RunError: There is no manifest, a file differs, is missing or was added, or the run is another one.
    """
    content = _read(checkpoint)
    listed, present = content["files"], _hashes(checkpoint)
    for name in sorted(listed.keys() | present.keys()):
        if listed.get(name) != present.get(name):
            raise RunError(
                "A checkpoint's files must be those of its manifest.",
                found=f"`{name}` {_difference(name, listed, present)}",
                where=checkpoint,
                remedy="Resume from another checkpoint, or start anew.",
            )
    _check_identity(checkpoint, content["identity"], identity)
    return int(content["step"])


def find_checkpoint(folder: str | Path) -> Path | None:
    """The latest complete checkpoint of a run, or None; one cut short while written is passed over."""
    steps = {}
    for path in Path(folder).glob("checkpoint-*"):
        number = path.name.removeprefix("checkpoint-")
        if not number.isdigit():
            continue
        if (path / MANIFEST).is_file():
            steps[int(number)] = path
        else:
            logger.warning("%s has no manifest: it is incomplete and is passed over", path)
    return steps[max(steps)] if steps else None


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
    raise RunError("A checkpoint must have a readable manifest.", found=found, where=path)


def _check_identity(checkpoint: Path, recorded: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise where the checkpoint belongs to another run than this one."""
    for name in sorted(recorded.keys() | wanted.keys()):
        if recorded.get(name) != wanted.get(name):
            raise RunError(
                f"A run is resumed with the {name.replace('_', ' ')} that it began with.",
                found=f"{wanted.get(name, 'none')} now, {recorded.get(name, 'none')} in the checkpoint",
                where=checkpoint,
                remedy="Restore it, or start a new run in another output folder.",
            )


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
