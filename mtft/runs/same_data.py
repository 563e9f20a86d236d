"""Whether what stands in a run's folder was made of the data that the run has now: files may change under their names.

Settings are compared where the folder is opened (`RunFolder.open`); here, before anything is written, the mixture's
rows and order with those of the manifest, and what was scored with what would be scored now.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mtft.errors import RunError
from mtft.evaluation import EvalExample, Suite
from mtft.mixing import Mixture
from mtft.runs.data import RunData
from mtft.runs.folder import RunFolder, write_atomically
from mtft.runs.scoring import scored_fingerprint, suite_fingerprint
from mtft.runs.subset import TaskSubset
from mtft.runs.trajectory_file import TRAJECTORY_FILE, development_of
from mtft.runs.validation_record import VALIDATION_FILE
from mtft.training import told_differences

_ANEW = "Restore it, give `--overwrite true` to replace the run, or another --output_dir."


def check_same_data(
    folder: RunFolder, mixture: Mixture | TaskSubset, data: RunData, protocol: str | None
) -> None:
    """Refuse to go on in a folder that other data made something of.

    Every process looks for itself and finds the same.

    Args:
        folder: The run's.
        mixture: What would train.
        data: What else the run was given.
        protocol: Scoring protocol instead of a suite's.

    Raises:
        RunError: The mixture is not the manifest's, or scores are there of other examples or another suite.
    """
    _check_mixture(folder, mixture)
    if data.suite is not None:
        _check_results(folder, data.suite, data.examples)
    if data.validation is not None:
        recorded = _read(folder.path / VALIDATION_FILE).get("fingerprint")
        wanted = scored_fingerprint(data.validation.suite, data.validation.examples, protocol)
        _compare("validation", recorded, wanted, folder.path / VALIDATION_FILE)
    if data.development is not None:
        place = folder.path / TRAJECTORY_FILE
        wanted = scored_fingerprint(data.development.suite, data.development.examples, protocol)
        _compare("development metric", development_of(place), wanted, place)


def write_mixture(folder: RunFolder, manifest: dict[str, Any], mixture: Mixture | TaskSubset) -> None:
    """Keep the manifest, and by name what decides the mixture."""
    known = {"fingerprint": mixture.fingerprint, "parts": mixture.parts}
    write_atomically(folder.parts, json.dumps(known, indent=1))
    write_atomically(folder.manifest, json.dumps(manifest, indent=1))


def _check_mixture(folder: RunFolder, mixture: Mixture | TaskSubset) -> None:
    if not folder.manifest.is_file():
        return
    recorded, now = _read(folder.manifest).get("fingerprint"), mixture.fingerprint
    if recorded == now:
        return
    known = _read(folder.parts)
    changes = ""
    if known.get("fingerprint") == recorded:
        wanted = json.loads(json.dumps(mixture.parts))
        changes = told_differences(known.get("parts"), wanted, "when it began")
    raise RunError(
        "A run goes on only with the mixture that it began with.",
        found=changes or f"{now} now, {recorded or 'none'} when it began",
        where=folder.path,
        remedy=_ANEW,
    )


def _check_results(folder: RunFolder, suite: Suite, examples: list[EvalExample]) -> None:
    """What was scored already is not scored again: it must be what the suite holds now."""
    for path in (folder.eval / name / "results.json" for name in ("base", "finetuned")):
        if path.is_file():
            kept = _read(path).get("suite")
            recorded = kept.get("fingerprint") if isinstance(kept, dict) else None
            _compare("evaluation", recorded or "none", suite_fingerprint(suite, examples), path)


def _compare(what: str, recorded: str | None, now: str, where: Path) -> None:
    """Nothing recorded, nothing to compare with."""
    if recorded is not None and recorded != now:
        raise RunError(
            f"A run keeps the suite and the examples of its {what}.",
            found=f"{now} now, {recorded} in what was scored",
            where=where,
            remedy=_ANEW,
        )


def _read(path: Path) -> dict[str, Any]:
    """A mapping from a JSON file; an empty one where there is none, or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
