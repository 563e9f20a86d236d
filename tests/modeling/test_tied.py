"""Tied embeddings have one gradient of the vocabulary's size, the sum that autograd would make of two."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import mtft.modeling.tied
from mtft.modeling.tied import look_up
from tests.modeling.comparing import assert_equal_gradients, gradients


def parts(toy: Any) -> tuple[nn.Embedding, nn.Module]:
    return toy.model.get_input_embeddings(), toy.model.lm_head


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_the_gradients_are_those_of_two_look_ups(
    toy: Any, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tolerance: float
) -> None:
    toy.model.to(dtype)
    embeddings, head = parts(toy)
    assert embeddings.weight is head.weight
    found = toy.model(**toy.batch)
    ours = gradients(toy.model, found.loss)
    monkeypatch.setattr(mtft.modeling.tied, "_share", lambda *_: False)
    expected = toy.model(**toy.batch)
    assert torch.equal(found.loss, expected.loss)
    assert_equal_gradients(ours, gradients(toy.model, expected.loss), tolerance)


def test_gradients_add_up_over_micro_batches(toy: Any) -> None:
    once = gradients(toy.model, toy.model(**toy.batch).loss)
    toy.model.zero_grad()
    for _ in range(2):
        toy.model(**toy.batch).loss.backward()
    twice = {name: p.grad for name, p in toy.model.named_parameters() if p.grad is not None}
    assert_equal_gradients(twice, {name: 2 * gradient for name, gradient in once.items()}, 1e-5)


def test_the_gradient_is_not_copied(toy: Any) -> None:
    """What the head made is what the parameter has in the end."""
    made: list[int] = []
    embeddings, head = parts(toy)
    ids = torch.tensor([1, 2, 2])
    embedded, weight = look_up(embeddings, head, ids)
    assert weight is not None
    total, *_ = head(embedded, ids, torch.ones(3), weight=weight)
    made.append(total.grad_fn.gradients[1].data_ptr())
    total.backward()
    assert embeddings.weight.grad is not None
    assert embeddings.weight.grad.data_ptr() == made[0]
    with pytest.raises(RuntimeError):
        total.backward()


@pytest.mark.parametrize("change", ["untied", "frozen", "hooked", "no_grad"])
def test_anything_else_is_looked_up_as_usual(toy: Any, change: str) -> None:
    embeddings, head = parts(toy)
    if change == "untied":
        head.weight = nn.Parameter(head.weight.detach().clone())
    if change == "frozen":
        embeddings.weight.requires_grad_(False)
    if change == "hooked":
        embeddings.register_forward_hook(lambda *_: None)
    with torch.set_grad_enabled(change != "no_grad"):
        embedded, weight = look_up(embeddings, head, torch.tensor([1, 2]))
    assert weight is None
    assert torch.equal(embedded, embeddings.weight[[1, 2]])
