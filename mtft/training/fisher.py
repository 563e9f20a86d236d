"""The trace of the Fisher information, with labels drawn from the model itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtft.encoding import Batch
from mtft.modeling import TargetHead, target_logits, weighted_target_loss
from mtft.training.task_gradients import GradientProbe

_POSITIONS = 64  # whose logits stand at once


def fisher_trace(probe: GradientProbe, batches: list[Batch], seed: int) -> float:
    """Tr F = E_x E_y~model |grad log p(y | x)|^2 over the chosen weights, an unbiased estimate.

    At every target position a label is drawn from the model's own distribution there, the true target being read
    before the next: the data's labels would give the empirical Fisher, another quantity. Scores of labels drawn
    independently have mean zero and are uncorrelated, so the squared norm of a batch's summed gradient is in
    expectation the sum over its examples, and one backward pass serves a batch.

    Args:
        probe: Of the model, in evaluation mode.
        batches: The examples; their weights are not read.
        seed: Of the drawn labels.

    Source: Jastrzebski et al. 2021, arXiv 2012.14193, "Catastrophic Fisher Explosion"; Mueller et al. 2024,
        arXiv 2408.14677, section 2; Kunstner et al. 2019, arXiv 1905.12558, on the empirical Fisher.
    """
    draws = torch.Generator(device=probe.device).manual_seed(seed)
    squares, examples = 0.0, 0
    for batch in batches:
        loss = sampled_loss(probe.model, probe.on_device(batch), draws, own_forward=probe.own_forward)
        squares += float(probe.gradient(loss).square().sum())
        examples += len(batch["row_weights"])
    return squares / examples if examples else float("nan")


def sampled_loss(model: nn.Module, batch: Batch, draws: torch.Generator, *, own_forward: bool) -> Tensor:
    """(), the summed negative log-likelihood of labels that the model draws at the batch's target positions."""
    if own_forward:
        with drawn_targets(model, draws):
            whole = {**batch, "row_weights": torch.ones_like(batch["row_weights"])}
            loss = weighted_target_loss(model, whole, own_forward=True).loss
            assert loss is not None
            return loss
    logits = target_logits(model, batch)[0]
    return F.cross_entropy(logits, _drawn(logits.detach(), draws), reduction="sum")


@contextmanager
def drawn_targets(model: nn.Module, draws: torch.Generator) -> Iterator[None]:
    """Every `TargetHead` scores labels that it draws itself in place of those it is given, by plain likelihood.

    What the model reads stays the data's: only the head's targets change.
    """

    def replaced(head: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        hidden, _, *rest = given
        weight = named.get("weight")
        return (hidden, _labels(hidden, head.weight if weight is None else weight, draws), *rest), named

    heads = [module for module in model.modules() if isinstance(module, TargetHead)]
    options = [head.loss_options for head in heads]
    hooks = [head.register_forward_pre_hook(replaced, with_kwargs=True) for head in heads]
    try:
        for head in heads:
            head.loss_options = replace(head.loss_options, label_smoothing=0.0, z_loss=0.0)
        yield
    finally:
        for head, option, hook in zip(heads, options, hooks, strict=True):
            head.loss_options = option
            hook.remove()


@torch.no_grad()
def _labels(hidden: Tensor, weight: Tensor, draws: torch.Generator) -> Tensor:
    """(positions,) int64, one label drawn at each position of (positions, width)."""
    parts = [_drawn(F.linear(part, weight), draws) for part in torch.split(hidden, _POSITIONS)]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64, device=hidden.device)


def _drawn(logits: Tensor, draws: torch.Generator) -> Tensor:
    """(positions,) int64 drawn from the softmax of (positions, vocabulary)."""
    precise = logits if logits.dtype == torch.float64 else logits.float()
    return torch.multinomial(precise.softmax(dim=-1), 1, generator=draws)[:, 0]
