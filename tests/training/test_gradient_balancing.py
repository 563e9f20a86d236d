"""Training under gradient balancing: exact rows, one backward pass per group, resumed and in several processes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtft.errors import ConfigError, RunError
from mtft.training import MultitaskTrainer
from mtft.training.chosen_parameters import choose_parameters, last_block
from mtft.training.gradient_balancer import GradientBalancer
from mtft.training.gradient_methods import seeded
from mtft.training.gradient_rows import GradientRows, balanced_gradients
from mtft.training.gradient_settings import GradientSettings
from mtft.training.grouped_steps import GroupedSteps
from mtft.training.groups import Groups
from tests.launching import TORCHRUN, launched
from tests.training.additions import Additions, GroupedAdditions, logged, toy_model
from tests.training.launched_gradients import RUNS, train

aggregation = pytest.importorskip("torchjd.aggregation", reason="needs the extra multitask")

PACKED: dict[str, Any] = {"packing": True, "pack_window": 64}
CAPACITY = {"bloom": [48], "mt5": [40, 16]}

Make = Callable[..., MultitaskTrainer]


@pytest.fixture
def make(make_trainer: Make) -> Make:
    """A trainer of grouped additions."""

    def built(family: str = "bloom", **settings: Any) -> MultitaskTrainer:
        return make_trainer(family, GroupedAdditions(toy_model(family)[1]), **settings)

    return built


@pytest.mark.parametrize("packed", [False, True], ids=["rows", "packs"])
def test_the_mean_of_the_groups_is_the_gradient_of_plain_training(
    family: str, make: Make, packed: bool
) -> None:
    """Under `task`, plain training follows the mean of the tasks' token means: the same by another way."""
    packing = {**PACKED, "pack_capacity": CAPACITY[family]} if packed else {}
    common: dict[str, Any] = {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 4,
        "adam_epsilon": 1e-4,
        **packing,
    }
    plain = make(family, loss_normalization="task", **common)
    plain.train()
    balanced = make(
        family, loss_normalization="token", gradient_balancing="mean", update_norm="none", **common
    )
    balanced.train()
    one, two = np.array(logged(plain, "loss", "grad_norm")), np.array(logged(balanced, "loss", "grad_norm"))
    np.testing.assert_allclose(two[:, 1], one[:, 1], rtol=1e-4)
    np.testing.assert_allclose(two[:, 0], 2 * one[:, 0], rtol=1e-5)  # the sum of two tasks' losses
    names = [name for name in balanced.state.log_history[0] if name.startswith(("task_loss", "tokens_per"))]
    assert names == [
        name for name in plain.state.log_history[0] if name.startswith(("task_loss", "tokens_per"))
    ]


def test_every_micro_batch_holds_one_group(make: Make, family: str) -> None:
    for settings in ({}, {**PACKED, "pack_capacity": CAPACITY[family]}):
        trainer = make(family, gradient_balancing="sum", balance_by="language", max_steps=2, **settings)
        items = trainer.get_train_dataloader().dataset
        assert isinstance(items, GroupedSteps)
        for index in range(len(items)):
            found, whole = items[index]["micro_batches"], items.steps[index]
            positions = [p for batch in found for p in batch["positions"] if p >= 0]
            assert sorted(positions) == sorted(p for p in whole["positions"] if p >= 0)
            for batch in found:
                languages = {
                    code
                    for code, place in zip(batch["languages"], batch["positions"], strict=True)
                    if place >= 0
                }
                assert len(languages) == 1
                assert len(batch["input_ids"]) <= items.steps.micro_batch


def _sum_of_losses(trainer: MultitaskTrainer) -> list[Tensor]:
    """Each group's gradient in the first step, (groups) vectors of all trainable parameters, by autograd."""
    balancer, parameters = (
        trainer.gradient_balancer,
        [p for p in trainer.model.parameters() if p.requires_grad],
    )
    assert balancer is not None
    batches, _ = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 1, torch.device("cpu"))
    found: dict[int, Tensor] = {}
    for batch in batches[-1]["micro_batches"]:
        group = batch.pop("group")
        loss = trainer.compute_loss(trainer.model, batch)
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
        found[group] = found.get(group, torch.zeros_like(gradient)) + gradient
    return [found[group] for group in sorted(found)]


