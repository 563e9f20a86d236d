"""Additions that tell their tasks, and a bigram model whose Fisher trace is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtft.encoding import Encoder
from mtft.training.diagnostic_subset import TaskExamples, choose_examples
from mtft.training.groups import groups_of
from tests.training.additions import Additions


class GroupedAdditions(Additions):
    """Two tasks: `plus` in English, `sum` in Somali and in no language."""

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        cells = {("plus", "en"), ("sum", "so"), ("sum", "")}
        return {cell: cell[0] if by == "task" else cell[1] for cell in cells}


def examples_of(encoder: Encoder, count: int = 6, normalization: str = "target") -> list[TaskExamples]:
    source = GroupedAdditions()
    return choose_examples(source, encoder, groups_of(source, "task"), count, normalization=normalization)


class Bigrams(nn.Module):
    """Logits at a position are a row of a table, chosen by the token there; no other family's forward."""

    config = SimpleNamespace(is_encoder_decoder=False)

    def __init__(self, vocabulary: int = 5) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        self.table = nn.Parameter(torch.randn(vocabulary, vocabulary, generator=draw))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        return SimpleNamespace(logits=self.table[input_ids])


def bigram_batch(rows: list[list[int]]) -> dict[str, Tensor]:
    """Rows of equal length; all tokens but the first are targets."""
    ids = torch.tensor(rows)
    labels = ids.clone()
    labels[:, 0] = -100
    return {
        "input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels,
        "row_weights": torch.ones(len(rows)),
    }  # fmt: skip


def bigram_trace(model: Bigrams, rows: list[list[int]]) -> float:
    """tr F: each position adds 1 - |p|^2, since scores p - onehot(y) have that mean square under y ~ p."""
    p = model.table.detach().softmax(dim=-1).numpy()
    return float(np.mean([sum(1 - np.sum(p[token] ** 2) for token in row[:-1]) for row in rows]))
