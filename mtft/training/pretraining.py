"""A short pretraining on raw text: span corruption for encoder-decoders, next token for causal models."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase, get_linear_schedule_with_warmup

from mtft.errors import ConfigError, ModelError
from mtft.modeling import has_own_forward, weighted_target_loss
from mtft.training.span_corruption import corrupt_spans, span_sizes

logger = logging.getLogger(__name__)

Ids = npt.NDArray[np.int64]
OnStep = Callable[[int, float, float], None]


@dataclass
class PretrainArguments:
    """How a model is pretrained.

    Attributes:
        max_steps: Optimiser steps.
        batch_size: Rows per step.
        row_length: Tokens of text per row.
        learning_rate: Highest rate, reached after the warm-up; falls linearly to zero.
        warmup_share: Share of the steps spent warming up.
        weight_decay: AdamW's, on matrices only.
        max_grad_norm: Gradients are clipped to this norm.
        noise_density: Share of tokens hidden (encoder-decoder).
        mean_span: Mean length of a hidden span, in tokens (encoder-decoder).
        seed: Of the order of documents and rows and of the hidden spans.
        log_every: Steps between two log lines.
    """

    max_steps: int = 800
    batch_size: int = 32
    row_length: int = 64
    learning_rate: float = 1e-3
    warmup_share: float = 0.05
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    noise_density: float = 0.15
    mean_span: float = 3.0
    seed: int = 0
    log_every: int = 100

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch_size", "row_length", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1.", found=getattr(self, name))
        if not 0 < self.noise_density < 1:
            raise ConfigError("`noise_density` must lie between 0 and 1.", found=self.noise_density)


@dataclass(frozen=True)
class PretrainReport:
    """What a pretraining did.

    Attributes:
        steps: Optimiser steps.
        tokens: Tokens of text seen, repetitions counted.
        distinct_tokens: Tokens of text there were.
        seconds: Wall time of the steps.
        first_loss: Nats per target token, mean over the first tenth of the steps.
        last_loss: The same over the last tenth.
    """

    steps: int
    tokens: int
    distinct_tokens: int
    seconds: float
    first_loss: float
    last_loss: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens of text per second of wall time."""
        return self.tokens / max(self.seconds, 1e-9)


