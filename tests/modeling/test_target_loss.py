"""The target-only loss equals the whole computation, in value and gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BloomForCausalLM, MT5ForConditionalGeneration

from mtft.modeling import chunked_cross_entropy, has_own_forward, weighted_target_loss
from tests.modeling.comparing import assert_equal_gradients, gradients

PARENTS = {"mt5": MT5ForConditionalGeneration, "bloom": BloomForCausalLM}


def _reference(toy: Any, row_weights: Tensor) -> tuple[Any, Tensor]:
    """The library's own model with the same weights, full logits, plain cross-entropy."""
    parent = PARENTS[toy.family](toy.model.config)
    parent.load_state_dict(toy.model.state_dict())
    labels = toy.batch["labels"]
    logits = parent(**{name: toy.batch[name] for name in ("input_ids", "attention_mask", "labels")}).logits
    if toy.family == "bloom":
        logits, labels = logits[:, :-1], labels[:, 1:]
    terms = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=-100)
    return parent, (terms.sum(dim=1) * row_weights).sum()


def test_loss_and_gradients_equal_the_librarys_full_computation(toy: Any) -> None:
    toy.batch["row_weights"] = torch.tensor([1.0, 0.25, 0.5, 0.0])
    output = toy.model(**toy.batch)
    parent, expected = _reference(toy, toy.batch["row_weights"])
    torch.testing.assert_close(output.loss, expected, rtol=1e-6, atol=1e-6)
    ours, theirs = gradients(toy.model, output.loss), gradients(parent, expected)
    assert_equal_gradients(ours, theirs, 1e-5)


def test_counts_and_row_losses_are_per_row(toy: Any) -> None:
    output = toy.model(**toy.batch)
    assert output.row_counts.tolist() == (toy.batch["labels"] != -100).sum(1).tolist()
    assert output.count == output.row_counts[:3].sum()
    torch.testing.assert_close(output.loss, output.row_losses[:3].sum(), rtol=1e-6, atol=1e-6)
    assert not output.row_losses.requires_grad


def test_an_empty_slot_changes_neither_loss_nor_gradient(toy: Any) -> None:
    with_slot = toy.model(**toy.batch)
    ours = gradients(toy.model, with_slot.loss)
    without = toy.model(**{name: tensor[:3] for name, tensor in toy.batch.items()})
    torch.testing.assert_close(with_slot.loss, without.loss, rtol=1e-6, atol=1e-6)
    assert_equal_gradients(ours, gradients(toy.model, without.loss), 1e-5)


def test_a_batch_of_empty_slots_has_loss_zero_andgradients(toy: Any) -> None:
    """Every process must run backward, or collectives wait for ever."""
    empty = {name: tensor[3:] for name, tensor in toy.batch.items()}
    output = toy.model(**empty)
    assert output.loss == 0
    assert output.count == 0
    found = gradients(toy.model, output.loss)
    assert found.keys() == dict(toy.model.named_parameters()).keys()
    assert all(torch.equal(g, torch.zeros_like(g)) for g in found.values())


def test_the_generic_path_agrees_with_our_forward(toy: Any) -> None:
    ours = toy.model(**toy.batch)
    generic = weighted_target_loss(toy.model, toy.batch, own_forward=False)
    torch.testing.assert_close(generic.loss, ours.loss, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(generic.row_losses, ours.row_losses, rtol=1e-5, atol=1e-5)
    assert generic.row_counts.tolist() == ours.row_counts.tolist()
    assert has_own_forward(toy.model)


def test_without_row_weights_the_forward_is_the_librarys(toy: Any) -> None:
    parent, _ = _reference(toy, toy.batch["row_weights"])
    inputs = {name: toy.batch[name] for name in ("input_ids", "attention_mask", "labels")}
    ours, theirs = toy.model(**inputs), parent(**inputs)
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
@pytest.mark.parametrize("frozen", [None, "hidden", "weight"])
def test_chunks_do_not_change_the_loss(chunk: int, frozen: str | None) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 5, generator=generator).requires_grad_(frozen != "hidden")
    weight = torch.randn(11, 5, generator=generator).requires_grad_(frozen != "weight")
    targets = torch.randint(11, (7,), generator=generator)
    weights = torch.rand(7, generator=generator)
    total, terms, losses = chunked_cross_entropy(hidden, weight, targets, weights, chunk)
    assert losses is None
    expected = F.cross_entropy(hidden @ weight.T, targets, reduction="none")
    torch.testing.assert_close(terms, expected.detach())
    wanted = [tensor for tensor in (hidden, weight) if tensor.requires_grad]
    ours = torch.autograd.grad(3 * total, wanted)
    theirs = torch.autograd.grad(3 * (expected * weights).sum(), wanted)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_the_loss_has_a_value_withoutgradients(toy: Any) -> None:
    with torch.no_grad():
        quiet = toy.model(**toy.batch).loss
    assert not quiet.requires_grad
    torch.testing.assert_close(quiet, toy.model(**toy.batch).loss.detach())


def test_bfloat16_gradients_are_close(toy: Any) -> None:
    exact = gradients(toy.model, toy.model(**toy.batch).loss)
    with torch.autocast("cpu", torch.bfloat16):
        loss = toy.model(**toy.batch).loss
    assert loss.dtype == torch.float32
    rough = gradients(toy.model, loss)
    for name, gradient in exact.items():
        assert rough[name].dtype == gradient.dtype
        cosine = F.cosine_similarity(rough[name].flatten(), gradient.flatten(), dim=0)
        assert cosine > 0.98, name
