"""Steps of so many rows each, some of none: what a single-task run takes from the steps of a mixture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mtft.errors import ConfigError
from tests.training.additions import GroupedAdditions, MakeTrainer, logged, toy_model

ROWS = [0, 2, 0, 1, 3, 0]
EMPTY = [number for number, rows in enumerate(ROWS) if not rows]
STEPS = {"max_steps": len(ROWS), "per_device_train_batch_size": 3}


class SteppedAdditions(GroupedAdditions):
    """That says what each step holds."""

    steps_identity = "uneven"

    def step_starts(self, steps: int) -> np.ndarray:
        return np.array([0, *np.cumsum(ROWS)])[: steps + 1]


def _source(family: str) -> SteppedAdditions:
    return SteppedAdditions(toy_model(family)[1])


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 0.1},
        {"loss_normalization": "task", "bf16": True},
        {"loss_balancing": "uw"},
        {"loss_balancing": "dwa", "loss_reduction": "mean"},
        {"loss_balancing": "sum", "dgr_weight": 1.0},
        {"gradient_balancing": "pcgrad"},
    ],
    ids=lambda given: "-".join(map(str, given.values())),
)
def test_a_step_without_an_example_loses_nothing_and_breaks_nothing(
    settings: dict[str, Any], family: str, make_trainer: MakeTrainer
) -> None:
    if "gradient_balancing" in settings:
        pytest.importorskip("torchjd", reason="needs the extra multitask")
    source = _source(family)
    trainer = make_trainer(family, source, **STEPS, **settings)
    trainer.train()
    assert source.read == [*range(sum(ROWS))]
    lines = logged(trainer, "loss", "grad_norm")
    assert len(lines) == len(ROWS)
    assert np.isfinite(lines).all()
    for number, (loss, norm) in enumerate(lines):
        assert (loss == norm == 0) if number in EMPTY else min(loss, norm) > 0
    assert all(torch.isfinite(weight).all() for weight in trainer.model.parameters())
    assert 0 not in trainer.guard.detector.losses  # else nearly every other step were a spike
    assert [trainer.plan.examples(step) for step in range(len(ROWS) + 1)] == [0, *np.cumsum(ROWS)]


def test_how_a_step_is_split_changes_nothing(family: str, make_trainer: MakeTrainer) -> None:
    whole = make_trainer(family, _source(family), **STEPS)
    parts = make_trainer(
        family,
        _source(family),
        max_steps=len(ROWS),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=3,
    )
    for trainer in (whole, parts):
        trainer.train()
    np.testing.assert_allclose(
        logged(parts, "loss", "grad_norm"), logged(whole, "loss", "grad_norm"), rtol=1e-4, atol=1e-6
    )


def test_nothing_else_may_decide_the_steps(make_trainer: MakeTrainer) -> None:
    for other in ({"packing": True}, {"global_batch_size": 3}, {"max_steps": -1, "num_train_epochs": 1.0}):
        with pytest.raises(ConfigError, match=next(iter(other)).replace("max_steps", "num_train_epochs")):
            make_trainer("bloom", _source("bloom"), **{**STEPS, **other})
    with pytest.raises(ConfigError, match="hold the rows"):
        make_trainer("bloom", _source("bloom"), **{**STEPS, "per_device_train_batch_size": 2}).train()
