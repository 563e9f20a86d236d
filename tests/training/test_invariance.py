"""The same rows give the same loss and gradient, however they are split; in one process, see test_processes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.encoding import TokenLimits
from mtft.training import NORMALIZATIONS
from tests.training.additions import Additions, MakeTrainer, ManyAdditions, logged

SPLITS = [(8, 1), (2, 4), (1, 8)]


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_loss_and_gradient_norm_do_not_depend_on_the_split(
    family: str, kind: str, make_trainer: MakeTrainer
) -> None:
    """The library's own trainer gives mT5 a loss 4 and 8 times as large for 2x4 and 1x8."""
    found = []
    for rows, accumulation in SPLITS:
        trainer = make_trainer(
            family,
            per_device_train_batch_size=rows,
            gradient_accumulation_steps=accumulation,
            loss_normalization=kind,
            max_steps=2,
        )
        trainer.train()
        found.append(logged(trainer, "loss", "grad_norm"))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5)


def test_each_normalization_is_what_it_says(family: str, make_trainer: MakeTrainer) -> None:
    """Against sums over the library's full logits."""
    for kind in NORMALIZATIONS:
        trainer = make_trainer(family, loss_normalization=kind, max_steps=1, logging_steps=1)
        expected = _by_hand(trainer, kind)
        trainer.train()
        assert logged(trainer, "loss")[0][0] == pytest.approx(expected, rel=1e-5), kind


def _by_hand(trainer: object, kind: str) -> float:
    examples = Additions().examples(range(8))
    sums, counts = [], []
    model, encoder = trainer.model.eval(), trainer.encoder  # type: ignore[attr-defined]
    for example in examples:
        row = encoder.encode(example)
        target = torch.tensor(row.target_ids, dtype=torch.int64)
        prompt = torch.tensor(row.input_ids, dtype=torch.int64)
        with torch.no_grad():
            if encoder.kind == "causal":
                logits = model(torch.cat([prompt, target])[None]).logits[0, len(prompt) - 1 : -1]
            else:
                logits = model(prompt[None], labels=target[None]).logits[0]
        sums.append(F.cross_entropy(logits, target, reduction="sum").item())
        counts.append(len(target))
    tasks = {example.task for example in examples}
    by_task = [
        sum(s for s, e in zip(sums, examples, strict=True) if e.task == task)
        / sum(c for c, e in zip(counts, examples, strict=True) if e.task == task)
        for task in tasks
    ]
    return {
        "token": sum(sums) / sum(counts),
        "target": sum(s / c for s, c in zip(sums, counts, strict=True)) / len(sums),
        "sample": sum(sums) / len(sums),
        "task": sum(by_task) / len(by_task),
    }[kind]


def test_a_global_batch_fixes_the_rows_of_a_step(family: str, make_trainer: MakeTrainer) -> None:
    found = []
    for micro_batch in (6, 4, 5):
        source = Additions()
        trainer = make_trainer(
            family, source, per_device_train_batch_size=micro_batch, global_batch_size=6, max_steps=2
        )
        trainer.train()
        assert sorted(source.read) == list(range(12))
        found.append(logged(trainer, "loss", "grad_norm"))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5)


def test_epochs_end_with_a_short_step_and_see_every_row(family: str, make_trainer: MakeTrainer) -> None:
    source = ManyAdditions()
    trainer = make_trainer(family, source, max_steps=-1, num_train_epochs=2)
    trainer.train()
    assert trainer.state.global_step == math.ceil(42 / 8)
    assert sorted(source.read) == list(range(42))


def test_over_long_examples_are_left_out_and_counted(family: str, make_trainer: MakeTrainer) -> None:
    limits = TokenLimits(max_target_tokens=2)
    trainer = make_trainer(family, limits=limits, max_steps=2, loss_normalization="target")
    examples = Additions().examples(range(16))
    lengths = [len(trainer.encoder.encode(example).target_ids) for example in examples]
    trainer.train()
    assert trainer.dropped == sum(length > 2 for length in lengths) > 0
    # the mean is over the rows that stayed
    assert all(0 < loss < 12 for (loss,) in logged(trainer, "loss"))


def test_task_losses_are_logged_and_add_up_to_the_token_loss(family: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(family, loss_normalization="token", max_steps=1)
    trainer.train()
    entry = trainer.state.log_history[0]
    examples = Additions().examples(range(8))
    tokens = {"plus": 0, "sum": 0, "more": 0}
    for example in examples:
        tokens[example.task] += len(trainer.encoder.encode(example).target_ids)
    total = sum(entry[f"task_loss/{task}"] * count for task, count in tokens.items() if count)
    assert total / sum(tokens.values()) == pytest.approx(entry["loss"], rel=1e-5)


def test_options_change_what_is_minimised_and_not_what_is_reported(
    family: str, make_trainer: MakeTrainer
) -> None:
    plain = make_trainer(family, max_steps=1)
    plain.train()
    for option in ({"label_smoothing_factor": 0.2}, {"z_loss": 1.0}, {"target_length_exponent": 1.0}):
        trainer = make_trainer(family, max_steps=1, **option)
        trainer.train()
        before, after = plain.state.log_history[0], trainer.state.log_history[0]
        assert after["loss"] != pytest.approx(before["loss"], rel=1e-4), option
        assert after["grad_norm"] != pytest.approx(before["grad_norm"], rel=1e-4), option
        assert after["task_loss/plus"] == pytest.approx(before["task_loss/plus"], rel=1e-6), option


def test_workers_change_nothing(family: str, make_trainer: MakeTrainer) -> None:
    found = []
    for workers in (0, 2):
        trainer = make_trainer(family, dataloader_num_workers=workers, max_steps=2)
        trainer.train()
        found.append(logged(trainer, "loss", "grad_norm"))
    assert found[0] == found[1]


def test_training_learns(family: str, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(family, max_steps=40, learning_rate=5e-3, logging_steps=5)
    trainer.train()
    losses = [loss for (loss,) in logged(trainer, "loss")]
    assert losses[-1] < 0.5 * losses[0]


def test_any_other_model_trains_through_its_logits(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("bloom")
    config = GPT2Config(
        vocab_size=len(trainer.encoder.tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64
    )
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config)
    found = []
    for rows, accumulation in ((8, 1), (2, 4)):
        trainer.args.per_device_train_batch_size = rows
        trainer.args.gradient_accumulation_steps = accumulation
        twin = GPT2LMHeadModel(config)
        twin.load_state_dict(model.state_dict())
        for module in twin.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        other = type(trainer)(twin, trainer.args, Additions(), trainer.encoder)
        other.train()
        found.append(logged(other, "loss", "grad_norm"))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