@pytest.mark.parametrize(
    ("name", "norm"), [("upgrad", "sum"), ("mgda", "mean"), ("cagrad", "none"), ("graddrop", "none")]
)
def test_the_update_is_torchjds_on_the_explicit_jacobian(make: Make, name: str, norm: str) -> None:
    settings: dict[str, Any] = {
        "gradient_balancing": name,
        "balance_by": "language",
        "update_norm": norm,
        "per_device_train_batch_size": 9,
        "max_grad_norm": 1e9,
        "learning_rate": 1e-4,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_steps": 1,
    }
    rows = torch.stack(_sum_of_losses(make(**settings)))
    trainer = make(**settings)
    before = _flat(trainer)
    trainer.train()
    update = (before - _flat(trainer)) / 1e-4
    if name == "graddrop":
        with seeded(trainer.args.seed, 0, rows.device):
            expected = aggregation.GradDrop()(rows)
    else:
        found = {"upgrad": aggregation.UPGrad, "mgda": aggregation.MGDA}.get(name)
        expected = (found() if found else aggregation.CAGrad(c=0.5))(rows.double()).float()
    wanted = {"sum": rows.sum(dim=0).norm(), "mean": rows.mean(dim=0).norm(), "none": expected.norm()}[norm]
    assert float(logged(trainer, "grad_norm")[0][0]) == pytest.approx(float(wanted), rel=1e-3)
    if name == "graddrop":
        return  # its draws are per block of columns
    expected = expected * wanted / expected.norm()
    assert float((update - expected).norm() / expected.norm()) < 2e-2  # differences of weights in float32


def _flat(trainer: MultitaskTrainer) -> Tensor:
    return torch.cat([p.detach().flatten().clone() for p in trainer.model.parameters() if p.requires_grad])


@pytest.mark.parametrize("name", ["gradvac", "gradnorm", "tension", "random"])
def test_resuming_equals_never_stopping(name: str, make: Make, make_trainer: Make) -> None:
    """Bit for bit, with dropout: nothing drawn here moves its generator."""
    settings: dict[str, Any] = {
        "gradient_balancing": name,
        "balance_by": "language",
        "dropout": 0.1,
        "save_strategy": "steps",
        "save_steps": 2,
        "max_steps": 4,
        "per_device_train_batch_size": 4,
    }
    whole = make(**settings)
    whole.train()
    resumed = make(**settings)
    folder = Path(resumed.args.output_dir) / "checkpoint-2"
    assert json.loads((folder / "gradient_balancing.json").read_text())["groups"] == ["any", "en", "so"]
    resumed.train(resume_from_checkpoint=str(folder))
    names = ("step", "loss", "grad_norm", "gradient_weight/so")
    assert logged(resumed, *names) == logged(whole, *names)
    for one, two in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_adapters_in_bfloat16_with_checkpointing(make: Make, family: str) -> None:
    trainer = make(
        family,
        gradient_balancing="pcgrad",
        balance_by="language",
        per_device_train_batch_size=2,
        gradient_accumulation_steps=3,
        peft="lora",
        bf16=True,
        gradient_checkpointing=True,
    )
    frozen = {name: p.clone() for name, p in trainer.model.named_parameters() if not p.requires_grad}
    trainer.train()
    losses = [value for (value,) in logged(trainer, "loss")]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    assert trainer.gradient_balancer is not None
    assert trainer.gradient_balancer.passes == 3 * 3  # of two rows each in three languages
    for name, p in trainer.model.named_parameters():
        assert name not in frozen or torch.equal(frozen[name], p)
    line = trainer.state.log_history[0]
    shares = [value for name, value in line.items() if name.startswith("update_share/")]
    assert sum(shares) == pytest.approx(1.0)
    assert -1 <= line["gradient_cosine"] <= 1


