"""The reference path: one row per choice, plain library calls, full logits. Slow, and valid for every
model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from mtft.evaluation.backbones import device_of, is_encoder_decoder, start_token, unwrapped
from mtft.evaluation.batching import batches, padded
from mtft.evaluation.harness import TokenIds
from mtft.evaluation.requests import GenerationIds, RankIds


class _Row(NamedTuple):
    """One choice after its prompt."""

    key: str
    inputs: TokenIds
    choice: TokenIds


class ReferenceEngine:
    """Scores like `LikelihoodEngine`, naively: every choice alone after its prompt, without any padding.

    Args:
        model: Any causal or seq2seq model of the library.
        pad: Id to pad with; never used.
        batch_tokens: Only how many items progress is told of at once.
    """

    def __init__(self, model: Any, pad: int, *, batch_tokens: int = 8192) -> None:
        self.model, self.pad, self.batch_tokens = model, pad, batch_tokens

    def batches(self, items: Sequence[RankIds]) -> list[list[RankIds]]:
        """The items in the batches that `score` takes."""
        return batches(
            items, lambda i: (len(i.inputs) * len(i.choices), sum(map(len, i.choices))), self.batch_tokens
        )

    def score(self, batch: Sequence[RankIds]) -> list[list[float]]:
        """The log-likelihood of every choice of every item, in natural logarithms."""
        return naive_loglikelihoods(self.model, batch, self.pad)


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
        # The library's prompt tuning also returns the logits of the virtual tokens, which stand before.
        logits = logits[:, -ids.shape[1] :]
        first = [len(r.inputs) - 1 for r in rows]
    log_probs = logits.float().log_softmax(dim=-1)
    sums = []
    for row, start, scores in zip(rows, first, log_probs, strict=True):
        at = torch.arange(start, start + len(row.choice), device=scores.device)
        tokens = torch.tensor(row.choice, dtype=torch.int64, device=scores.device)
        sums.append(float(scores[at, tokens].double().sum()))
    return sums


class _Finite(LogitsProcessor):  # type: ignore[misc]
    """Changes nothing, and remembers whether any row had no likeliest token: a logit that is no number."""

    def __init__(self) -> None:
        self.finite = True

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores, as they are."""
        self.finite = self.finite and not bool(scores.max(dim=-1).values.isnan().any())
        return scores


# What a model's own configuration may say of generation, and plain greedy decoding has not.
_PLAIN: dict[str, Any] = {
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
}


def naive_generation(model: Any, items: Sequence[GenerationIds], pad: int, eos: int) -> list[TokenIds | None]:
    """Greedy continuations through the library's `generate`, one at a time; without the end token.

    None where a logit was no number. Penalties and other settings of the model's own generation configuration are not
    used.
    """
    found: list[TokenIds | None] = []
    for item in items:
        ids, mask = padded([item.inputs], pad, device_of(model))
        watch = _Finite()
        out = (
            unwrapped(model)
            .generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                num_beams=1,
                max_new_tokens=item.max_new_tokens,
                min_new_tokens=item.min_new_tokens or None,
                eos_token_id=eos,
                pad_token_id=pad,
                logits_processor=LogitsProcessorList([watch]),
                **_PLAIN,
            )[0]
            .tolist()
        )
        new = out[1:] if is_encoder_decoder(model) else out[len(item.inputs) :]
        found.append(tuple(new[: new.index(eos)] if eos in new else new) if watch.finite else None)
    return found
