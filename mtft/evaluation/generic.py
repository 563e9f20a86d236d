"""Shared prompts for any causal or encoder-decoder model of transformers, through the model's own forward.

Causal: the prompts, padded on the left as the library's `generate` pads them, fill a cache; the choices continue from
copies of it. Encoder-decoders: the encoder runs once per prompt, and each choice is a decoder row over its output.
Whether a model's cache and positions permit that is not told by its class: the first batch is also scored naively, and
if they differ, all batches are. Every weight is used inside the module that owns it, so weights that are partitioned
(ZeRO-3) or offloaded (`device_map`) are brought in as usual.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from mtft.evaluation.backbones import (
    device_of,
    has_virtual_tokens,
    is_encoder_decoder,
    parts_of,
    rounding,
    start_token,
)
from mtft.evaluation.batching import left_padded, padded
from mtft.evaluation.harness import TokenIds
from mtft.evaluation.naive import naive_loglikelihoods
from mtft.evaluation.requests import RankIds

logger = logging.getLogger(__name__)
_CHECKED = 4
_LOGITS = 2**24  # made float32 at once: 64 MB
_UNFIT = (
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    LookupError,
    AssertionError,
    NotImplementedError,
)


class _Token(NamedTuple):
    """A scored token: of which choice, and where its logits stand.

    Attributes:
        choice: Number of the choice in the batch.
        place: Row of the logits that predict it.
        token: Its id.
    """

    choice: int
    place: int
    token: int


class GenericScorer:
    """Log-likelihoods of `RankIds` by any model; `LikelihoodEngine` uses it where it has no path of its own.

    Args:
        model: Any causal or seq2seq model, wrapped, with an adapter, quantised, partitioned or offloaded.
        pad: Id to pad with; it is masked.
        batch_tokens: Tokens per batch of the naive path.
    """

    def __init__(self, model: Any, pad: int, *, batch_tokens: int = 8192) -> None:
        self.model, self.pad, self.batch_tokens = model, pad, batch_tokens
        self._encoder_decoder = is_encoder_decoder(model)
        # Virtual tokens stand before the prompt, where only the adapter's own forward puts them.
        self._shared = False if has_virtual_tokens(model) else None
        takes = inspect.signature(parts_of(model).forward).parameters
        self._positions = "position_ids" in takes
        self._last_only = "logits_to_keep" in takes

    def score(self, batch: Sequence[RankIds]) -> list[list[float]]:
        """The log-likelihood of every choice of every item, in natural logarithms."""
        if self._shared is None:
            self._shared = self._agrees(batch)
        if not self._shared:
            return naive_loglikelihoods(self.model, batch, self.pad, batch_tokens=self.batch_tokens)
        return self._scores(batch)

    def _agrees(self, batch: Sequence[RankIds]) -> bool:
        """Whether sharing works for this model: items of the batch score as they do naively."""
        some = [*_some(batch), _probe(batch)]
        try:
            found = torch.tensor([value for row in self._scores(some) for value in row], dtype=torch.float64)
        except torch.OutOfMemoryError:
            raise
        except _UNFIT as error:
            return self._refused(
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
        naive = naive_loglikelihoods(self.model, some, self.pad)
        expected = torch.tensor([value for row in naive for value in row], dtype=torch.float64)
        if torch.allclose(found, expected, rtol=1e-5, atol=rounding(self.model), equal_nan=True):
            return True
        return self._refused(f"scores differ by {float((found - expected).abs().max()):.1e}")

    def _refused(self, reason: str) -> bool:
        logger.warning(
            "Prompts cannot be shared among choices by %s (%s); each choice runs with its prompt.",
            type(parts_of(self.model)).__name__,
            reason,
        )
        return False

    def _scores(self, batch: Sequence[RankIds]) -> list[list[float]]:
        sums = (self._seq2seq if self._encoder_decoder else self._causal)(batch).tolist()
        flat = iter(sums)
        return [[next(flat) for _ in item.choices] for item in batch]

    def _causal(self, batch: Sequence[RankIds]) -> Tensor:
        """Sums per choice (choices,) float64: the first tokens from the prompts, the others from the cache."""
        parts, device = parts_of(self.model), device_of(self.model)
        ids, mask = left_padded([item.inputs for item in batch], self.pad, device)
        bodies = list(dict.fromkeys((r, c[:-1]) for r, i in enumerate(batch) for c in i.choices if c[1:]))
        more = {"logits_to_keep": 1} if self._last_only else {}
        prompt = parts(
            input_ids=ids, attention_mask=mask, use_cache=bool(bodies), **self._at(mask, ids.shape[1]), **more
        )
        width = max((len(body) for _, body in bodies), default=0)
        first, later = _tokens(batch, {body: n * width for n, body in enumerate(bodies)})
        n_choices = sum(len(item.choices) for item in batch)
        sums = _sums(prompt.logits[:, -1], first, n_choices)
        if bodies:
            owners = torch.tensor([row for row, _ in bodies], device=device)
            cache = prompt.past_key_values
            cache.reorder_cache(owners)
            tokens, real = padded([body for _, body in bodies], self.pad, device)
            both = torch.cat([mask[owners], real], dim=1)
            after = parts(
                input_ids=tokens,
                attention_mask=both,
                past_key_values=cache,
                use_cache=True,
                **self._at(both, tokens.shape[1]),
            )
            sums += _sums(after.logits.flatten(0, 1), later, n_choices)
        return sums

    def _at(self, mask: Tensor, last: int) -> dict[str, Tensor]:
        """Positions of the last tokens, counted without padding, for models that take them."""
        return {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)[:, -last:]} if self._positions else {}

    def _seq2seq(self, batch: Sequence[RankIds]) -> Tensor:
        """Sums per choice (choices,) float64, from one encoder pass and a decoder row per distinct choice."""
        parts, device = parts_of(self.model), device_of(self.model)
        ids, mask = padded([item.inputs for item in batch], self.pad, device)
        encoded = parts.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        bodies = list(dict.fromkeys((row, c[:-1]) for row, item in enumerate(batch) for c in item.choices))
        owners = torch.tensor([row for row, _ in bodies], device=encoded.device)
        begun, _ = padded([(start_token(self.model), *body) for _, body in bodies], self.pad, device)
        logits = parts(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded[owners]),
            attention_mask=mask[owners.to(mask.device)],
            decoder_input_ids=begun,
            use_cache=False,
        ).logits
        line = {body: n for n, body in enumerate(bodies)}
        choices = [(row, choice) for row, item in enumerate(batch) for choice in item.choices]
        placed = [
            _Token(number, line[row, choice[:-1]] * begun.shape[1] + at, token)
            for number, (row, choice) in enumerate(choices)
            for at, token in enumerate(choice)
        ]
        return _sums(logits.flatten(0, 1), placed, len(choices))


def _tokens(
    batch: Sequence[RankIds], begin: dict[tuple[int, TokenIds], int]
) -> tuple[list[_Token], list[_Token]]:
    """The first tokens of all choices, placed at their prompts, and the others, from where their row begins on."""
    choices = [(row, choice) for row, item in enumerate(batch) for choice in item.choices]
    first = [_Token(number, row, choice[0]) for number, (row, choice) in enumerate(choices)]
    later = [
        _Token(number, begin[row, choice[:-1]] + at, token)
        for number, (row, choice) in enumerate(choices)
        for at, token in enumerate(choice[1:])
    ]
    return first, later


def _sums(logits: Tensor, tokens: Sequence[_Token], n_choices: int) -> Tensor:
    """Σ log p(token) per choice, (choices,) float64, from logits (places, vocabulary); a chunk in float32 at a time."""
    total = torch.zeros(n_choices, dtype=torch.float64, device=logits.device)
    table = torch.tensor(tokens, dtype=torch.int64, device=logits.device).reshape(-1, 3)
    for part in torch.split(table, max(1, _LOGITS // logits.shape[-1])):
        owners, places, ids = part.unbind(1)
        rows = logits[places].float()
        total.index_add_(0, owners, (rows.gather(1, ids[:, None])[:, 0] - rows.logsumexp(dim=-1)).double())
    return total


def _some(batch: Sequence[RankIds]) -> list[RankIds]:
    return list(batch) if len(batch) < _CHECKED else [*batch[: _CHECKED // 2], batch[-1]]


def _probe(batch: Sequence[RankIds]) -> RankIds:
    """A shorter prompt, so that rows are padded, and a choice of several tokens, so that the cache is used.

    Batches come longest first: without it the first one, of equal lengths or of choices of one token, would vouch for
    what later ones do otherwise.
    """
    least = min(batch, key=lambda item: len(item.inputs))
    longer = least.choices[0] + least.choices[0][:1]
    return RankIds("probe", least.inputs[len(least.inputs) // 2 :], (*least.choices, longer))
