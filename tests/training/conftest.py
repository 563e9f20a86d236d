"""A trainer over additions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import Additions, MakeTrainer, toy_model


@pytest.fixture(params=["mt5", "bloom"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_trainer(tmp_path: Path) -> MakeTrainer:
    """Builds a trainer of a new model; keyword arguments are `MultitaskArguments`'."""

    def make(
        family: str, source: Any = None, *, dropout: float = 0.0, limits: Any = None, **settings: Any
    ) -> MultitaskTrainer:
        model, encoder = toy_model(family, dropout)
        encoder.limits = limits or encoder.limits
        defaults = {
            "output_dir": str(tmp_path / "run"),
            "max_steps": 3,
            "per_device_train_batch_size": 8,
            "learning_rate": 1e-3,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "use_cpu": True,
            "disable_tqdm": True,
        }
        args = MultitaskArguments(**{**defaults, **settings})
        return MultitaskTrainer(model, args, source or Additions(), encoder)

    return make