def test_the_last_block_is_balanced_and_the_rest_takes_the_sum(make: Make) -> None:
    trainer = make(gradient_balancing="mgda", balanced_parameters="last_block", balance_by="language")
    balancer = trainer.gradient_balancer
    assert balancer is not None
    assert last_block(trainer.model) == "transformer.h.1"
    chosen = set(choose_parameters(trainer.model, "last_block"))
    rows = _sum_of_losses(trainer)
    trainer.args.max_grad_norm = 0.0
    batches, _ = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 1, torch.device("cpu"))
    trainer.training_step(trainer.model, batches[-1])
    place = 0
    for name, weight in trainer.model.named_parameters():
        whole = sum(row[place : place + weight.numel()] for row in rows)
        place += weight.numel()
        same = torch.allclose(weight.grad.flatten(), whole, rtol=1e-3, atol=1e-5)  # type: ignore[union-attr,arg-type]
        assert same or name in chosen, name
    assert balancer._rows is not None
    assert balancer._rows.matrix.shape == (3, sum(p.numel() for p in balancer.parameters))


def test_what_cannot_be_balanced_is_refused_before_training(
    make: Make, make_trainer: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match="must leave a trainable parameter"):
        make(gradient_balancing="sum", balanced_parameters="lora_A")
    with pytest.raises(ConfigError, match="needs a source that knows its tasks"):
        make_trainer("bloom", Additions(), gradient_balancing="sum")
    with caplog.at_level(logging.INFO, logger="mtft"):
        make(gradient_balancing="sum")
    assert "keeps 3 groups x" in caplog.text
    monkeypatch.setattr("mtft.training.gradient_balancer.free_bytes", lambda device: 1000.0)
    with pytest.raises(ConfigError, match="must fit into memory"):
        make(gradient_balancing="sum")


