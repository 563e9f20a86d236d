"""Training on packs: the same as on rows, however packs are split, and a resumed run is the uninterrupted one."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.errors import ConfigError, RunError
from mtft.training import NORMALIZATIONS, MultitaskTrainer
from tests.training.additions import (
    Additions,
    MakeTrainer,
    ManyMeasuredAdditions,
    MeasuredAdditions,
    logged,
    toy_model,
)

CAPACITY = {"bloom": [48], "mt5": [40, 16]}
PACKED: dict[str, Any] = {"packing": True, "pack_window": 64}
SAVED: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "per_device_train_batch_size": 4}


class Chosen(Additions):
    """Only some of the additions, in their order."""

    def __init__(self, positions: np.ndarray) -> None:
        super().__init__()
        self.positions = positions

    def examples(self, positions: Any) -> Any:
        return super().examples(self.positions[np.asarray(positions)])


@pytest.fixture
def make_packed(make_trainer: MakeTrainer, family: str) -> MakeTrainer:
    """A packed trainer of the family; keyword arguments as `make_trainer`'s."""

    def make(source: Any = None, **settings: Any) -> MultitaskTrainer:
        source = source or MeasuredAdditions(toy_model(family)[1])
        return make_trainer(family, source, **{**PACKED, "pack_capacity": CAPACITY[family], **settings})

    return make


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_packs_train_as_their_rows_do(
    family: str, kind: str, make_packed: MakeTrainer, make_trainer: MakeTrainer
) -> None:
    """Loss and gradient norm of a step of packs, against the same examples as rows."""
    packed = make_packed(max_steps=1, loss_normalization=kind)
    positions = np.concatenate(packed.plan.plan.packs(0))
    assert len(positions) > 16
    packed.train()
    rows = make_trainer(
        family,
        Chosen(positions),
        max_steps=1,
        loss_normalization=kind,
        per_device_train_batch_size=len(positions),
    )
    rows.train()
    np.testing.assert_allclose(
        logged(packed, "loss", "grad_norm"), logged(rows, "loss", "grad_norm"), rtol=1e-5
    )
    named = [name for name in packed.state.log_history[0] if "_loss/" in name]
    assert {"task_loss/plus", "language_loss/en", "language_loss/so"} <= set(named)
    for name in named:
        assert packed.state.log_history[0][name] == pytest.approx(rows.state.log_history[0][name], rel=1e-5)


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_how_packs_are_split_changes_nothing(kind: str, make_packed: MakeTrainer) -> None:
    found = []
    for packs, accumulation in [(8, 1), (2, 4), (1, 8)]:
        trainer = make_packed(
            per_device_train_batch_size=packs,
            gradient_accumulation_steps=accumulation,
            loss_normalization=kind,
            max_steps=2,
        )
        trainer.train()
        found.append(logged(trainer, "loss", "grad_norm"))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5)


def test_epochs_see_every_row_as_often(family: str, make_packed: MakeTrainer) -> None:
    source = ManyMeasuredAdditions(toy_model(family)[1])
    trainer = make_packed(source, max_steps=-1, num_train_epochs=2, per_device_train_batch_size=4)
    trainer.train()
    assert sorted(source.read) == list(range(202))
    assert trainer.plan.examples(trainer.state.global_step) == 202
    assert trainer.dropped == 0


def test_resuming_equals_never_stopping(family: str, make_packed: MakeTrainer) -> None:
    """Bit for bit, with dropout, over windows and into the second epoch; earlier windows are not packed again."""

    def run(resume: str | None = None) -> tuple[MultitaskTrainer, ManyMeasuredAdditions]:
        source = ManyMeasuredAdditions(toy_model(family)[1])
        trainer = make_packed(source, dropout=0.1, max_steps=-1, num_train_epochs=2, **SAVED)
        trainer.train(resume_from_checkpoint=resume)
        return trainer, source

    whole, _ = run()
    assert whole.state.global_step > 4
    folder = Path(whole.args.output_dir) / "checkpoint-4"
    assert json.loads((folder / "steps.json").read_text())["window"] > 0
    resumed, source = run(str(folder))
    assert logged(resumed, "step", "loss", "grad_norm") == logged(whole, "step", "loss", "grad_norm")
    weights = zip(whole.model.parameters(), resumed.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    assert len(source.read) == 202 - whole.plan.examples(4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"pack_window": 32}, "packs"),
        ({"pack_capacity": None}, "packs"),
        ({"per_device_train_batch_size": 2}, "packs per step"),
        ({"packing": False}, "packs"),
    ],
)
def test_other_packs_are_refused(
    family: str, make_packed: MakeTrainer, change: dict[str, Any], named: str
) -> None:
    make_packed(max_steps=2, **SAVED).train()
    if change.get("pack_capacity", 0) is None:
        change = {"pack_capacity": [each + 16 for each in CAPACITY[family]]}
    with pytest.raises(RunError, match=f"resumed with the {named}"):
        make_packed(**{"max_steps": 4, **SAVED, **change}).train(resume_from_checkpoint=True)


def test_workers_change_nothing(make_packed: MakeTrainer) -> None:
    found = []
    for workers in (0, 2):
        trainer = make_packed(dataloader_num_workers=workers, max_steps=2)
        trainer.train()
        found.append(logged(trainer, "loss", "grad_norm"))
    assert found[0] == found[1]


def test_capacities_are_proposed_from_the_data(
    make_packed: MakeTrainer, family: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "mtft"):
        source = ManyMeasuredAdditions(toy_model(family)[1])
        trainer = make_packed(source, pack_capacity=[], max_steps=-1, num_train_epochs=1)
    windows = trainer.plan.plan.windows
    assert len(windows.capacities) == len(CAPACITY[family])
    assert "proposed from the data" in caplog.text
    trainer.train()
    assert trainer.dropped == 0


def test_what_is_larger_than_a_pack_is_counted_or_refused(family: str, make_packed: MakeTrainer) -> None:
    source = ManyMeasuredAdditions(toy_model(family)[1])
    lengths = np.stack(source.lengths(range(101)), axis=1)
    sizes = lengths.sum(axis=1, keepdims=True) if family == "bloom" else lengths
    small = (sizes.max(axis=0) - 1).tolist()
    over = int((sizes > np.array(small)).any(axis=1).sum())
    assert 0 < over < 101
    trainer = make_packed(source, pack_capacity=small, max_steps=-1, num_train_epochs=1)
    trainer.train()
    assert trainer.dropped == over
    assert len(source.read) == 101 - over
    with pytest.raises(ConfigError, match="must fit into a pack"):
        make_packed(source, pack_capacity=small, over_capacity="refuse", max_steps=1).train()


def test_a_source_without_lengths_is_refused(make_packed: MakeTrainer) -> None:
    with pytest.raises(ConfigError, match="length before it is read"):
        make_packed(Additions())


def test_lengths_of_another_tokenizer_are_refused(family: str, make_packed: MakeTrainer) -> None:
    source = MeasuredAdditions(toy_model(family)[1])
    source.index = type("Index", (), {"measure": "bytes"})()
    with pytest.raises(ConfigError, match="tokens of the encoder that trains"):
        make_packed(source)


def test_another_model_trains_unpacked_and_says_so(
    make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer("bloom")
    config = GPT2Config(
        vocab_size=len(trainer.encoder.tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64
    )
    trainer.args.packing = True
    other = type(trainer)(GPT2LMHeadModel(config), trainer.args, Additions(), trainer.encoder)
    assert [record.message for record in caplog.records if "trains unpacked" in record.message]
    assert other.plan.kind == "rows"
    other.train()
    assert other.state.global_step == 3
