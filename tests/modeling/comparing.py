"""Gradients taken and compared."""

from __future__ import annotations

from torch import Tensor, nn


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Of every parameter that has one."""
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_equal_gradients(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float) -> None:
    """Equal within the tolerance of each tensor's largest entry, and a tenth of it of the largest of all.

    The latter is for tensors whose entries are small differences of large ones, such as a key's.
    """
    assert ours.keys() == theirs.keys()
    largest = max(float(gradient.abs().max()) for gradient in theirs.values())
    for name, gradient in theirs.items():
        error = (ours[name] - gradient).abs().max()
        assert error <= tolerance * (gradient.abs().max() + 0.1 * largest), (name, float(error))
