"""The reference path: one row per choice, plain library calls, full logits. Slow, and valid for every
model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from mtft.evaluation.backbones import device_of, is_encoder_decoder, start_token, unwrapped
from mtft.evaluation.batching import batches, padded
from mtft.evaluation.protocols import TokenIds
from mtft.evaluation.requests import GenerationIds, RankIds


class _Row(NamedTuple):
    """One choice after its prompt."""

    key: str
    inputs: TokenIds
    choice: TokenIds


def naive_loglikelihoods(
    model: Any, items: Sequence[RankIds], pad: int, *, batch_tokens: int = 0
) -> list[list[float]]:
    """The log-likelihood of every choice, prompt and choice run anew for each.

    Args:
        model: Any causal or seq2seq model of the library.
        items: What to score.
        pad: Id to pad with.
        batch_tokens: Budget of a batch; 0 runs every row alone, without any padding.
    """
    rows = [_Row(str(n), i.inputs, c) for n, (i, c) in enumerate((i, c) for i in items for c in i.choices)]
    found: dict[str, float] = {}
    for batch in batches(rows, lambda r: (len(r.inputs) + len(r.choice),), batch_tokens):
        found |= dict(zip((r.key for r in batch), _row_sums(model, batch, pad), strict=True))
    flat = iter(found[row.key] for row in rows)
    return [[next(flat) for _ in item.choices] for item in items]


def _row_sums(model: Any, rows: Sequence[_Row], pad: int) -> list[float]:
    device = device_of(model)
    if is_encoder_decoder(model):
        ids, mask = padded([r.inputs for r in rows], pad, device)
        begun, _ = padded([(start_token(model), *r.choice[:-1]) for r in rows], pad, device)
        logits = model(input_ids=ids, attention_mask=mask, decoder_input_ids=begun, use_cache=False).logits
        first = [0] * len(rows)
    else:
        # The last token is only scored, and may stand just beyond the model's last position.
        ids, mask = padded([r.inputs + r.choice[:-1] for r in rows], pad, device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        first = [len(r.inputs) - 1 for r in rows]
    log_probs = logits.float().log_softmax(dim=-1)
    sums = []
    for row, start, scores in zip(rows, first, log_probs, strict=True):
        at = torch.arange(start, start + len(row.choice), device=device)
        tokens = torch.tensor(row.choice, dtype=torch.int64, device=device)
        sums.append(float(scores[at, tokens].double().sum()))
    return sums


def naive_generation(model: Any, items: Sequence[GenerationIds], pad: int, eos: int) -> list[TokenIds]:
    """Greedy continuations through the library's `generate`, one at a time; without the end token.

    Penalties and other settings of the model's own generation configuration are not used.
    """
    found = []
    for item in items:
        ids, mask = padded([item.inputs], pad, device_of(model))
        out = (
            unwrapped(model)
            .generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                num_beams=1,
                max_new_tokens=item.max_new_tokens,
                eos_token_id=eos,
                pad_token_id=pad,
            )[0]
            .tolist()
        )
        new = out[1:] if is_encoder_decoder(model) else out[len(item.inputs) :]
        found.append(tuple(new[: new.index(eos)] if eos in new else new))
    return found
