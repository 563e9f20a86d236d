"""Where the overlap index of a model's training mixture is: beside the model, put there by its run."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

from mtft.errors import MixtureError, RunError
from mtft.mixing import OverlapIndex
from mtft.runs.folder import RunFolder

logger = logging.getLogger(__name__)


def place_index(index: OverlapIndex, folder: RunFolder) -> None:
    """Put the index into the run's folder: a hard link to the cache's file where that can be, else a copy."""
    folder.overlap.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.overlap.with_name(f".{folder.overlap.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(index.path, temporary)
    except OSError:  # another file system, or one without links
        shutil.copyfile(index.path, temporary)
    temporary.replace(folder.overlap)
    temporary.unlink(missing_ok=True)  # two links to one file are not renamed


def find_index(model: str | Path, named: str | None = None) -> OverlapIndex | None:
    """The index to look evaluated items up in, or None where nothing is known of the model's training.

    Args:
        model: A run's folder, or a checkpoint in it; others have none.
        named: The file that the user names.

    Raises:
        RunError: The named file does not exist.
        MixtureError: The named file is no index of this version; that of a run is then passed over with a warning.
    """
    if named is not None:
        if not Path(named).is_file():
            raise RunError(
                "A contamination index must be a file.",
                found="none",
                where=named,
                remedy="`mtft mixture build NAME` writes one and says where.",
            )
        return OverlapIndex(Path(named))
    places = (RunFolder(folder).overlap for folder in (Path(model), Path(model).parent))
    found = next((path for path in places if path.is_file()), None)
    try:
        return None if found is None else OverlapIndex(found)
    except MixtureError as error:
        logger.warning("Items are not looked up in what the run trained on. %s", error)
        return None


def trained_step(model: str | Path) -> int | None:
    """The step of training at which a run's model, its base or a checkpoint was left; None of any other."""
    folder = Path(model)
    for name, key in (("trainer_state.json", "global_step"), ("training.json", "step")):
        try:
            step = json.loads((folder / name).read_text(encoding="utf-8")).get(key)
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(step, int):
            return step
    return 0 if (folder / "pretraining.json").is_file() else None