def pretrain(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    documents: Iterable[str],
    arguments: PretrainArguments | None = None,
    on_step: OnStep | None = None,
) -> PretrainReport:
    """Train a model on raw text, in place.

    Documents are joined by end-of-sequence into rows of one length. No more of them are read than the steps
    need; with fewer, rows repeat in a new order. In several processes each one does the same work and
    ends with the same weights.

    Args:
        model: Trained where it is; left in evaluation mode.
        tokenizer: Its tokenizer.
        documents: The text.
        arguments: Defaults where None.
        on_step: Called after every step with (step, loss in nats per token, tokens per second).

    Raises:
        ConfigError: The text does not fill one row.
        ModelError: The tokenizer lacks sentinels for span corruption.
    """
    chosen = arguments or PretrainArguments()
    rows = text_rows(tokenizer, documents, chosen)
    random = np.random.default_rng(chosen.seed)
    encoder_decoder = bool(model.config.is_encoder_decoder)  # type: ignore[union-attr]
    make = _span_batches(tokenizer, chosen, random) if encoder_decoder else _next_token_batch
    batches = map(make, _row_batches(rows, chosen, random))
    seed_before = torch.random.get_rng_state()
    torch.manual_seed(chosen.seed)  # dropout
    try:
        losses, seconds = _steps(model, batches, chosen, on_step)
    finally:
        torch.random.set_rng_state(seed_before)
    tenth = max(1, len(losses) // 10)
    return PretrainReport(
        steps=len(losses),
        tokens=len(losses) * chosen.batch_size * chosen.row_length,
        distinct_tokens=rows.size,
        seconds=seconds,
        first_loss=float(np.mean(losses[:tenth])),
        last_loss=float(np.mean(losses[-tenth:])),
    )


def text_rows(
    tokenizer: PreTrainedTokenizerBase, documents: Iterable[str], arguments: PretrainArguments
) -> Ids:
    """The documents in a seeded order, joined by end-of-sequence and cut into rows, (rows, row_length) int64.

    Example: documents `[a b c]` and `[d e]` in rows of 3 give `[[a b c], [</s> d e]]`; a rest is left out.

    Raises:
        ConfigError: The text does not fill one row.
    """
    wanted = arguments.max_steps * arguments.batch_size * arguments.row_length
    ids = _token_lists(tokenizer, documents, wanted)
    order = np.random.default_rng(arguments.seed).permutation(len(ids))
    stream = np.fromiter((token for index in order for token in ids[index]), dtype=np.int64)
    rows = len(stream) // arguments.row_length
    if rows == 0:
        raise ConfigError(
            "The text for pretraining must fill at least one row.",
            found=f"{len(stream)} tokens for rows of {arguments.row_length}",
        )
    return stream[: rows * arguments.row_length].reshape(rows, arguments.row_length)


def _token_lists(
    tokenizer: PreTrainedTokenizerBase, documents: Iterable[str], wanted: int
) -> list[list[int]]:
    """Ids of document after document, each with end-of-sequence, until `wanted` tokens are there."""
    lists: list[list[int]] = []
    total, remaining = 0, iter(documents)
    while total < wanted and (block := list(islice(remaining, 1024))):
        for ids in tokenizer(block, add_special_tokens=False, verbose=False)["input_ids"]:
            lists.append([*ids, tokenizer.eos_token_id])
            total += len(ids) + 1
    return lists


def _row_batches(rows: Ids, arguments: PretrainArguments, random: np.random.Generator) -> Iterator[Ids]:
    """As many batches as there are steps; every row is seen before any is seen again."""
    queue = np.empty(0, dtype=np.int64)
    for _ in range(arguments.max_steps):
        while len(queue) < arguments.batch_size:
            queue = np.concatenate([queue, random.permutation(len(rows))])
        yield rows[queue[: arguments.batch_size]]
        queue = queue[arguments.batch_size :]


def _span_batches(
    tokenizer: PreTrainedTokenizerBase, arguments: PretrainArguments, random: np.random.Generator
) -> Callable[[Ids], dict[str, torch.Tensor]]:
    """Turns rows of text into span-corruption batches."""
    sizes = span_sizes(arguments.row_length, arguments.noise_density, arguments.mean_span)
    sentinels = _sentinels(tokenizer, sizes.spans)

    def make(rows: Ids) -> dict[str, torch.Tensor]:
        return _batch(*corrupt_spans(rows, sizes, sentinels, int(tokenizer.eos_token_id), random))

    return make


def _sentinels(tokenizer: PreTrainedTokenizerBase, count: int) -> Ids:
    """Ids of `<extra_id_0>` and on.

    Raises:
        ModelError: There are fewer than `count`.
    """
    vocabulary = tokenizer.get_vocab()
    names = [f"<extra_id_{n}>" for n in range(count)]
    if missing := [name for name in names if name not in vocabulary]:
        raise ModelError(
            "Span corruption needs one sentinel token per hidden span of a row.",
            found=f"no `{missing[0]}` in the vocabulary",
            remedy="Use shorter rows, longer spans or a T5 tokenizer.",
        )
    return np.array([vocabulary[name] for name in names], dtype=np.int64)


def _next_token_batch(rows: Ids) -> dict[str, torch.Tensor]:
    """Rows of text as inputs and labels alike; the model shifts them."""
    return _batch(rows, rows)


def _batch(inputs: Ids, labels: Ids) -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.from_numpy(inputs),
        "attention_mask": torch.ones(inputs.shape, dtype=torch.int64),
        "labels": torch.from_numpy(labels),
        "row_weights": torch.ones(len(inputs)),
    }


def _steps(
    model: nn.Module,
    batches: Iterable[dict[str, torch.Tensor]],
    arguments: PretrainArguments,
    on_step: OnStep | None,
) -> tuple[list[float], float]:
    """The loop: loss per token of every step, and the seconds they took."""
    optimizer = _optimizer(model, arguments)
    warmup = round(arguments.warmup_share * arguments.max_steps)
    schedule = get_linear_schedule_with_warmup(optimizer, warmup, arguments.max_steps)
    own_forward, device = has_own_forward(model), next(model.parameters()).device
    losses: list[float] = []
    model.train()
    started = time.perf_counter()
    for step, batch in enumerate(batches, start=1):
        moved = {name: tensor.to(device) for name, tensor in batch.items()}
        output = weighted_target_loss(model, moved, own_forward=own_forward)
        loss: Any = output.loss / output.count  # type: ignore[operator, arg-type]
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), arguments.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        _tell(step, losses, time.perf_counter() - started, arguments, on_step)
    model.eval()
    return losses, time.perf_counter() - started


def _optimizer(model: nn.Module, arguments: PretrainArguments) -> torch.optim.Optimizer:
    """AdamW that decays matrices and leaves scales and biases alone."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": arguments.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=arguments.learning_rate, fused=True)


def _tell(
    step: int, losses: list[float], seconds: float, arguments: PretrainArguments, on_step: OnStep | None
) -> None:
    """Report one step to the caller and, now and then, to the log."""
    rate = step * arguments.batch_size * arguments.row_length / max(seconds, 1e-9)
    if on_step is not None:
        on_step(step, losses[-1], rate)
    if step % arguments.log_every == 0 or step == arguments.max_steps:
        recent = float(np.mean(losses[-arguments.log_every :]))
        left = seconds / step * (arguments.max_steps - step)
        logger.info(
            "pretraining %d/%d: loss %.3f, %.0f tokens/s, %.0f s left",
            step,
            arguments.max_steps,
            recent,
            rate,
            left,
        )
