"""Speed, utilisation and operations of the log lines."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode

from mtft.encoding import Collator, Encoded, PackedCollator
from mtft.errors import ConfigError
from mtft.modeling import ModelSize, build_model, weighted_target_loss
from mtft.training.flops import Weights, computing_dtype, matrix_rate, model_cost
from mtft.training.meter import Meter, count
from mtft.training.progress import gist
from tests.training.additions import MakeTrainer, MeasuredAdditions, logged, toy_model, toy_tokenizer

LENGTHS = [(5, 2), (9, 3), (4, 4), (7, 1)]
CAPACITY = {"bloom": [20], "mt5": [16, 8]}


def rows(lengths: list[tuple[int, int]]) -> list[Encoded]:
    return [Encoded(torch.full((n,), 7).numpy(), torch.full((m,), 8).numpy()) for n, m in lengths]


def padded(family: str, lengths: list[tuple[int, int]], empty: int = 1) -> dict[str, Any]:
    _, encoder = toy_model(family)
    batch = Collator(encoder)([*rows(lengths), *[None] * empty])
    return {**batch, "shifted": family == "bloom"}


def packed(family: str) -> dict[str, Any]:
    """Two packs and an empty one."""
    _, encoder = toy_model(family)
    packs = [rows(LENGTHS[:2]), rows(LENGTHS[2:]), []]
    return {**PackedCollator(encoder, CAPACITY[family])(packs), "shifted": family == "bloom"}


def test_useful_tokens_places_and_room_are_counted(family: str) -> None:
    cost = model_cost(toy_model(family)[0])
    found = count(padded(family, LENGTHS), cost)
    assert found.examples == 4
    if family == "mt5":
        assert (found.inputs, found.targets) == (25, 10)
        assert (found.input_places, found.target_places) == (5 * 9, 5 * 4)
    else:
        assert (found.inputs, found.targets) == (35, 0)
        assert (found.input_places, found.target_places) == (5 * 12, 0)
    assert (found.input_room, found.target_room) == (found.input_places, found.target_places)


def test_packed_examples_count_as_unpacked_ones_against_the_capacity(family: str) -> None:
    cost = model_cost(toy_model(family)[0])
    alone, together = count(padded(family, LENGTHS), cost), count(packed(family), cost, CAPACITY[family])
    for name in ("examples", "inputs", "targets", "flops"):
        assert getattr(alone, name) == getattr(together, name), name
    assert together.input_room == 3 * CAPACITY[family][0]
    assert together.target_room == (3 * CAPACITY[family][1] if family == "mt5" else 0)


def test_operations_are_those_of_torchs_own_counter(family: str) -> None:
    """Of the weights: those of norms and biases are counted too, and are few."""
    model = build_model(family, ModelSize(64, 2, 4), toy_tokenizer(family), seed=0)
    batch = padded(family, [(24, 16)], empty=0)
    with FlopCounterMode(display=False) as counter:
        shifted = batch.pop("shifted")
        loss = weighted_target_loss(model, batch, own_forward=True).loss
        assert loss is not None
        loss.backward()
    by_kind = counter.get_flop_counts()["Global"]
    products = sum(
        n for kind, n in by_kind.items() if "bmm" not in str(kind) and "attention" not in str(kind)
    )
    cost = model_cost(model)
    whole = count({**batch, "shifted": shifted}, cost).flops
    attended = {"mt5": 24**2 + 16**2 + 16 * 24, "bloom": 40**2}[family]
    attention = 12 * 2 * 64 * attended  # 12 x layers x (heads x head width) x pairs
    assert whole - attention == pytest.approx(products, rel=0.03)


def test_frozen_weights_have_no_gradient_of_their_own(family: str) -> None:
    assert Weights(10, 10).flops == 60
    assert Weights(10, 0).flops == 40
    model, _ = toy_model(family)
    whole = model_cost(model)
    assert whole.inputs.trained == whole.inputs.total
    names = ["q", "v"] if family == "mt5" else ["query_key_value"]
    adapted = model_cost(get_peft_model(model, LoraConfig(r=2, target_modules=names)))
    assert adapted.inputs.total > whole.inputs.total
    assert adapted.inputs.trained == adapted.inputs.total - whole.inputs.total
    assert adapted.head.trained == 0


def test_cross_attention_reads_the_encoders_tokens() -> None:
    model, _ = toy_model("mt5")
    cost = model_cost(model)
    encoder = sum(p.numel() for n, p in model.encoder.named_parameters() if "relative" not in n)
    encoder -= model.shared.weight.numel()
    width = model.config.d_model
    assert cost.inputs.total == encoder + 2 * 2 * width * width  # keys and values of two layers
    assert cost.head.total == model.lm_head.weight.numel()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rates_leave_out_what_is_not_training() -> None:
    clock = Clock()
    cost = model_cost(toy_model("mt5")[0])
    meter = Meter(cost, device_rate=1e6, clock=clock)
    batch = padded("mt5", LENGTHS)
    assert meter.read(9, list) == {}
    for _ in range(2):
        meter.resume()
        clock.now += 1.0  # the rows are fetched
        meter.add([batch, batch])
        clock.now += 4.0
        meter.pause()
        clock.now += 50.0  # a checkpoint is written
    found = meter.read(3, lambda values: [2 * value for value in values])  # as if there were two processes
    assert found["tokens_per_second"] == pytest.approx(2 * 4 * 35 / 10)
    assert found["examples_per_second"] == pytest.approx(2 * 4 * 4 / 10)
    assert found["utilization"] == pytest.approx(35 / 65)
    assert found["padding"] == pytest.approx(30 / 65)
    assert found["utilization_encoder"] == pytest.approx(25 / 45)
    assert found["utilization_decoder"] == pytest.approx(10 / 20)
    assert found["mfu"] == pytest.approx(2 * 4 * count(batch, cost).flops / 10 / 1e6)
    assert found["time_left"] == pytest.approx(3 * 110 / 2)  # with what is no training
    assert meter.read(3, list) == {}


@pytest.mark.parametrize("packing", [False, True])
def test_every_log_line_has_them(family: str, packing: bool, make_trainer: MakeTrainer) -> None:
    settings: dict[str, Any] = {"device_tflops": 0.5, "loss_normalization": "token"}
    source = None
    if packing:
        source = MeasuredAdditions(toy_model(family)[1])
        settings |= {"packing": True, "pack_capacity": {"bloom": [48], "mt5": [40, 16]}[family]}
    trainer = make_trainer(family, source, per_device_train_batch_size=2, **settings)
    trainer.train()
    names = ("tokens_per_second", "examples_per_second", "utilization", "padding", "mfu", "time_left")
    lines = logged(trainer, *names)
    assert len(lines) == 3
    for tokens, examples, utilization, padding, mfu, left in lines:
        assert tokens > examples > 0
        assert 0 < utilization <= 1
        assert 0 <= padding < 1
        assert utilization <= 1 - padding + 1e-9  # the capacity may be wider than the tensors
        assert mfu > 0
        assert left >= 0
    assert lines[-1][-1] == 0


def test_utilisation_of_the_device_can_be_left_out(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("mt5", device_tflops=0, max_steps=1)
    trainer.train()
    assert "mfu" not in trainer.state.log_history[0]
    with pytest.raises(ConfigError, match="device_tflops"):
        make_trainer("mt5", device_tflops=-1)


def test_the_progress_line_says_it(make_trainer: MakeTrainer, capfd: pytest.CaptureFixture[str]) -> None:
    make_trainer("bloom", disable_tqdm=False, device_tflops=1).train()
    assert "tokens/s" in capfd.readouterr().err
    line = gist(
        {
            "loss": 2.134,
            "tokens_per_second": 4120.4,
            "utilization": 0.93,
            "padding": 0.31,
            "mfu": 0.41,
            "time_left": 725.2,
        }
    )
    assert line == "loss 2.134, 4,120 tokens/s, 93 % full, 31 % padding, MFU 41 %, 0:12:05 left"


def test_the_rate_of_a_matrix_product_is_measured() -> None:
    model, _ = toy_model("mt5")
    assert computing_dtype(model, "no") == torch.float32
    assert computing_dtype(model, "bf16") == torch.bfloat16
    assert matrix_rate(torch.device("cpu"), torch.float32, seconds=0.01) > 1e6
