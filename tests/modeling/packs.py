"""Tiny models without dropout, random examples, packs laid by hand, and what the library says of each example alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import BloomConfig, MT5Config

from mtft.modeling import TargetBloom, TargetMT5

VOCABULARY, PAD = 61, 3
FAMILIES = ("bloom", "mt5")


class Row(NamedTuple):
    """One example's ids, (tokens,) int64 each."""

    prompt: Tensor
    target: Tensor


Packs = list[list[int]]


def model_of(family: str, heads: int = 4, width: int = 32) -> Any:
    """Two layers, without dropout, weights large enough that a wrong mask shows."""
    torch.manual_seed(1)
    if family == "bloom":
        config = BloomConfig(
            vocab_size=VOCABULARY,
            hidden_size=width,
            n_layer=2,
            n_head=heads,
            initializer_range=0.2,
            pad_token_id=PAD,
        )
        return TargetBloom(config).train()
    config = MT5Config(
        vocab_size=VOCABULARY,
        d_model=width,
        d_kv=width // heads,
        d_ff=2 * width,
        num_layers=2,
        num_heads=heads,
        dropout_rate=0.0,
        pad_token_id=PAD,
        decoder_start_token_id=PAD,
    )
    model = TargetMT5(config).train()
    nn.init.normal_(model.shared.weight, std=width**-0.5)
    return model


def rows_of(lengths: list[tuple[int, int]], seed: int = 0) -> list[Row]:
    """An example for each (prompt tokens, target tokens)."""
    draw = torch.Generator().manual_seed(seed)
    ids = [torch.randint(4, VOCABULARY, (sum(pair),), generator=draw) for pair in lengths]
    return [Row(each[:prompt], each[prompt:]) for each, (prompt, _) in zip(ids, lengths, strict=True)]


@st.composite
def packed_rows(draw: st.DrawFn) -> tuple[list[tuple[int, int]], Packs, list[float]]:
    """Lengths, which examples each pack holds, in its order, and a weight for each example."""
    pairs = st.tuples(st.integers(1, 40), st.integers(1, 9))
    lengths = draw(st.lists(pairs, min_size=1, max_size=7))
    pack_of = draw(st.lists(st.integers(0, 2), min_size=len(lengths), max_size=len(lengths)))
    order = draw(st.permutations(range(len(lengths))))
    packs = [[i for i in order if pack_of[i] == pack] for pack in range(3)]
    weights = draw(st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0]), min_size=7, max_size=7))
    return lengths, [pack for pack in packs if pack], weights[: len(lengths)]


def packed(
    family: str, rows: list[Row], packs: Packs, weights: list[float] | None = None
) -> dict[str, Tensor]:
    """The batch of these packs."""
    given = weights or [1.0] * len(rows)
    row_weights = torch.zeros(len(packs), max(map(len, packs)))
    for line, pack in zip(row_weights, packs, strict=True):
        line[: len(pack)] = torch.tensor([given[i] for i in pack])
    if family == "bloom":
        whole = [[torch.cat(rows[i]) for i in pack] for pack in packs]
        labels = [[_labels(rows[i]) for i in pack] for pack in packs]
        batch = {"input_ids": _joined(whole, PAD), "segments": _numbers(whole)}
        return batch | {"labels": _joined(labels, -100), "row_weights": row_weights}
    prompts = [[rows[i].prompt for i in pack] for pack in packs]
    targets = [[rows[i].target for i in pack] for pack in packs]
    return {
        "input_ids": _joined(prompts, PAD),
        "segments": _numbers(prompts),
        "labels": _joined(targets, -100),
        "target_segments": _numbers(targets),
        "row_weights": row_weights,
    }


def places(packs: Packs) -> list[tuple[int, int]]:
    """(pack, column) of every example."""
    where = {i: (p, column) for p, pack in enumerate(packs) for column, i in enumerate(pack)}
    return [where[i] for i in range(len(where))]


def target_logits(model: nn.Module, family: str, row: Row) -> Tensor:
    """What the library's own forward says where the row's targets are predicted, (target tokens, vocabulary)."""
    if family == "bloom":
        whole: Tensor = model(input_ids=torch.cat(row)[None]).logits[0]
        return whole[len(row.prompt) - 1 : -1]
    logits: Tensor = model(input_ids=row.prompt[None], labels=row.target[None]).logits[0]
    return logits


def alone(
    model: nn.Module, family: str, rows: list[Row], weights: list[float]
) -> tuple[Tensor, list[Tensor]]:
    """The weighted loss of all rows and their target logits, each row alone in the library's forward."""
    logits = [target_logits(model, family, row) for row in rows]
    losses = [
        weight * F.cross_entropy(found.float(), row.target, reduction="sum")
        for found, row, weight in zip(logits, rows, weights, strict=True)
    ]
    return torch.stack(losses).sum(), [each.detach() for each in logits]


def packed_logits(model: Any, family: str, rows: list[Row], packs: Packs) -> list[Tensor]:
    """Each row's target logits in the packed forward, from the hidden states that the head is given there."""
    head = getattr(model, "get_base_model", lambda: model)().lm_head
    given: list[tuple[Tensor, Tensor, Tensor]] = []
    hook = head.register_forward_pre_hook(lambda _, arguments: given.append(arguments))
    marks = [float(number + 1) for number in range(len(rows))]
    model(**packed(family, rows, packs, marks))
    hook.remove()
    ((hidden, _, token_weights),) = given
    logits = F.linear(hidden, head.weight).detach()
    return [logits[token_weights == mark] for mark in marks]


def _labels(row: Row) -> Tensor:
    return torch.cat([torch.full_like(row.prompt, -100), row.target])


def _joined(packs: list[list[Tensor]], fill: int) -> Tensor:
    lines = [torch.cat(pack) for pack in packs]
    return nn.utils.rnn.pad_sequence(lines, batch_first=True, padding_value=fill)


def _numbers(packs: list[list[Tensor]]) -> Tensor:
    numbered = [[torch.full_like(ids, n) for n, ids in enumerate(pack, 1)] for pack in packs]
    return _joined(numbered, 0).int()
