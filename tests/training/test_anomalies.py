"""Losses that are no numbers, gradients that are none, and spikes: told with their rows, and stopped by."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from mtft.errors import ConfigError, RunError
from mtft.tasks import Example
from mtft.training import find_checkpoint
from mtft.training.anomalies import RowLoss, SpikeDetector, name_of, worst
from tests.launching import TORCHRUN, launched
from tests.training.additions import Addition, Additions, MakeTrainer, MeasuredAdditions, logged, toy_model

ODD, AT = "ß", 26  # the third row of step 4, eight rows a step


class WithAnOddRow(Additions):
    """One row has a character that no other has."""

    def examples(self, positions: Any) -> list[Addition]:
        found = super().examples(positions)
        return [
            each._replace(inputs=ODD) if p == AT else each for p, each in zip(positions, found, strict=True)
        ]


class PoisonAt(TrainerCallback):
    """Before a step, what stands for the odd character is no number, as of a broken device or file."""

    def __init__(self, step: int, ids: list[int]) -> None:
        self.step, self.ids = step, ids

    def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == self.step:
            with torch.no_grad():
                model.shared.weight[self.ids] = math.nan


def odd_ids(tokenizer: Any) -> list[int]:
    """The tokens that only the odd row has."""
    others = {
        i for e in Additions().examples(range(64)) for i in tokenizer(f"{e.inputs} {e.target}").input_ids
    }
    return [i for i in tokenizer(ODD).input_ids if i not in others]


def poisoned(make_trainer: MakeTrainer, **settings: Any) -> Any:
    trainer = make_trainer("mt5", WithAnOddRow(), max_steps=9, **settings)
    head = trainer.model.lm_head
    head.weight = torch.nn.Parameter(head.weight.detach().clone())  # else every row's output were none
    trainer.add_callback(PoisonAt(3, odd_ids(trainer.encoder.tokenizer)))
    return trainer


@pytest.mark.parametrize("micro_batch", [8, 2])
def test_a_loss_that_is_no_number_stops_with_its_row(
    make_trainer: MakeTrainer, micro_batch: int, tmp_path: Path
) -> None:
    split = {"per_device_train_batch_size": micro_batch, "gradient_accumulation_steps": 8 // micro_batch}
    trainer = poisoned(make_trainer, save_strategy="steps", save_steps=2, save_total_limit=1, **split)
    before: dict[str, torch.Tensor] = {}
    trainer.guard._tell = _remember(trainer.guard._tell, trainer.model, before)
    message = rf"non-finite loss at step 4: loss nan.*\n  position {AT}: .*nan nats.*\n  and 7 more rows"
    with pytest.raises(RunError, match=message) as caught:
        trainer.train()
    assert "checkpoint-2" in str(caught.value)
    name = WithAnOddRow().examples([AT])[0].task
    assert f"position {AT}: {name}" in str(caught.value)
    # the weights did not change by that step, and what was saved is whole
    assert all(torch.equal(p, before[n]) for n, p in trainer.model.named_parameters() if "shared" not in n)
    assert find_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoint-2"
    (line,) = (tmp_path / "run" / "anomalies.jsonl").read_text(encoding="utf-8").splitlines()
    written = json.loads(line)
    assert (written["kind"], written["step"], written["loss"]) == ("non-finite loss", 4, None)
    assert [row["position"] for row in written["rows"]] == [AT]


def _remember(tell: Any, model: Any, before: dict[str, torch.Tensor]) -> Any:
    def telling(anomaly: Any) -> None:
        before.update({n: p.detach().clone() for n, p in model.named_parameters()})
        tell(anomaly)

    return telling


def test_a_gradient_that_is_no_number_stops_too(family: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(family, max_steps=5)
    weight = next(p for n, p in trainer.model.named_parameters() if "layer_norm" in n or "ln_f" in n)
    weight.register_hook(lambda grad: grad * (math.inf if trainer.state.global_step == 1 else 1.0))
    with pytest.raises(RunError, match=r"non-finite gradient at step 2: loss \d.*gradient norm (inf|nan)"):
        trainer.train()


UNLIKELY = 8 * 22 + 5
SPIKES: dict[str, Any] = {
    "max_steps": 24, "spike_window": 20, "spike_factor": 4.0, "learning_rate": 1e-2, "loss_normalization": "sample"
}  # fmt: skip


class Odd(MeasuredAdditions):
    """One row has a target that no model would guess."""

    def __init__(self) -> None:
        super().__init__(toy_model("mt5")[1])

    def examples(self, positions: Any) -> list[Addition]:
        return [
            each._replace(target="~ ^ } { " * 6) if p == UNLIKELY else each
            for p, each in zip(positions, super().examples(positions), strict=True)
        ]

    def lengths(self, positions: Any) -> tuple[np.ndarray, np.ndarray]:
        found = self.examples(positions)
        return self.measure([e.inputs for e in found], [e.target for e in found])


@pytest.mark.parametrize("packing", [False, True])
def test_a_spike_is_told_or_stops(
    make_trainer: MakeTrainer, packing: bool, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    settings = dict(SPIKES)
    if packing:
        settings |= {"packing": True, "pack_capacity": [48, 64], "pack_window": 8}
        settings["per_device_train_batch_size"] = 2
    make_trainer("mt5", Odd(), **settings).train()
    (line,) = (tmp_path / "run" / "anomalies.jsonl").read_text(encoding="utf-8").splitlines()
    written = json.loads(line)
    assert written["kind"] == "spike"
    assert written["loss"] > written["limit"]
    assert written["rows"][0]["position"] == UNLIKELY
    shares = [row["share"] for row in written["rows"]]
    assert shares == sorted(shares, reverse=True)
    assert f"position {UNLIKELY}" in caplog.text
    stopped = make_trainer("mt5", Odd(), stop_on_spike=True, **settings)
    with pytest.raises(RunError, match=r"near those before it.*spike at step .*limit"):
        stopped.train()
    assert stopped.state.global_step == written["step"] - 1


def test_a_resumed_run_calls_the_same_steps_spikes(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    settings = {**SPIKES, "save_strategy": "steps", "save_steps": 21}
    make_trainer("mt5", Odd(), **settings).train()
    path = tmp_path / "run" / "anomalies.jsonl"
    whole = path.read_text(encoding="utf-8")
    path.unlink()
    make_trainer("mt5", Odd(), **settings).train(
        resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-21")
    )
    assert path.read_text(encoding="utf-8") == whole


def test_a_detector_knows_a_spike_by_what_came_before() -> None:
    noise = np.random.default_rng(0)
    falling = [4.0 * 0.97**n * (1 + 0.1 * noise.standard_normal()) for n in range(300)]
    detector = SpikeDetector(window=50, factor=8.0)
    assert not any(detector.see(loss) for loss in falling)  # neither noise nor the fall of the loss
    assert detector.limit is not None
    assert detector.see(detector.limit * 1.01)
    assert not detector.see(detector.limit * 0.99)
    assert not math.isinf(detector.limit)


def test_a_detector_needs_history_and_some_spread() -> None:
    detector = SpikeDetector(window=100, factor=8.0)
    assert not any(detector.see(1.0) for _ in range(20))
    assert not detector.see(1.15)  # within 8 x 2 % of a loss that never moved
    assert detector.see(1.17)


def test_a_loss_that_stays_up_is_no_spike_for_ever() -> None:
    detector = SpikeDetector(window=40, factor=8.0)
    for n in range(40):
        detector.see(1.0 + 0.01 * (n % 3))
    found = [detector.see(5.0 + 0.01 * (n % 3)) for n in range(60)]
    assert found[0]
    assert not any(found[25:])


def test_the_worst_rows_come_first() -> None:
    rows = [RowLoss(n, float(n), 2, n / 10) for n in range(20)]
    shown, others = worst(rows)
    assert [row.position for row in shown] == list(range(19, 11, -1))
    assert others == 12
    broken = [*rows, RowLoss(40, math.nan, 3, math.nan), RowLoss(41, math.inf, 3, math.inf)]
    shown, others = worst(broken)
    assert [row.position for row in shown] == [40, 41]
    assert others == 20


def test_a_row_is_named_by_all_that_is_known_of_it() -> None:
    example = Example(
        inputs="a", targets=("b",), answer_choices=None, dataset="mini_xp3/nli", config="qab", split="train",
        row_id="17", item_group="g", template_id="5f2c", language="qab", prompt_language="en", task="mini_xp3/nli",
        source_revision="r",
    )  # fmt: skip
    assert name_of(example) == "mini_xp3/nli [qab] row train/17, template 5f2c"
    assert name_of(Addition("a", "b", "plus")) == "plus"


@pytest.mark.parametrize("slip", [{"spike_window": 1}, {"spike_factor": 0.0}])
def test_settings_that_mean_nothing_are_refused(make_trainer: MakeTrainer, slip: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(slip))):
        make_trainer("mt5", **slip)


@pytest.mark.processes
def test_two_processes_stop_together_and_count_together(tmp_path: Path) -> None:
    """At the same step, with the row of the one that met it; log lines count the rows of both."""
    from tests.training.launched_watching import WATCHED, trainer_of

    launched([*TORCHRUN, Path(__file__).with_name("launched_watching.py"), tmp_path])
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first["step"] == 3
    assert f"position {AT}: " in first["message"]
    assert "and 7 more rows" in first["message"]
    assert "checkpoint-2" in first["message"]
    assert len((tmp_path / "badly" / "anomalies.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    alone = trainer_of(tmp_path / "alone", Additions(), save_strategy="no")
    alone.train()
    np.testing.assert_allclose(first["watched"], logged(alone, *WATCHED), rtol=1e-9)