def _tower(groups: int) -> tuple[nn.Module, list[Callable[[], Tensor]], list[int]]:
    """A net, losses of separate batches, and a list that grows with every backward pass through its first layer."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))
    batches = torch.randn(groups, 4, 6)
    passes: list[int] = []
    model[0].register_full_backward_hook(lambda *_: passes.append(1))
    return model, [lambda b=batch: model(b).square().mean() for batch in batches], passes


def test_one_backward_pass_per_group_gives_what_torchjd_needs_their_square_for() -> None:
    from torchjd.autojac import backward, jac_to_grad

    model, losses, passes = _tower(8)
    parameters = list(model.parameters())
    backward([loss() for loss in losses], inputs=parameters, parallel_chunk_size=1)
    expected = jac_to_grad(parameters, aggregation.UPGrad())
    theirs = [p.grad.clone() for p in parameters]  # type: ignore[union-attr]
    squared = len(passes)
    passes.clear()
    for p in parameters:
        p.grad = None
    found = balanced_gradients(losses, parameters, aggregation.UPGradWeighting())
    assert (squared, len(passes)) == (64, 8)
    torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-5)
    for p, wanted in zip(parameters, theirs, strict=True):
        torch.testing.assert_close(p.grad, wanted, rtol=1e-4, atol=1e-6)


def test_rows_are_filled_in_place_and_the_update_takes_no_more_room() -> None:
    model, losses, _ = _tower(3)
    parameters = list(model.parameters())
    rows = GradientRows(parameters, 3)
    balanced_gradients(losses, parameters, aggregation.SumWeighting(), rows=rows)
    kept = rows.matrix.untyped_storage().data_ptr()
    assert all(p.grad is not None and p.grad.untyped_storage().data_ptr() == kept for p in parameters)
    assert rows.matrix.numel() * 4 == GradientRows.bytes_for(parameters, 3)


def test_parameters_of_other_types_are_added_up_in_float32() -> None:
    model, *_ = _tower(2)
    model.to(torch.bfloat16)
    parameters = list(model.parameters())
    rows = GradientRows(parameters, 2)
    batch = torch.randn(3, 6, dtype=torch.bfloat16)
    weights = balanced_gradients(
        [lambda: model(batch).sum()] * 2, parameters, aggregation.MeanWeighting(), rows=rows
    )
    assert weights.tolist() == [0.5, 0.5]
    assert rows.matrix.dtype == torch.float32
    assert all(p.grad is not None and p.grad.dtype == torch.bfloat16 for p in parameters)
    assert float(parameters[-1].grad) == 3.0  # type: ignore[arg-type]


def _balancer(update_norm: str, name: str = "sum") -> GradientBalancer:
    settings = GradientSettings(gradient_balancing=name, update_norm=update_norm)
    vars(settings).update(loss_normalization="token", target_length_exponent=0.0, seed=0)
    model = nn.Linear(2, 1, bias=False)
    return GradientBalancer(settings, Groups("task", ("a", "b", "c"), {}), model, most=3)


def _stepped(balancer: GradientBalancer, rows: list[list[float]]) -> list[float]:
    weight = balancer.parameters[0]
    balancer._present = list(range(len(rows)))
    batches = [{"group": number, "row": torch.tensor([row])} for number, row in enumerate(rows)]

    def backward(batch: dict[str, Any]) -> Tensor:
        loss = (weight * batch["row"]).sum()
        (loss * balancer.loss_scale()).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    balancer.step(0, batches, backward)
    assert weight.grad is not None
    return [float(value) for value in weight.grad.flatten()]


def test_a_state_of_other_groups_is_refused() -> None:
    balancer = _balancer("sum", "gradnorm")
    balancer.restore(balancer.state())
    with pytest.raises(RunError, match=r"the groups that it began with.*a, b, c now, a, b, d in"):
        balancer.restore({**balancer.state(), "groups": ["a", "b", "d"]})


def test_updates_that_are_rounding_alone_are_not_blown_up() -> None:
    """MGDA of opposite gradients is zero, or what rounding left of it, and stays that."""
    found = _stepped(_balancer("sum", "mgda"), [[1.0, 3.0], [-3.0, -9.0]])
    assert max(map(abs, found)) < 1e-4


@pytest.mark.parametrize("norm", ["none", "mean"])
@pytest.mark.parametrize("name", ["fairgrad", "graddrop", "imtl_g"])
def test_float16s_scale_of_losses_is_the_updates_scale_and_nothing_else(name: str, norm: str) -> None:
    rows = [[1.0, 3.0], [-2.0, 1.0], [0.5, 0.5]]
    plain, scaled = _balancer(norm, name), _balancer(norm, name)
    scaled.loss_scale = lambda: 1024.0
    expected = [1024 * value for value in _stepped(plain, rows)]
    assert _stepped(scaled, rows) == pytest.approx(expected, rel=1e-5)
    assert scaled.log.drain() == pytest.approx(plain.log.drain(), rel=1e-6)


def test_groups_without_gradient_and_gradients_that_are_not_finite_pass_through() -> None:
    assert _stepped(_balancer("sum", "imtl_g"), [[0.0, 0.0], [3.0, 4.0]]) == pytest.approx([3.0, 4.0])
    assert _stepped(_balancer("sum", "nash_mtl"), [[0.0, 0.0], [0.0, 0.0]]) == [0.0, 0.0]
    found = _stepped(_balancer("sum", "upgrad"), [[1.0, 0.0], [float("nan"), 1.0]])
    assert not np.isfinite(found).all()


@pytest.mark.processes
def test_two_processes_give_the_weights_and_updates_of_one(tmp_path: Path) -> None:
    launched([*TORCHRUN, Path(__file__).with_name("launched_gradients.py"), tmp_path])
    logs = json.loads((tmp_path / "logs.json").read_text())
    for name, settings in RUNS.items():
        alone = train(tmp_path / f"{name}-alone", **settings)
        for one, two in zip(alone, logs[name], strict=True):
            assert one.keys() == two.keys(), name
            for key, value in one.items():
                assert two[key] == pytest.approx(value, rel=2e-3, abs=1e-4), (name, key)
