"""A run's folder is gone on with under the settings it began with; how processes share a step is none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtft.errors import RunError
from mtft.runs.folder import RunFolder


def settings(**changed: Any) -> dict[str, Any]:
    shared_out = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}
    return {"learning_rate": 1e-3, "global_batch_size": 8, "logging_steps": 10, **shared_out, **changed}


def test_other_settings_are_refused_and_how_it_is_shown_is_free(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open(settings(), overwrite=False)
    folder.open(settings(logging_steps=1), overwrite=False)
    with pytest.raises(RunError, match=r"learning_rate: 0.001 → 0.002"):
        folder.open(settings(learning_rate=2e-3), overwrite=False)


def test_another_number_of_processes_goes_on_with_a_global_batch(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open(settings(), overwrite=False)
    folder.open(settings(gradient_accumulation_steps=2, per_device_train_batch_size=2), overwrite=False)
    with pytest.raises(RunError, match="global_batch_size"):
        folder.open(settings(global_batch_size=16), overwrite=False)


def test_without_a_global_batch_the_batch_of_a_device_is_the_step(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open(settings(global_batch_size=None), overwrite=False)
    with pytest.raises(RunError, match="gradient_accumulation_steps: 8 → 4"):
        folder.open(settings(global_batch_size=None, gradient_accumulation_steps=4), overwrite=False)
