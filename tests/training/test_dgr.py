"""Training with the penalty of random heads: what is logged, resumed, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtft.errors import ConfigError, RunError
from mtft.training import MultitaskArguments, find_checkpoint
from tests.launching import TORCHRUN, launched
from tests.training.additions import MakeTrainer, logged
from tests.training.launched_dgr import DGR, train_with_dgr

SCRIPT = Path(__file__).with_name("launched_dgr.py")


def test_the_logged_loss_stays_the_likelihood(family: str, make_trainer: MakeTrainer) -> None:
    """The first step's loss is that of a run without the penalty; its gradient is not."""
    lines = []
    for weight in (0.0, 5.0):
        trainer = make_trainer(family, max_steps=2, dgr_weight=weight, loss_normalization="task")
        judged: list[float] = []
        trainer.guard.detector.see = lambda loss, judged=judged: bool(judged.append(loss))  # type: ignore[method-assign]
        trainer.train()
        lines.append(logged(trainer, "loss", "grad_norm"))
        assert judged[0] == pytest.approx(lines[-1][0][0], rel=1e-5)
        entry = next(entry for entry in trainer.state.log_history if "loss" in entry)
        assert ("dgr_penalty" in entry) == bool(weight)
    assert lines[0][0][0] == pytest.approx(lines[1][0][0], rel=1e-5)
    assert lines[0][0][1] != pytest.approx(lines[1][0][1], rel=1e-3)


def test_the_penalty_goes_down_where_it_weighs(family: str, make_trainer: MakeTrainer) -> None:
    ends = []
    for weight in (0.01, 30.0):
        trainer = make_trainer(family, max_steps=12, dgr_weight=weight, learning_rate=3e-3, dgr_dummies=2)
        trainer.train()
        ends.append(np.mean([value for (value,) in logged(trainer, "dgr_penalty")[-3:]]))
    assert ends[1] < 0.9 * ends[0]


def test_a_step_is_the_mean_of_its_micro_batches(family: str, make_trainer: MakeTrainer) -> None:
    """Two micro-batches of 4 rows: the penalty of the step is the mean of those of the two."""
    first = {"max_steps": 1, "dgr_weight": 1.0}
    both = make_trainer(family, per_device_train_batch_size=4, gradient_accumulation_steps=2, **first)
    found: list[float] = []
    add = both.dgr.add
    both.dgr.add = lambda output: (found.append(output.penalty.item()), add(output))[1]  # type: ignore[method-assign]
    both.train()
    assert len(found) == 2
    assert logged(both, "dgr_penalty")[0][0] == pytest.approx(np.mean(found), rel=1e-5)


@pytest.mark.parametrize("resample", [False, True])
def test_a_resumed_run_has_the_heads_of_the_whole_one(
    resample: bool, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "max_steps": 4,
        "save_strategy": "steps",
        "save_steps": 2,
        "dgr_weight": 1.0,
        "dgr_resample": resample,
        "output_dir": str(tmp_path / "run"),
    }
    whole = make_trainer("mt5", **settings)
    whole.train()
    resumed = make_trainer("mt5", **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    names = ("loss", "grad_norm", "dgr_penalty")
    np.testing.assert_allclose(logged(resumed, *names)[-2:], logged(whole, *names)[-2:], rtol=1e-5)


def test_a_checkpoint_knows_its_penalty(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    saving = {"max_steps": 1, "save_strategy": "steps", "save_steps": 1}
    assert "dgr" not in make_trainer("mt5").identity
    make_trainer("mt5", **saving, dgr_weight=1.0).train()
    checkpoint = find_checkpoint(tmp_path / "run")
    assert checkpoint is not None
    assert not [name for name in checkpoint.rglob("*") if "dgr" in name.name or "dumm" in name.name]
    with pytest.raises(RunError, match="dgr"):
        make_trainer("mt5", **saving, dgr_weight=2.0).train(resume_from_checkpoint=str(checkpoint))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dgr_weight", -1.0),
        ("dgr_weight", float("nan")),
        ("dgr_weight", float("inf")),
        ("dgr_dummies", 0),
        ("dgr_classes", 1),
        ("dgr_positions", 0),
    ],
)
def test_bad_values_are_refused(name: str, value: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=name):
        MultitaskArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True, **{name: value})


def _check(folder: Path, *arguments: str) -> None:
    launched([*TORCHRUN, SCRIPT, folder, *arguments], extensions=folder / "extensions")
    found = json.loads((folder / "dgr.json").read_text())
    for family, values in found.items():
        alone = train_with_dgr(family, folder / f"{family}-alone")
        np.testing.assert_allclose(values, alone, rtol=1e-4, err_msg=family)


@pytest.mark.processes
def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Packs of both families, LoRA on one: loss, gradient norm and penalty of every step."""
    assert DGR["dgr_weight"]
    _check(tmp_path)


@pytest.mark.slow
@pytest.mark.processes
def test_zero_3_equals_one_process(tmp_path: Path) -> None:
    from mtft.resources import builtin_folder

    _check(tmp_path, "--deepspeed", str(builtin_folder("recipes") / "deepspeed" / "zero3.json"))
